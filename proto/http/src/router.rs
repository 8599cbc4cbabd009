// SPDX-License-Identifier: ISC
//! From a method and a path to what they mean.
//!
//! A router holds values, not functions: the program matches on the value, so that what a route
//! does is ordinary async code, nothing is boxed, and the table is a constant.
//!
//! ```
//! use fata_http::{Found, Method, Route, Router};
//!
//! #[derive(Clone, Copy, Debug, PartialEq)]
//! enum Page {
//!     Home,
//!     Hello,
//! }
//!
//! const ROUTES: Router<'static, Page> = Router::new(&[
//!     Route::new(Method::Get, "/", Page::Home),
//!     Route::new(Method::Get, "/hello/{name}", Page::Hello),
//! ]);
//!
//! let Found::Route(page, params) = ROUTES.find(Method::Get, "/hello/J%C3%BCrgen") else {
//!     panic!("a route leads there");
//! };
//! assert_eq!(page, Page::Hello);
//! assert_eq!(params.get("name").as_deref(), Some("Jürgen"));
//! ```

use alloc::borrow::Cow;

use crate::{method::Method, path::decode};

/// One route: a method, and a pattern in which a segment `{name}` stands for any segment that is
/// not empty.
#[derive(Clone, Copy, Debug)]
pub struct Route<'p, T> {
    method: Method,
    pattern: &'p str,
    value: T,
}

impl<'p, T> Route<'p, T> {
    /// A route to `value`.
    pub const fn new(method: Method, pattern: &'p str, value: T) -> Self {
        Self {
            method,
            pattern,
            value,
        }
    }
}

/// Routes, of which the first that fits is taken. `HEAD` fits where `GET` does.
#[derive(Clone, Copy, Debug)]
pub struct Router<'p, T>(&'p [Route<'p, T>]);

/// What a router found.
#[derive(Clone, Copy, Debug)]
pub enum Found<'p, 'r, T> {
    /// The value of a route, and what its pattern left open.
    Route(T, Params<'p, 'r>),
    /// The path is known, the method is not: 405.
    MethodNotAllowed,
    /// The path is not known: 404.
    Nothing,
}

/// The segments that a pattern left open.
#[derive(Clone, Copy, Debug)]
pub struct Params<'p, 'r> {
    pattern: &'p str,
    path: &'r str,
}

impl<'p, T: Copy> Router<'p, T> {
    /// A router of these.
    pub const fn new(routes: &'p [Route<'p, T>]) -> Self {
        Self(routes)
    }

    /// Where a method and a path, as it was sent, lead to. A path with a segment that
    /// [`decode`] does not take leads nowhere.
    pub fn find<'r>(&self, method: Method, path: &'r str) -> Found<'p, 'r, T> {
        let method = match method {
            Method::Head => Method::Get,
            other => other,
        };
        let mut is_known = false;
        for route in self.0 {
            if fits(route.pattern, path) {
                is_known = true;
                if route.method == method {
                    let params = Params {
                        pattern: route.pattern,
                        path,
                    };
                    return Found::Route(route.value, params);
                }
            }
        }
        match is_known {
            true => Found::MethodNotAllowed,
            false => Found::Nothing,
        }
    }
}

impl<'r> Params<'_, 'r> {
    /// What stands for `{name}`, decoded.
    pub fn get(&self, name: &str) -> Option<Cow<'r, str>> {
        let mut pairs = self.pattern.split('/').zip(self.path.split('/'));
        let (_, segment) = pairs.find(|(pattern, _)| open(pattern) == Some(name))?;
        decode(segment).ok()
    }
}

/// The name in a segment of a pattern that stands for any.
fn open(pattern: &str) -> Option<&str> {
    pattern.strip_prefix('{')?.strip_suffix('}')
}

fn fits(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let begins = pattern.split('/').all(|pattern| {
        segments.next().is_some_and(|segment| {
            let Ok(segment) = decode(segment) else {
                return false;
            };
            match open(pattern) {
                Some(_) => !segment.is_empty(),
                None => segment == pattern,
            }
        })
    });
    begins && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: Router<'static, u8> = Router::new(&[
        Route::new(Method::Get, "/", 0),
        Route::new(Method::Get, "/user/me", 1),
        Route::new(Method::Get, "/user/{id}", 2),
        Route::new(Method::Put, "/user/{id}", 3),
        Route::new(Method::Get, "/a/{x}/b/{y}", 4),
    ]);

    fn value(method: Method, path: &str) -> Option<u8> {
        match ROUTES.find(method, path) {
            Found::Route(value, _) => Some(value),
            _ => None,
        }
    }

    #[test]
    fn the_first_route_that_fits_is_taken() {
        assert_eq!(value(Method::Get, "/"), Some(0));
        assert_eq!(value(Method::Head, "/user/me"), Some(1));
        assert_eq!(value(Method::Get, "/user/you"), Some(2));
        assert_eq!(value(Method::Put, "/user/me"), Some(3));
        assert_eq!(value(Method::Get, "/us%65r/you"), Some(2));
    }

    #[test]
    fn what_does_not_fit_is_told_apart() {
        let find = |method, path| ROUTES.find(method, path);
        assert!(matches!(find(Method::Post, "/"), Found::MethodNotAllowed));
        for path in [
            "/user",
            "/user/",
            "/user/a/b",
            "/user/..",
            "/user/a%2fb",
            "*",
            "",
        ] {
            assert!(matches!(find(Method::Get, path), Found::Nothing), "{path}");
        }
    }

    #[test]
    fn open_segments_have_values() {
        let Found::Route(4, params) = ROUTES.find(Method::Get, "/a/1%202/b/%2e%2e%2e") else {
            panic!("no route");
        };
        assert_eq!(params.get("x").as_deref(), Some("1 2"));
        assert_eq!(params.get("y").as_deref(), Some("..."));
        assert_eq!(params.get("z"), None);
    }
}

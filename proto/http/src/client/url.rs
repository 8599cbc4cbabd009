// SPDX-License-Identifier: ISC
//! Addresses of resources. Read first: RFC 9110 section 4.2, RFC 3986 section 5.

use alloc::string::String;
use core::fmt;

/// An `http` address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Host and port as they were written; what a request says in `host`.
    authority: String,
    port: u16,
    target: String,
}

/// Why a text is no address that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAUrl {
    /// Its scheme is another than `http`.
    Scheme,
    /// Its host or its port is missing or malformed, or it names a user.
    Authority,
    /// Its path has a byte that cannot be in one.
    Path,
}

impl fmt::Display for NotAUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "not an address that begins with `http://`",
            Self::Authority => "no host, or a malformed one, in the address",
            Self::Path => "a space or a control character in the address",
        })
    }
}

impl core::error::Error for NotAUrl {}

impl Url {
    /// Takes an address such as `http://192.0.2.1:8080/path?query` apart. A fragment is left out.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NotAUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(NotAUrl::Scheme)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(NotAUrl::Scheme);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(NotAUrl::Authority)?;
        let (host, port) = split_port(authority).ok_or(NotAUrl::Authority)?;
        if host.is_empty() || !host.bytes().all(is_of_host) {
            return Err(NotAUrl::Authority);
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotAUrl::Path);
        }
        let mut target = String::new();
        if !path.starts_with('/') {
            target.push('/');
        }
        target.push_str(path);
        Ok(Self {
            authority: authority.into(),
            port,
            target,
        })
    }

    /// The address that `location`, from a redirect, means when it is read here.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn join(&self, location: &str) -> Result<Self, NotAUrl> {
        let mut whole = String::from("http:");
        let location = location.split('#').next().unwrap_or_default();
        let has_scheme = location.split_once("://").is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if has_scheme {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            whole.push_str(location);
            return Self::parse(&whole);
        }
        whole.push_str("//");
        whole.push_str(&self.authority);
        let path = self.target.split('?').next().unwrap_or_default();
        let (path, query) = match location.split_once('?') {
            _ if location.is_empty() => (String::from(&*self.target), None),
            Some(("", query)) => (path.into(), Some(query)),
            Some((relative, query)) => (resolve(path, relative), Some(query)),
            None => (resolve(path, location), None),
        };
        whole.push_str(&path);
        if let Some(query) = query {
            whole.push('?');
            whole.push_str(query);
        }
        Self::parse(&whole)
    }

    /// Host and port, as `host` says them.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host: a name or an IP address, without brackets.
    pub fn host(&self) -> &str {
        let host = split_port(&self.authority).map_or("", |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; 80 if none is named.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in ["http://", &self.authority, &self.target] {
            f.write_str(part)?;
        }
        Ok(())
    }
}

/// Letters, digits and marks of names and addresses; `@` would be a user.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~[]:%".contains(&byte)
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    let after_address = authority.rfind(']').map_or(0, |at| at + 1);
    let (address, rest) = authority.split_at_checked(after_address)?;
    match rest.split_once(':') {
        Some((name, port)) => {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            let port = port.parse().ok().filter(|port| is_number && *port != 0)?;
            let host = if address.is_empty() { name } else { address };
            (address.is_empty() || name.is_empty()).then_some((host, port))
        }
        None => (address.is_empty() || rest.is_empty()).then_some((authority, 80)),
    }
}

/// `relative` read at `path`, without `.` and `..` (RFC 3986 section 5.2.4).
fn resolve(path: &str, relative: &str) -> String {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let base = if relative.starts_with('/') {
        ""
    } else {
        directory
    };
    let relative = relative.strip_prefix('/').unwrap_or(relative);
    let mut resolved = String::new();
    let mut segments = base
        .split('/')
        .skip(1)
        .chain(relative.split('/'))
        .peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            ".." => resolved.truncate(resolved.rfind('/').unwrap_or(0)),
            "." => {}
            name => {
                resolved.push('/');
                resolved.push_str(name);
                continue;
            }
        }
        if is_last {
            resolved.push('/');
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn addresses_come_apart() {
        for (text, host, port, target) in [
            ("http://192.0.2.1", "192.0.2.1", 80, "/"),
            ("HTTP://a:8080/b?c#d", "a", 8080, "/b?c"),
            ("http://[fd00::1]:8/x", "fd00::1", 8, "/x"),
            ("http://[fd00::1]", "fd00::1", 80, "/"),
            ("http://a?b", "a", 80, "/?b"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host(), url.port(), url.target()), (host, port, target));
        }
    }

    #[test]
    fn other_text_is_refused() {
        for (text, error) in [
            ("", NotAUrl::Scheme),
            ("a/b", NotAUrl::Scheme),
            ("https://a/", NotAUrl::Scheme),
            ("http:///x", NotAUrl::Authority),
            ("http://a:x/", NotAUrl::Authority),
            ("http://a:0/", NotAUrl::Authority),
            ("http://a:99999/", NotAUrl::Authority),
            ("http://a:+1/", NotAUrl::Authority),
            ("http://user@a/", NotAUrl::Authority),
            ("http://a b/", NotAUrl::Authority),
            ("http://[::1]x/", NotAUrl::Authority),
            ("http://a/b c", NotAUrl::Path),
            ("http://a/b\r\nc", NotAUrl::Path),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn redirects_are_resolved() {
        let url = Url::parse("http://a:8/b/c/d?q").unwrap();
        for (location, expected) in [
            ("http://x/y", "http://x/y"),
            ("//x/y", "http://x/y"),
            ("/g", "http://a:8/g"),
            ("g", "http://a:8/b/c/g"),
            ("./g/", "http://a:8/b/c/g/"),
            ("../g?y", "http://a:8/b/g?y"),
            ("../../../g", "http://a:8/g"),
            ("..", "http://a:8/b/"),
            ("?y", "http://a:8/b/c/d?y"),
            ("g?y=http://z/", "http://a:8/b/c/g?y=http://z/"),
            ("#s", "http://a:8/b/c/d?q"),
        ] {
            let joined = url.join(location).map(|url| url.to_string());
            assert_eq!(joined.as_deref(), Ok(expected), "{location}");
        }
        assert_eq!(url.join("https://x/"), Err(NotAUrl::Scheme));
    }
}

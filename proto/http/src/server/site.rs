// SPDX-License-Identifier: ISC
//! A static site: every response is prepared when the program starts.

use alloc::{boxed::Box, string::String, vec::Vec};

use fata_device::Flow;
use fata_runtime::Error as Failure;

use super::{
    exchange::Exchange,
    resource::{self, Resource},
};
use crate::{mime::mime, path::decode_path, status::Status};

/// Files of the image as a site.
///
/// `a/index.html` is also the page `/a/`, to which `/a` redirects; `404.html` is sent where there
/// is nothing. Entity tags come from the contents. A request for several ranges is answered with
/// the whole.
pub struct Site {
    /// By path, which begins with a slash; sorted.
    pages: Vec<(String, Page)>,
}

struct Page {
    file: Resource<&'static [u8]>,
    /// Whether the path is that of a directory.
    is_index: bool,
}

impl Site {
    /// The site of `files`: keys with contents, as `Files::iter` gives them. `cache_control` says
    /// for a key what caches may do with it; nothing if empty.
    pub fn new(
        files: impl Iterator<Item = (&'static str, &'static [u8])>,
        cache_control: impl Fn(&str) -> &'static str,
    ) -> Self {
        let mut pages = Vec::new();
        for (key, body) in files {
            let page = |is_index| Page {
                file: Resource::new(body, mime(key), cache_control(key), None),
                is_index,
            };
            let mut path = String::from("/");
            path.push_str(key);
            if let Some(directory) = path.strip_suffix("index.html")
                && directory.ends_with('/')
            {
                pages.push((String::from(directory), page(true)));
            }
            pages.push((path, page(false)));
        }
        pages.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Self { pages }
    }

    /// Answers a request from the site.
    ///
    /// # Errors
    ///
    /// Those of sending.
    pub async fn answer<F: Flow>(&self, exchange: &mut Exchange<'_, F>) -> Result<(), Failure> {
        if !resource::reads(exchange).await? {
            return Ok(());
        }
        let path = exchange.request().path();
        if let Some(page) = self.find(path) {
            return Ok(page.file.answer(exchange, Status::OK).await?);
        }
        // Boxed: whoever gets lost does not decide how large a connection is.
        Box::pin(self.look_closer(exchange)).await
    }

    fn find(&self, path: &str) -> Option<&Page> {
        let at = self
            .pages
            .binary_search_by(|page| page.0.as_str().cmp(path))
            .ok()?;
        self.pages.get(at).map(|page| &page.1)
    }

    /// Answers a request for a path that nothing has as it was sent.
    async fn look_closer<F: Flow>(&self, exchange: &mut Exchange<'_, F>) -> Result<(), Failure> {
        let request = exchange.request();
        let Ok(path) = decode_path(request.path()) else {
            return Ok(exchange.refuse(Status::BAD_REQUEST).await?);
        };
        if let Some(page) = self.find(&path) {
            return Ok(page.file.answer(exchange, Status::OK).await?);
        }
        let mut location = String::from(request.path());
        let mut directory = path.into_owned();
        directory.push('/');
        // A path that begins with two slashes would lead to another host.
        if self.find(&directory).is_some_and(|page| page.is_index) && !location.starts_with("//") {
            location.push('/');
            if let Some(query) = request.query() {
                location.push('?');
                location.push_str(query);
            }
            let response = exchange.response(Status::MOVED_PERMANENTLY);
            return Ok(response.header("location", location).send(b"").await?);
        }
        match self.find("/404.html") {
            Some(page) => Ok(page.file.answer(exchange, Status::NOT_FOUND).await?),
            None => Ok(exchange.refuse(Status::NOT_FOUND).await?),
        }
    }
}

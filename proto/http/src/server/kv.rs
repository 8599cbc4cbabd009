// SPDX-License-Identifier: ISC
//! Answering from a store that can change.

use alloc::string::String;

use fata_device::{Flow, Kv, KvError};

use super::{
    exchange::Exchange,
    resource::{self, Resource},
};
use crate::{error::Error, mime::mime, path::decode_path, status::Status};

/// Answers with the value that `store` has under the path of the request, or under `index.html`
/// below it if the path ends with a slash. The value is read whole, and its entity tag computed, for
/// each request: a [`Site`](super::Site) serves files of the image with less effort.
///
/// # Errors
///
/// Those of sending.
pub async fn serve_kv<F: Flow, K: Kv>(
    exchange: &mut Exchange<'_, F>,
    store: &K,
    cache_control: &str,
) -> Result<(), Error> {
    if !resource::reads(exchange).await? {
        return Ok(());
    }
    let Ok(path) = decode_path(exchange.request().path()) else {
        return exchange.refuse(Status::BAD_REQUEST).await;
    };
    let mut key = String::from(path.trim_start_matches('/'));
    if key.is_empty() || key.ends_with('/') {
        key.push_str("index.html");
    }
    let status = match store.read(&key).await {
        Ok(value) => {
            let file = Resource::new(value, mime(&key), cache_control, None);
            return file.answer(exchange, Status::OK).await;
        }
        Err(KvError::NotFound | KvError::IsDirectory | KvError::InvalidKey) => Status::NOT_FOUND,
        Err(error) => {
            log::error!("cannot read `{key}`: {error}");
            Status::INTERNAL_SERVER_ERROR
        }
    };
    exchange.refuse(status).await
}

// SPDX-License-Identifier: ISC
//! Answering with a representation that is all there: conditions, ranges, methods.
//!
//! Read first: RFC 9110 sections 13.2 and 14.

use alloc::vec::Vec;

use fata_device::Flow;

use super::{
    exchange::Exchange,
    response::{push_field, push_length},
};
use crate::{
    condition::{self, Validators, Verdict},
    date,
    error::Error,
    fields::Known,
    method::Method,
    number::push_decimal,
    range::{self, Asked},
    status::Status,
};

/// Bytes of an entity tag: sixteen digits in quotes.
const TAG: usize = 18;

/// A representation and the fields that go with it, prepared so that a response is two copies.
pub(super) struct Resource<B> {
    body: B,
    kind: &'static str,
    etag: [u8; TAG],
    modified: Option<u64>,
    /// What every response about it says: tag, age, when it was changed.
    common: Vec<u8>,
    /// What comes behind the date of a 200.
    whole: Vec<u8>,
}

impl<B: AsRef<[u8]>> Resource<B> {
    /// A representation of that media type, with a `cache-control` unless it is empty.
    pub(super) fn new(
        body: B,
        kind: &'static str,
        cache_control: &str,
        modified: Option<u64>,
    ) -> Self {
        let etag = tag(body.as_ref());
        let mut common = Vec::new();
        push_field(&mut common, "etag", &etag);
        if let Some(modified) = modified {
            push_field(&mut common, "last-modified", &date::format(modified));
        }
        if !cache_control.is_empty() {
            push_field(&mut common, "cache-control", cache_control.as_bytes());
        }
        let mut whole = Vec::new();
        push_field(&mut whole, "content-type", kind.as_bytes());
        push_length(&mut whole, body.as_ref().len() as u64);
        push_field(&mut whole, "accept-ranges", b"bytes");
        whole.extend_from_slice(&common);
        whole.shrink_to_fit();
        common.shrink_to_fit();
        Self {
            body,
            kind,
            etag,
            modified,
            common,
            whole,
        }
    }

    /// Answers a request for it.
    pub(super) async fn answer<F: Flow>(
        &self,
        exchange: &mut Exchange<'_, F>,
        status: Status,
    ) -> Result<(), Error> {
        let request = exchange.request();
        let is_plain = ![
            Known::IfMatch,
            Known::IfModifiedSince,
            Known::IfNoneMatch,
            Known::IfUnmodifiedSince,
            Known::Range,
        ]
        .into_iter()
        .any(|known| request.has(known));
        if is_plain || status != Status::OK {
            let response = exchange.response(status);
            return response
                .send_prepared(&self.whole, self.body.as_ref())
                .await;
        }
        let current = Validators {
            etag: &self.etag,
            modified: self.modified,
        };
        match condition::evaluate(&request, current) {
            Verdict::Proceed => self.part(exchange, current).await,
            Verdict::NotModified => {
                let response = exchange.response(Status::NOT_MODIFIED);
                response.fields(&self.common).send(b"").await
            }
            Verdict::Failed => exchange.refuse(Status::PRECONDITION_FAILED).await,
        }
    }

    /// Answers a request that may be for a part.
    async fn part<F: Flow>(
        &self,
        exchange: &mut Exchange<'_, F>,
        current: Validators<'_>,
    ) -> Result<(), Error> {
        let body = self.body.as_ref();
        let request = exchange.request();
        let asked = match request.first(Known::Range) {
            Some(value) if condition::range_applies(&request, current) => {
                range::asked(value, body.len())
            }
            _ => Asked::Whole,
        };
        let mut place = b"bytes ".to_vec();
        match asked {
            Asked::Whole => {
                let response = exchange.response(Status::OK);
                response.send_prepared(&self.whole, body).await
            }
            Asked::Part(range) => {
                push_decimal(&mut place, range.start as u64);
                place.push(b'-');
                push_decimal(&mut place, range.end as u64 - 1);
                place.push(b'/');
                push_decimal(&mut place, body.len() as u64);
                let response = exchange.response(Status::PARTIAL_CONTENT);
                let response = response
                    .header("content-type", self.kind)
                    .header("content-range", place)
                    .fields(&self.common);
                response.send(body.get(range).unwrap_or_default()).await
            }
            Asked::Nothing => {
                place.extend_from_slice(b"*/");
                push_decimal(&mut place, body.len() as u64);
                let response = exchange.response(Status::RANGE_NOT_SATISFIABLE);
                response.header("content-range", place).send(b"").await
            }
        }
    }
}

/// Sees that a request only reads; if not, answers it, and gives `false`.
pub(super) async fn reads<F: Flow>(exchange: &mut Exchange<'_, F>) -> Result<bool, Error> {
    let status = match exchange.request().method() {
        Method::Get | Method::Head => return Ok(true),
        Method::Options => Status::NO_CONTENT,
        _ => Status::METHOD_NOT_ALLOWED,
    };
    let response = exchange.response(status);
    let response = response.header("allow", "GET, HEAD, OPTIONS");
    response.send(b"").await?;
    Ok(false)
}

/// A strong entity tag: 64 bits that another content has only by an accident that nobody meets.
/// Whoever makes both contents could make one; they fool only their own readers.
fn tag(body: &[u8]) -> [u8; TAG] {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(FACTOR);
        product as u64 ^ (product >> 64) as u64 ^ hash.rotate_left(23)
    };
    let mut hash = mix(FACTOR, body.len() as u64);
    for piece in body.chunks(8) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(piece) {
            *to = *from;
        }
        hash = mix(hash, u64::from_le_bytes(word));
    }
    let hash = mix(mix(hash, FACTOR), !FACTOR);
    let mut tag = [b'"'; TAG];
    for (at, digit) in tag.iter_mut().skip(1).take(TAG - 2).enumerate() {
        let nibble = (hash >> (60 - 4 * at)) as u8 & 15;
        *digit = if nibble < 10 { b'0' } else { b'a' - 10 } + nibble;
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_differ_where_contents_do() {
        let contents: &[&[u8]] = &[
            b"",
            b"\0",
            b"\0\0",
            b"a",
            b"b",
            b"ab",
            b"ba",
            b"12345678",
            b"12345678\0",
            b"1234567812345678",
            b"1234567812345679",
        ];
        for (at, one) in contents.iter().enumerate() {
            assert_eq!(tag(one), tag(one));
            for other in &contents[at + 1..] {
                assert_ne!(tag(one), tag(other), "{one:?} {other:?}");
            }
        }
        let tag = tag(b"a");
        assert!(tag[1..17].iter().all(u8::is_ascii_hexdigit));
        assert_eq!((tag[0], tag[17]), (b'"', b'"'));
    }
}

// SPDX-License-Identifier: ISC
//! Conditional requests. Read first: RFC 9110 sections 8.8 and 13.

use crate::{
    date,
    fields::{Known, members},
    head::Request,
    method::Method,
};

/// What is known of the current state of a resource.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Validators<'a> {
    /// Its strong entity tag, with quotes. One that is there says that the resource is.
    pub(crate) etag: &'a [u8],
    /// When it was last changed, in seconds since 1970.
    pub(crate) modified: Option<u64>,
}

/// What the conditions of a request lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// 304: the peer has it.
    NotModified,
    /// 412: it is not as the peer believes.
    Failed,
}

/// Evaluates the conditions in the order of RFC 9110 section 13.2.2. Not `if-range`: see
/// [`range_applies`].
pub(crate) fn evaluate(request: &Request<'_>, current: Validators<'_>) -> Verdict {
    let is_reading = matches!(request.method(), Method::Get | Method::Head);
    let since = |known| {
        let asked = request.first(known).and_then(date::parse);
        asked.zip(current.modified)
    };
    if request.has(Known::IfMatch) {
        let lists = || request.all(Known::IfMatch).flat_map(members);
        if !lists().any(|tag| tag == b"*" || tag == current.etag) {
            return Verdict::Failed;
        }
    } else if let Some((asked, modified)) = since(Known::IfUnmodifiedSince)
        && modified > asked
    {
        return Verdict::Failed;
    }
    if request.has(Known::IfNoneMatch) {
        let mut lists = request.all(Known::IfNoneMatch).flat_map(members);
        if lists.any(|tag| tag == b"*" || strong(tag) == current.etag) {
            return if is_reading {
                Verdict::NotModified
            } else {
                Verdict::Failed
            };
        }
    } else if is_reading
        && let Some((asked, modified)) = since(Known::IfModifiedSince)
        && modified <= asked
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether a `range` field is to be looked at (RFC 9110 sections 13.1.5 and 14.2): for `GET`, and
/// if `if-range` names the current state.
pub(crate) fn range_applies(request: &Request<'_>, current: Validators<'_>) -> bool {
    let is_current = match request.first(Known::IfRange) {
        None => true,
        Some(tag @ [b'"', ..]) => tag == current.etag,
        // A date counts only if it is the very one; a weak tag never does.
        Some(other) => current.modified.is_some() && date::parse(other) == current.modified,
    };
    request.method() == Method::Get && is_current
}

/// A tag without the sign that it is weak. Tags that contain a comma are never ours.
fn strong(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

// SPDX-License-Identifier: ISC
//! Methods. Read first: RFC 9110 section 9.

/// What a request asks to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Send the resource.
    Get,
    /// As [`Get`](Self::Get), without the body.
    Head,
    /// Process what is sent.
    Post,
    /// Put what is sent in the place of the resource.
    Put,
    /// Remove the resource.
    Delete,
    /// Open a tunnel. The server here never does.
    Connect,
    /// Say what can be done.
    Options,
    /// Send the request back.
    Trace,
    /// Change a part of the resource (RFC 5789).
    Patch,
}

impl Method {
    const ALL: [Self; 9] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
    ];

    /// The method of that name, which is case-sensitive.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
        }
    }
}

// SPDX-License-Identifier: ISC
//! What a peer can take up: time, memory, connections.

use core::time::Duration;

/// What a client of a server can take up.
///
/// | | default |
/// |---|---|
/// | request line | 8,000 bytes (RFC 9112 section 3 asks for at least that) |
/// | head with its request line | 16,384 bytes, 64 fields |
/// | body | 1 MiB, at least 1,000 bytes a second after 10 seconds |
/// | first byte to end of the head | 10 s |
/// | silence between requests | 60 s |
/// | no progress of a response | 30 s |
/// | requests on a connection | 1,000,000 |
/// | connections | 10,000 |
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the request line; more are answered 414.
    pub request_line: usize,
    /// Bytes of the head, request line included, at most 65,535; more are answered 431.
    pub head: usize,
    /// Fields of the head, at most 128; more are answered 431.
    pub fields: usize,
    /// Bytes of a request's body; more are answered 413.
    /// [`Exchange::limit_body`](crate::Exchange::limit_body) changes it for a request.
    pub body: u64,
    /// Bytes a second that a body must come with, on average, when `body_grace` is over.
    pub body_rate: u32,
    /// Time in which a body may come as it likes.
    pub body_grace: Duration,
    /// Time from the first byte of a request to the end of its head; more is answered 408.
    pub head_time: Duration,
    /// Time without a request, after which a connection is closed.
    pub idle_time: Duration,
    /// Time without progress in writing, after which a connection is given up.
    pub write_time: Duration,
    /// Requests that a connection may carry; it is closed with the last.
    pub requests: u32,
    /// Connections at a time. When there are as many and one more comes, idle ones are closed.
    pub connections: usize,
}

impl Limits {
    /// The defaults of the table above.
    pub const DEFAULT: Self = Self {
        request_line: 8_000,
        head: 16_384,
        fields: 64,
        body: 1 << 20,
        body_rate: 1_000,
        body_grace: Duration::from_secs(10),
        head_time: Duration::from_secs(10),
        idle_time: Duration::from_secs(60),
        write_time: Duration::from_secs(30),
        requests: 1_000_000,
        connections: 10_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a server can take up of a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Bytes of a response's head, at most 65,535.
    pub head: usize,
    /// Fields of the head, at most 128.
    pub fields: usize,
    /// Bytes of a body that is read whole.
    pub body: u64,
    /// Time from the request to the end of the response's head.
    pub head_time: Duration,
    /// Time without a byte of the body.
    pub idle_time: Duration,
    /// Time without progress in writing the request.
    pub write_time: Duration,
}

impl Default for ClientLimits {
    /// 32 KiB and 128 fields of head, 16 MiB of body, 30 seconds each.
    fn default() -> Self {
        Self {
            head: 32_768,
            fields: 128,
            body: 16 << 20,
            head_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
        }
    }
}

// SPDX-License-Identifier: ISC
//! Status codes. Read first: RFC 9110 section 15.

/// A status code from 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(u16);

macro_rules! statuses {
    ($($name:ident = $code:literal, $reason:literal;)*) => {
        #[allow(missing_docs, reason = "the names are those of RFC 9110")]
        impl Status {
            $(pub const $name: Self = Self($code);)*

            /// Its line, as it is sent.
            pub(crate) const fn line(self) -> Option<&'static [u8]> {
                match self.0 {
                    $($code => Some(
                        concat!("HTTP/1.1 ", $code, " ", $reason, "\r\n").as_bytes()
                    ),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    CONTINUE = 100, "Continue";
    OK = 200, "OK";
    CREATED = 201, "Created";
    ACCEPTED = 202, "Accepted";
    NO_CONTENT = 204, "No Content";
    PARTIAL_CONTENT = 206, "Partial Content";
    MOVED_PERMANENTLY = 301, "Moved Permanently";
    FOUND = 302, "Found";
    SEE_OTHER = 303, "See Other";
    NOT_MODIFIED = 304, "Not Modified";
    TEMPORARY_REDIRECT = 307, "Temporary Redirect";
    PERMANENT_REDIRECT = 308, "Permanent Redirect";
    BAD_REQUEST = 400, "Bad Request";
    UNAUTHORIZED = 401, "Unauthorized";
    FORBIDDEN = 403, "Forbidden";
    NOT_FOUND = 404, "Not Found";
    METHOD_NOT_ALLOWED = 405, "Method Not Allowed";
    REQUEST_TIMEOUT = 408, "Request Timeout";
    CONFLICT = 409, "Conflict";
    PRECONDITION_FAILED = 412, "Precondition Failed";
    CONTENT_TOO_LARGE = 413, "Content Too Large";
    URI_TOO_LONG = 414, "URI Too Long";
    UNSUPPORTED_MEDIA_TYPE = 415, "Unsupported Media Type";
    RANGE_NOT_SATISFIABLE = 416, "Range Not Satisfiable";
    EXPECTATION_FAILED = 417, "Expectation Failed";
    TOO_MANY_REQUESTS = 429, "Too Many Requests";
    REQUEST_HEADER_FIELDS_TOO_LARGE = 431, "Request Header Fields Too Large";
    INTERNAL_SERVER_ERROR = 500, "Internal Server Error";
    NOT_IMPLEMENTED = 501, "Not Implemented";
    SERVICE_UNAVAILABLE = 503, "Service Unavailable";
    HTTP_VERSION_NOT_SUPPORTED = 505, "HTTP Version Not Supported";
}

impl Status {
    /// The status `code`, if it has three digits of which the first is 1 to 5.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            100..600 => Some(Self(code)),
            _ => None,
        }
    }

    /// The code.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Whether a response with it never has a body (RFC 9112 section 6.3).
    pub const fn is_bodiless(self) -> bool {
        matches!(self.0, 100..200 | 204 | 304)
    }

    /// Whether it says that another address should be asked, which `location` names.
    pub const fn is_redirect(self) -> bool {
        matches!(self.0, 301 | 302 | 303 | 307 | 308)
    }

    /// Code and reason, such as `404 Not Found`; an empty text for a code without a name.
    pub(crate) fn text(self) -> &'static [u8] {
        let line = self.line().unwrap_or_default();
        line.get(9..line.len().saturating_sub(2))
            .unwrap_or_default()
    }
}

// SPDX-License-Identifier: ISC
//! What is understood and what is refused, by section of RFC 9112.

use super::*;

fn parse(input: &str) -> Result<Option<Head>, u16> {
    let mut head = Head::new();
    match head.parse(input.as_bytes(), &Limits::DEFAULT) {
        Ok(true) => Ok(Some(head)),
        Ok(false) => Ok(None),
        Err(status) => Err(status.code()),
    }
}

/// The head of a request with these lines after its host.
fn with(lines: &str) -> Result<Option<Head>, u16> {
    parse(&std::format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
}

fn complete(input: &str) -> Head {
    parse(input).unwrap().unwrap()
}

#[test]
fn a_request_is_understood() {
    let input = "\r\nGET /a%20b?c=d HTTP/1.1\r\nHost: example.org:80\r\nX-Y:  z \r\n\r\nrest";
    let head = complete(input);
    let request = Request::new(&head, input.as_bytes());
    assert_eq!(head.len, input.len() - 4);
    assert_eq!(request.method(), Method::Get);
    assert_eq!((request.path(), request.query()), ("/a%20b", Some("c=d")));
    assert_eq!(request.header("x-y"), Some(&b"z"[..]));
    assert_eq!(request.header("y"), None);
    assert_eq!(request.headers().count(), 2);
    assert!(head.keep_alive);
}

#[test]
fn a_head_that_is_not_all_there_is_waited_for() {
    let input = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for len in 0..input.len() {
        assert!(matches!(parse(&input[..len]), Ok(None)), "{len}");
    }
}

/// Section 2.2.
#[test]
fn lines_end_with_crlf() {
    for input in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nB: c\rd\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nB: c\0d\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    ] {
        assert_eq!(parse(input).err(), Some(400), "{input:?}");
    }
}

/// Section 2.3.
#[test]
fn other_versions_are_not_supported() {
    for (input, status) in [
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET / HTTP/1.9\r\nHost: a\r\n\r\n", 505),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
    ] {
        assert_eq!(parse(input).err(), Some(status), "{input:?}");
    }
}

/// Section 3.
#[test]
fn request_lines_are_checked() {
    for (line, status) in [
        ("BREW / HTTP/1.1", 501),
        ("get / HTTP/1.1", 501),
        ("CONNECT a:443 HTTP/1.1", 501),
        ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400),
        ("GET / a HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("GET ftp://a/ HTTP/1.1", 400),
        ("GET http:///x HTTP/1.1", 400),
    ] {
        let input = std::format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(parse(&input).err(), Some(status), "{line:?}");
    }
    for (line, target) in [
        ("GET http://a/b?c HTTP/1.1", "/b?c"),
        ("GET HTTP://a HTTP/1.1", "/"),
        ("OPTIONS * HTTP/1.1", "*"),
    ] {
        let input = std::format!("{line}\r\nHost: a\r\n\r\n");
        let head = complete(&input);
        assert_eq!(Request::new(&head, input.as_bytes()).target(), target);
    }
}

/// Section 3.2.
#[test]
fn there_is_one_host() {
    for (input, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ] {
        assert_eq!(parse(input).err(), Some(status), "{input:?}");
    }
    assert!(complete("GET / HTTP/1.0\r\n\r\n").is_old);
    complete("GET / HTTP/1.1\r\nHost: [fd00::1]:80\r\n\r\n");
}

/// Sections 5.1 and 5.2.
#[test]
fn fields_are_neither_folded_nor_spaced() {
    for lines in [
        "A : b\r\n",
        "A\t: b\r\n",
        "A: b\r\n c\r\n",
        "A: b\r\n\tc\r\n",
        ": b\r\n",
        "A\r\n",
        "Content-Length : 1\r\n",
        "(a): b\r\n",
    ] {
        assert_eq!(with(lines).err(), Some(400), "{lines:?}");
    }
}

/// Sections 6.1 and 6.3.
#[test]
fn a_length_is_clear_or_refused() {
    for (lines, status) in [
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", 400),
        ("Content-Length: 1, 1\r\n", 400),
        ("Content-Length: +1\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 0x1\r\n", 400),
        ("Content-Length:\r\n", 400),
        ("Content-Length: 99999999999999999999\r\n", 400),
        ("Transfer-Encoding: gzip\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: chunked, gzip\r\n", 400),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        ("Transfer-Encoding:\r\n", 400),
        ("Transfer-Encoding: \"chunked\"\r\n", 400),
        ("Transfer-Encoding: \x0bchunked\r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
    ] {
        assert_eq!(with(lines).err(), Some(status), "{lines:?}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(parse(old).err(), Some(400));
    let body = |lines| with(lines).unwrap().unwrap().body;
    assert_eq!(body(""), Length::Known(0));
    assert_eq!(body("Content-Length: 007\r\n"), Length::Known(7));
    assert_eq!(body("transfer-encoding: Chunked\r\n"), Length::Chunked);
}

/// Section 9.3.
#[test]
fn persistence_follows_version_and_options() {
    let keeps = |version: &str, lines: &str| {
        complete(&std::format!(
            "GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n"
        ))
        .keep_alive
    };
    assert!(keeps("1.1", ""));
    assert!(!keeps("1.1", "Connection: close\r\n"));
    assert!(!keeps("1.1", "Connection: Upgrade,  CLOSE\r\n"));
    assert!(!keeps("1.0", ""));
    assert!(keeps("1.0", "Connection: x\r\nConnection: keep-alive\r\n"));
}

/// RFC 9110 section 10.1.1.
#[test]
fn expectations_are_known_or_failed() {
    let expects = |lines| with(lines).map(|head| head.unwrap().expects);
    assert_eq!(
        expects("Expect: 100-Continue\r\nContent-Length: 1\r\n"),
        Ok(true)
    );
    assert_eq!(expects("Expect: 100-continue\r\n"), Ok(false));
    assert_eq!(expects("Expect: coffee\r\n"), Err(417));
}

#[test]
fn sizes_are_bounded() {
    let long = "a".repeat(9_000);
    let line = std::format!("GET /{long}");
    assert_eq!(parse(&line).err(), Some(414), "a line that goes on");
    let line = std::format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(parse(&line).err(), Some(414), "a line that ends");
    let field = std::format!("A: {long}\r\n");
    assert_eq!(with(&field.repeat(2)).err(), Some(431), "long fields");
    assert_eq!(with(&"A: b\r\n".repeat(64)).err(), Some(431), "many fields");
    assert!(with(&"A: b\r\n".repeat(63)).is_ok());
}

/// Whatever is done to a request, it is understood, refused or waited for.
#[test]
fn mutations_never_panic() {
    let seed = b"POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nContent-Length: 12\r\nIf-Range: x\r\n\r\n";
    let mut state = 1_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize
    };
    let mut head = Head::new();
    for _ in 0..20_000 {
        let mut input = seed.to_vec();
        for _ in 0..1 + random() % 4 {
            let at = random() % input.len();
            match random() % 3 {
                0 => input[at] = random() as u8,
                1 => drop(input.remove(at)),
                _ => input.insert(at, b"\r\n :,;"[random() % 6]),
            }
        }
        if head.parse(&input, &Limits::DEFAULT) == Ok(true) {
            assert!(head.len <= input.len());
        }
    }
}

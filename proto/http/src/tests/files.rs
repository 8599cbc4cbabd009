// SPDX-License-Identifier: ISC
//! Sites, conditions and ranges, by section of RFC 9110.

use std::format;

use fata_device::{Kv, memory::KvMap};

use super::*;
use crate::{Site, serve_kv};

const FILES: &[(&str, &[u8])] = &[
    ("a/index.html", b"<p>a"),
    ("index.html", b"<p>home"),
    ("ten.txt", b"0123456789"),
    ("with space.txt", b"space"),
];

fn site() -> Site {
    Site::new(FILES.iter().copied(), |key| {
        if key.ends_with(".txt") {
            "max-age=60"
        } else {
            ""
        }
    })
}

fn ask_of(
    handler: &impl AsyncFn(&mut Exchange<'_, FlowEnd>) -> Result<(), Failure>,
    head: &str,
) -> String {
    let (mut here, there) = flow_pair(ROOM);
    let server = Server::new(Limits::DEFAULT);
    let asking = async {
        here.write_all(head.as_bytes()).await.unwrap();
        here.shutdown().await.unwrap();
        rest(&mut here).await
    };
    run(beside(server.serve_flow(there, handler), asking))
}

/// What the site says to a request line and fields.
fn ask(line: &str, fields: &str) -> String {
    let site = site();
    let handler = async |exchange: &mut Exchange<'_, FlowEnd>| site.answer(exchange).await;
    ask_of(
        &handler,
        &format!("{line} HTTP/1.1\r\nHost: x\r\n{fields}\r\n"),
    )
}

fn field<'s>(said: &'s str, name: &str) -> Option<&'s str> {
    let line = said
        .lines()
        .find(|line| line.starts_with(&format!("{name}: ")))?;
    Some(&line[name.len() + 2..])
}

#[test]
fn files_have_paths() {
    for (path, expected) in [
        ("/", "<p>home"),
        ("/index.html", "<p>home"),
        ("/a/", "<p>a"),
        ("/ten.txt?query", "0123456789"),
        ("/with%20space.txt", "space"),
        ("/%74en.txt", "0123456789"),
    ] {
        let said = ask(&format!("GET {path}"), "");
        assert_eq!(
            (codes(&said), body(&said)),
            (Vec::from([200]), expected),
            "{path}"
        );
    }
    let said = ask("GET /ten.txt", "");
    assert_eq!(
        field(&said, "content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(field(&said, "cache-control"), Some("max-age=60"));
    assert_eq!(field(&ask("GET /", ""), "cache-control"), None);
}

#[test]
fn other_paths_lead_nowhere() {
    for (path, code) in [
        ("/b", 404),
        ("/a/index", 404),
        ("//", 404),
        ("//a", 404),
        ("/a/../ten.txt", 400),
        ("/%2e%2e/ten.txt", 400),
        ("/a%2f", 400),
        ("/%", 400),
        ("/%00", 400),
    ] {
        assert_eq!(codes(&ask(&format!("GET {path}"), "")), [code], "{path}");
    }
    let said = ask("GET /a?q", "");
    assert_eq!(
        (codes(&said), field(&said, "location")),
        (Vec::from([301]), Some("/a/?q"))
    );
}

/// Section 9.1.
#[test]
fn a_site_is_only_read() {
    let said = ask("DELETE /", "");
    assert_eq!(codes(&said), [405]);
    assert_eq!(field(&said, "allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(codes(&ask("OPTIONS *", "")), [204]);
    assert_eq!(body(&ask("HEAD /", "")), "");
}

/// Section 13.2.2.
#[test]
fn conditions_have_an_order() {
    let said = ask("GET /ten.txt", "");
    let tag = field(&said, "etag").unwrap();
    for (fields, code) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304),
        ("If-None-Match: *\r\n".into(), 304),
        ("If-None-Match: \"x\"\r\n".into(), 200),
        (format!("If-Match: {tag}\r\n"), 200),
        ("If-Match: *\r\n".into(), 200),
        ("If-Match: \"x\"\r\n".into(), 412),
        (format!("If-Match: W/{tag}\r\n"), 412),
        (format!("If-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"), 412),
        (format!("If-Match: {tag}\r\nIf-None-Match: {tag}\r\n"), 304),
        // Nothing is known of when it was changed.
        (
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n".into(),
            200,
        ),
        (format!("If-None-Match: {tag}\r\nRange: bytes=0-1\r\n"), 304),
    ] {
        assert_eq!(codes(&ask("GET /ten.txt", &fields)), [code], "{fields}");
    }
    let said = ask("GET /ten.txt", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((body(&said), field(&said, "etag")), ("", Some(tag)));
    assert_eq!(field(&said, "content-length"), None);
}

/// Section 14, and 13.1.5 for `if-range`.
#[test]
fn parts_are_sent() {
    let said = ask("GET /ten.txt", "Range: bytes=2-4\r\n");
    assert_eq!((codes(&said), body(&said)), (Vec::from([206]), "234"));
    assert_eq!(field(&said, "content-range"), Some("bytes 2-4/10"));
    let said = ask("GET /ten.txt", "Range: bytes=10-\r\n");
    assert_eq!(codes(&said), [416]);
    assert_eq!(field(&said, "content-range"), Some("bytes */10"));
    assert_eq!(
        body(&ask("GET /ten.txt", "Range: bytes=0-1,4-5\r\n")).len(),
        10
    );
    let whole = ask("GET /ten.txt", "");
    let tag = field(&whole, "etag").unwrap();
    for (condition, code) in [
        (tag, 206),
        ("\"x\"", 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
    ] {
        let fields = format!("Range: bytes=0-0\r\nIf-Range: {condition}\r\n");
        assert_eq!(codes(&ask("GET /ten.txt", &fields)), [code], "{condition}");
    }
    assert_eq!(codes(&ask("HEAD /ten.txt", "Range: bytes=0-0\r\n")), [200]);
}

#[test]
fn a_store_is_served_as_it_is() {
    let store = KvMap::new();
    run(async {
        store.write("d/index.html", b"index").await.unwrap();
        store.write("f.txt", b"first").await.unwrap();
    });
    let handler = async |exchange: &mut Exchange<'_, FlowEnd>| {
        Ok(serve_kv(exchange, &store, "no-cache").await?)
    };
    let get = |path| ask_of(&handler, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(body(&get("/d/")), "index");
    let first = get("/f.txt");
    assert_eq!(body(&first), "first");
    run(async { store.write("f.txt", b"second").await.unwrap() });
    let second = get("/f.txt");
    assert_eq!(body(&second), "second");
    assert_ne!(field(&first, "etag"), field(&second, "etag"));
    for (path, code) in [
        ("/", 404),
        ("/d", 404),
        ("/x", 404),
        ("/d//", 404),
        ("/../f.txt", 400),
    ] {
        assert_eq!(codes(&get(path)), [code], "{path}");
    }
}

// SPDX-License-Identifier: ISC
//! The client, against the server and against servers that are played.

use super::*;
use crate::{Client, ClientLimits, Error, Method};

fn client(flow: FlowEnd) -> Client<FlowEnd> {
    Client::new(flow, "x", ClientLimits::default())
}

#[test]
fn a_connection_carries_requests_one_after_the_other() {
    let (here, there) = flow_pair(1_000);
    let server = Server::new(Limits::DEFAULT);
    let asking = async {
        let mut client = client(here);
        for _ in 0..3 {
            let mut answer = client.get("/a").await.unwrap();
            assert_eq!(answer.status(), Status::OK);
            assert_eq!(answer.header("Content-Length"), Some(&b"2"[..]));
            assert_eq!(answer.read_all().await.unwrap(), b"/a");
            drop(answer);
            let mut answer = client.get("/stream").await.unwrap();
            assert_eq!(answer.read_all().await.unwrap(), b"one,two");
            drop(answer);
            let answer = client.request(Method::Head, "/a", &[], b"").await.unwrap();
            assert_eq!(answer.headers().count(), 2);
            drop(answer);
            let fields = [("x-y", "z")];
            let mut answer = client
                .request(Method::Post, "/echo", &fields, b"body")
                .await
                .unwrap();
            assert_eq!(answer.read_all().await.unwrap(), b"body");
            drop(answer);
            let mut upload = client.upload(Method::Put, "/echo", &[]).await.unwrap();
            upload.write(b"piece by ").await.unwrap();
            upload.write(b"").await.unwrap();
            upload.write(b"piece").await.unwrap();
            let mut answer = upload.finish().await.unwrap();
            assert_eq!(answer.read_all().await.unwrap(), b"piece by piece");
            drop(answer);
            let mut answer = client.get("/large").await.unwrap();
            assert_eq!(answer.read_all().await.unwrap().len(), 100_000);
            drop(answer);
            assert!(client.is_reusable());
        }
    };
    run(beside(server.serve_flow(there, &answer), asking));
}

/// What a client reads of `answer`, after which the server ends its side if `ends`.
fn read(answer: &[u8], ends: bool) -> (Result<Vec<u8>, Error>, bool) {
    let (here, mut there) = flow_pair(ROOM);
    run(async {
        there.write_all(answer).await.unwrap();
        if ends {
            there.shutdown().await.unwrap();
        }
        let mut client = client(here);
        let result = match client.get("/").await {
            Ok(mut answer) => answer.read_all().await,
            Err(error) => Err(error),
        };
        (result, client.is_reusable())
    })
}

#[test]
fn answers_end_as_they_say() {
    for (answer, expected, reusable) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef",
            Ok("abc"),
            true,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nall of it", Ok("all of it"), false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
            Ok("a"),
            false,
        ),
        ("HTTP/1.1 204 No\r\n\r\n", Ok(""), true),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            Ok("ab"),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            Err(Error::UnexpectedEnd),
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            Err(Error::UnexpectedEnd),
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-",
            Err(Error::UnexpectedEnd),
            false,
        ),
        ("", Err(Error::UnexpectedEnd), false),
        ("SSH-2.0-x\r\n", Err(Error::Malformed), false),
    ] {
        let expected = expected.map(|text| text.as_bytes().to_vec());
        assert_eq!(
            read(answer.as_bytes(), true),
            (expected, reusable),
            "{answer}"
        );
    }
}

#[test]
fn a_server_cannot_keep_a_client() {
    assert_eq!(read(b"HTTP/1.1 200", false).0, Err(Error::TimedOut));
    let stalled = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc";
    assert_eq!(read(stalled, false).0, Err(Error::TimedOut));
    let mut endless = b"HTTP/1.1 200 OK\r\nA: ".to_vec();
    endless.resize(100_000, b'b');
    assert_eq!(read(&endless, false).0, Err(Error::TooLarge));
    let mut endless = b"HTTP/1.1 100 OK\r\n\r\n".repeat(1_000);
    endless.extend_from_slice(b"HTTP/1.1 204 OK\r\n\r\n");
    assert_eq!(read(&endless, false).0, Ok(Vec::new()));
}

#[test]
fn an_answer_that_was_left_is_not_mistaken_for_the_next() {
    let (here, mut there) = flow_pair(ROOM);
    run(async {
        let said = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        there.write_all(said).await.unwrap();
        let mut client = client(here);
        drop(client.get("/").await.unwrap());
        assert!(!client.is_reusable());
        assert!(matches!(client.get("/").await, Err(Error::WrongUse)));
    });
}

#[test]
fn a_target_writes_no_request() {
    let (here, _there) = flow_pair(ROOM);
    run(async {
        let mut client = client(here);
        for target in ["", "/a b", "/a\r\nb: c"] {
            assert!(matches!(client.get(target).await, Err(Error::WrongUse)));
        }
    });
}

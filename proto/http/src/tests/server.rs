// SPDX-License-Identifier: ISC
//! What a server says, by section of RFC 9112 and RFC 9110.

use core::{
    future::poll_fn,
    task::{Context, Poll},
};
use std::{cell::Cell, format, rc::Rc};

use fata_device::flow::{ErrorKind, ErrorType};

use super::*;

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_response_has_a_head_and_a_body() {
    let said = talk("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let expected = "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                    content-length: 2\r\nconnection: close\r\n\r\n/a";
    assert_eq!(said, expected);
}

/// RFC 9112 section 9.3.2.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let input = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: \
                 3\r\n\r\none\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
    let said = talk(input);
    assert_eq!(codes(&said), [200, 200, 200]);
    let places = ["\r\n\r\n/a", "\r\n\r\none", "\r\n\r\n/b"].map(|text| said.find(text));
    assert!(places.is_sorted() && places[0].is_some(), "{said}");
    // However they are cut.
    for len in 1..input.len() {
        let pieces: Vec<&[u8]> = input.as_bytes().chunks(len).collect();
        assert_eq!(
            codes(&talk_with(Limits::DEFAULT, &pieces, true)).len(),
            3,
            "{len}"
        );
    }
}

/// A flow that counts its writes.
struct Counting(FlowEnd, Rc<Cell<usize>>);

impl ErrorType for Counting {
    type Error = ErrorKind;
}

impl Read for Counting {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buffer).await
    }
}

impl Write for Counting {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.1.set(self.1.get() + 1);
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flush().await
    }
}

impl Flow for Counting {
    async fn shutdown(&mut self) -> Result<(), ErrorKind> {
        self.0.shutdown().await
    }

    async fn readable(&mut self) -> Result<(), ErrorKind> {
        self.0.readable().await
    }
}

#[test]
fn responses_to_a_batch_leave_in_one_write() {
    let (mut here, there) = flow_pair(ROOM);
    let writes = Rc::new(Cell::new(0));
    let there = Counting(there, Rc::clone(&writes));
    let server = Server::new(Limits::DEFAULT);
    let handler = async |exchange: &mut Exchange<'_, Counting>| {
        exchange.response(Status::OK).send(&[b'x'; 612]).await?;
        Ok(())
    };
    let asking = async {
        here.write_all(GET.repeat(16).as_bytes()).await.unwrap();
        here.shutdown().await.unwrap();
        rest(&mut here).await
    };
    let said = run(beside(server.serve_flow(there, &handler), asking));
    assert_eq!(codes(&said).len(), 16);
    assert_eq!(writes.get(), 1);
}

/// RFC 9112 section 7.1.
#[test]
fn bodies_come_and_go_in_chunks() {
    let said = talk(
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: u\r\n\r\nGET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert_eq!(codes(&said), [200, 200]);
    assert!(body(&said).starts_with("abcd"), "{said}");
    assert!(said.contains("transfer-encoding: chunked\r\n"));
    assert!(
        said.ends_with("\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n"),
        "{said}"
    );
}

/// RFC 9112 section 6.3: a length that is unclear ends the connection, and what follows is not
/// looked at.
#[test]
fn smuggled_requests_are_not_seen() {
    for head in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "A: b\r\n Content-Length: 5\r\n",
    ] {
        let input = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{head}\r\n0\r\n\r\n{GET}");
        let said = talk(&input);
        assert_eq!(codes(&said), [400], "{head}");
        assert!(said.contains("connection: close\r\n"));
    }
    let bad_chunk =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n";
    assert_eq!(codes(&talk(&format!("{bad_chunk}0\r\n\r\n{GET}"))), [400]);
}

/// RFC 9112 section 9.3; section 6.3 for a body without a length.
#[test]
fn old_peers_are_served() {
    let said = talk(&format!("GET /a HTTP/1.0\r\n\r\n{GET}"));
    assert_eq!(codes(&said), [200]);
    assert!(said.contains("connection: close\r\n"));
    let said = talk(&format!(
        "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n{GET}"
    ));
    assert_eq!(codes(&said), [200, 200]);
    assert!(said.contains("connection: keep-alive\r\n"));
    let said = talk("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(body(&said), "one,two");
    assert!(said.contains("connection: close\r\n") && !said.contains("chunked"));
}

/// RFC 9110 section 9.3.2.
#[test]
fn head_has_no_body() {
    let said = talk(&format!("HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n{GET}"));
    assert!(said.contains("content-length: 4\r\n\r\nHTTP/1.1"), "{said}");
    let said = talk("HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((codes(&said), body(&said)), (Vec::from([200]), ""));
    let said = talk(&format!("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n{GET}"));
    assert_eq!(codes(&said), [204, 200]);
    assert!(
        !said
            .split("HTTP/1.1 200")
            .next()
            .unwrap()
            .contains("content-length")
    );
}

/// RFC 9110 section 10.1.1.
#[test]
fn who_waits_for_100_gets_it_or_a_final_answer() {
    let head =
        "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let said = talk_with(Limits::DEFAULT, &[head.as_bytes(), b"abc"], true);
    assert!(
        said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"),
        "{said}"
    );
    assert!(said.ends_with("abc"));
    // The body is there: no need to ask for it.
    let said = talk(&format!("{head}abc{GET}"));
    assert_eq!(codes(&said), [200, 200]);
    // Nobody wants the body: it may come or not, so the connection ends.
    let head = head.replace("/echo", "/ignore");
    let said = talk(&head);
    assert_eq!(codes(&said), [200]);
    assert!(said.contains("connection: close\r\n"));
    let too_long = head
        .replace("/ignore", "/echo")
        .replace(": 3", ": 99999999");
    assert_eq!(codes(&talk(&too_long)), [413]);
}

#[test]
fn a_body_that_nobody_wants_is_passed_over() {
    let post = |len| {
        let body = "b".repeat(len);
        format!("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {len}\r\n\r\n{body}{GET}")
    };
    assert_eq!(codes(&talk(&post(20_000))), [200, 200]);
    assert_eq!(codes(&talk(&post(200_000))), [200], "too much of it");
}

#[test]
fn handlers_that_fail_are_answered_for() {
    for path in ["/fail", "/silent"] {
        let said = talk(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(codes(&said), [500], "{path}");
    }
    let said = talk(&format!("GET /part HTTP/1.1\r\nHost: x\r\n\r\n{GET}"));
    assert!(codes(&said).len() <= 1, "a part is never followed by more");
    let said = talk("GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(codes(&said), [200]);
    assert!(
        said.ends_with("first") && !said.contains("dropped"),
        "{said}"
    );
}

#[test]
fn a_value_writes_no_field() {
    let said = talk("GET /inject HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(said.contains("x: a  set-cookie: b\r\n"), "{said}");
}

#[test]
fn the_peer_that_reads_slowly_gets_all_of_it() {
    let (mut here, there) = flow_pair(100);
    let server = Server::new(Limits::DEFAULT);
    let asking = async {
        let request = "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        here.write_all(request.as_bytes()).await.unwrap();
        rest(&mut here).await
    };
    let said = run(beside(server.serve_flow(there, &answer), asking));
    assert_eq!(body(&said).len(), 100_000);
}

#[test]
fn a_large_body_goes_through_a_small_flow() {
    let (mut here, there) = flow_pair(50);
    let server = Server::new(Limits::DEFAULT);
    let body_sent = "0123456789".repeat(1_000);
    let asking = async {
        let head =
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\nConnection: close\r\n\r\n";
        here.write_all(head.as_bytes()).await.unwrap();
        here.write_all(body_sent.as_bytes()).await.unwrap();
        rest(&mut here).await
    };
    let said = run(beside(server.serve_flow(there, &answer), asking));
    assert_eq!(body(&said), body_sent);
}

/// Polls `future` once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    let poll = |cx: &mut Context<'_>| core::pin::Pin::new(&mut *future).poll(cx);
    let mut poll = poll;
    poll_fn(|cx| Poll::Ready(poll(cx))).await
}

#[test]
fn shutdown_lets_requests_finish_and_sends_the_idle_away() {
    let (mut idle, idle_there) = flow_pair(ROOM);
    let (mut busy, busy_there) = flow_pair(ROOM);
    let server = Server::new(Limits::DEFAULT);
    let serving = async {
        let mut one = Box::pin(server.serve_flow(idle_there, &answer));
        let mut two = Box::pin(server.serve_flow(busy_there, &answer));
        let mut over = [false; 2];
        poll_fn(|cx| {
            over[0] = over[0] || one.as_mut().poll(cx).is_ready();
            over[1] = over[1] || two.as_mut().poll(cx).is_ready();
            Poll::<()>::Pending
        })
        .await;
    };
    let asking = async {
        let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
        busy.write_all(head.as_bytes()).await.unwrap();
        pause().await;
        assert_eq!(server.connections(), 2);
        let mut shutdown = Box::pin(server.shutdown(core::time::Duration::from_secs(5)));
        assert!(poll_once(&mut shutdown).await.is_pending());
        assert_eq!(rest(&mut idle).await, "");
        idle.shutdown().await.unwrap();
        busy.write_all(b"abc").await.unwrap();
        let said = rest(&mut busy).await;
        assert!(
            said.contains("connection: close\r\n") && said.ends_with("abc"),
            "{said}"
        );
        busy.shutdown().await.unwrap();
        assert!(shutdown.await);
        assert_eq!(server.connections(), 0);
    };
    run(beside(serving, asking));
}

/// What the task of a connection keeps while it waits for a request.
#[test]
fn the_task_of_a_connection_is_small() {
    let (_here, there) = flow_pair(1);
    let server = Server::new(Limits::DEFAULT);
    let future = server.serve_flow(there, &answer);
    let size = size_of_val(&future);
    assert!(size < 1_024, "{size}");
}

// SPDX-License-Identifier: ISC
//! What a peer cannot take up.

use core::time::Duration;
use std::format;

use super::*;
use crate::clock::{recent, simulated::SET};

/// What is said to a peer that sends this and then nothing, and after how many seconds.
fn silence(limits: Limits, input: &str) -> (String, u64) {
    let start = recent();
    let said = talk_with(limits, &[input.as_bytes()], false);
    (said, (recent() - start).as_secs())
}

#[test]
fn a_head_has_to_come_in_time() {
    let (said, seconds) = silence(Limits::DEFAULT, "GET / HTTP/1.1\r\nHost: ");
    assert_eq!(codes(&said), [408]);
    assert_eq!(seconds, 10);
}

#[test]
fn drops_do_not_buy_time() {
    let (mut here, there) = flow_pair(ROOM);
    let server = Server::new(Limits::DEFAULT);
    let start = recent();
    let asking = async {
        for byte in b"GET / HTTP/1.1\r\nA: ".iter().chain([b'b'; 1000].iter()) {
            if here.write_all(&[*byte]).await.is_err() {
                break;
            }
            second().await;
            if recent() - start > Duration::from_secs(15) {
                break;
            }
        }
        rest(&mut here).await
    };
    let said = run(beside(server.serve_flow(there, &answer), asking));
    assert_eq!(codes(&said), [408]);
}

/// Waits for a second.
async fn second() {
    let until = recent() + Duration::from_secs(1);
    let mut alarm = crate::clock::Alarm::new();
    poll_fn(|cx| {
        if recent() >= until {
            return Poll::Ready(());
        }
        alarm.set(until, cx.waker());
        Poll::Pending
    })
    .await;
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let (said, seconds) = silence(Limits::DEFAULT, "");
    assert_eq!((said.as_str(), seconds), ("", 60));
    let (said, seconds) = silence(Limits::DEFAULT, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((codes(&said), seconds), (Vec::from([200]), 60));
}

#[test]
fn a_body_has_to_come_at_a_rate() {
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n";
    let (said, seconds) = silence(Limits::DEFAULT, head);
    assert_eq!((codes(&said), seconds), (Vec::from([408]), 10));
    let some = format!("{head}{}", "b".repeat(5_000));
    let (said, seconds) = silence(Limits::DEFAULT, &some);
    assert_eq!((codes(&said), seconds), (Vec::from([408]), 15));
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let (mut here, there) = flow_pair(100);
    let server = Server::new(Limits::DEFAULT);
    let start = recent();
    let asking = async {
        let request = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
        here.write_all(request).await.unwrap();
        poll_fn(|cx| server.shared_is_empty(cx)).await;
    };
    run(beside(server.serve_flow(there, &answer), asking));
    assert_eq!((recent() - start).as_secs(), 30);
}

#[test]
fn bodies_are_bounded() {
    let limits = Limits {
        body: 10,
        ..Limits::DEFAULT
    };
    let ask = |head: &str, body: &str| {
        let input = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n{body}");
        codes(&talk_with(limits, &[input.as_bytes()], true))
    };
    assert_eq!(ask("Content-Length: 10", "0123456789"), [200]);
    assert_eq!(ask("Content-Length: 11", "0123456789a"), [413]);
    let chunked = "Transfer-Encoding: chunked";
    assert_eq!(ask(chunked, "a\r\n0123456789\r\n0\r\n\r\n"), [200]);
    assert_eq!(
        ask(chunked, "a\r\n0123456789\r\n1\r\na\r\n0\r\n\r\n"),
        [413]
    );
}

#[test]
fn heads_are_bounded_while_they_come() {
    let endless = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}", "b".repeat(20_000));
    let pieces: Vec<&[u8]> = endless.as_bytes().chunks(100).collect();
    assert_eq!(codes(&talk_with(Limits::DEFAULT, &pieces, true)), [431]);
    let line = format!("GET /{}", "a".repeat(20_000));
    let pieces: Vec<&[u8]> = line.as_bytes().chunks(100).collect();
    assert_eq!(codes(&talk_with(Limits::DEFAULT, &pieces, true)), [414]);
}

#[test]
fn a_connection_carries_so_many_requests() {
    let limits = Limits {
        requests: 3,
        ..Limits::DEFAULT
    };
    let input = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(5);
    let said = talk_with(limits, &[input.as_bytes()], true);
    assert_eq!(codes(&said), [200, 200, 200]);
    assert_eq!(said.matches("connection: close").count(), 1);
}

#[test]
fn the_idle_make_room_for_the_next() {
    let limits = Limits {
        connections: 1,
        ..Limits::DEFAULT
    };
    let (mut first, first_there) = flow_pair(ROOM);
    let (mut next, next_there) = flow_pair(ROOM);
    let server = Server::new(limits);
    let start = recent();
    let asking = async {
        pause().await;
        let serving = server.serve_flow(next_there, &answer);
        let asking = async {
            next.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
            assert_eq!(rest(&mut first).await, "", "sent away");
            first.shutdown().await.unwrap();
            rest(&mut next).await
        };
        beside(serving, asking).await
    };
    let said = run(beside(server.serve_flow(first_there, &answer), asking));
    assert_eq!(codes(&said), [200]);
    assert_eq!(
        (recent() - start).as_secs(),
        0,
        "before it was idle for too long"
    );
}

#[test]
fn requests_touch_no_timer() {
    let (mut here, there) = flow_pair(ROOM);
    let server = Server::new(Limits::DEFAULT);
    let asking = async {
        let mut buffer = [0; 1000];
        for _ in 0..100 {
            here.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                .await
                .unwrap();
            assert!(here.read(&mut buffer).await.unwrap() > 0);
        }
    };
    let before = SET.get();
    run(beside(server.serve_flow(there, &answer), asking));
    assert_eq!(SET.get() - before, 1);
}

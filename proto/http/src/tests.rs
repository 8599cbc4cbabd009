// SPDX-License-Identifier: ISC
//! Server and client over flows in memory, on a clock that moves only while everybody waits.

mod client;
mod files;
mod limits;
mod server;

use std::{boxed::Box, string::String, vec::Vec};

use core::{future::poll_fn, pin::pin, task::Poll};

use fata_device::{
    Flow,
    flow::{Read, Write},
    memory::{FlowEnd, flow_pair},
};
use fata_runtime::Error as Failure;

use crate::{Exchange, Limits, Server, Status, clock::run};

/// Room in a flow that is never full.
const ROOM: usize = 1 << 20;

/// Answers by path.
async fn answer(exchange: &mut Exchange<'_, FlowEnd>) -> Result<(), Failure> {
    let path = String::from(exchange.request().path());
    match path.as_str() {
        "/echo" => {
            let body = exchange.body().read_all().await?;
            exchange.response(Status::OK).send(&body).await?;
        }
        "/stream" => {
            let mut body = exchange.response(Status::OK).stream(None)?;
            for piece in [&b"one,"[..], b"", b"two"] {
                body.write(piece).await?;
            }
            body.finish()?;
        }
        "/part" => {
            let mut body = exchange.response(Status::OK).stream(Some(10))?;
            body.write(b"five!").await?;
        }
        "/fail" => return Err(Failure::msg("no")),
        "/silent" => {}
        "/inject" => {
            let value = "a\r\nset-cookie: b";
            let response = exchange.response(Status::OK).header("x", value);
            response.send(b"").await?;
        }
        "/large" => exchange.response(Status::OK).send(&[b'x'; 100_000]).await?,
        "/empty" => exchange.response(Status::NO_CONTENT).send(b"").await?,
        "/again" => {
            drop(exchange.response(Status::NOT_FOUND).header("x", "dropped"));
            exchange.response(Status::OK).send(b"first").await?;
            assert!(exchange.response(Status::OK).send(b"second").await.is_err());
        }
        _ => exchange.response(Status::OK).send(path.as_bytes()).await?,
    }
    Ok(())
}

/// Runs both until `asking` is done.
async fn beside<T>(serving: impl Future<Output = ()>, asking: impl Future<Output = T>) -> T {
    let (mut serving, mut asking) = (Some(Box::pin(serving)), pin!(asking));
    poll_fn(|cx| {
        let is_over = serving
            .as_mut()
            .is_some_and(|future| future.as_mut().poll(cx).is_ready());
        if is_over {
            serving = None;
        }
        asking.as_mut().poll(cx)
    })
    .await
}

/// Lets the others run.
async fn pause() {
    for _ in 0..3 {
        let mut is_first = true;
        poll_fn(|cx| {
            if core::mem::take(&mut is_first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// What is left to be read, as text.
async fn rest(flow: &mut FlowEnd) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(len @ 1..) = flow.read(&mut buffer).await {
        said.extend_from_slice(&buffer[..len]);
    }
    String::from_utf8(said).expect("text")
}

/// What a server says to `pieces`, which come one after the other, until it closes; the peer ends
/// its side behind them if `ends`.
fn talk_with(limits: Limits, pieces: &[&[u8]], ends: bool) -> String {
    let (mut here, there) = flow_pair(ROOM);
    let server = Server::new(limits);
    let asking = async {
        for piece in pieces {
            if here.write_all(piece).await.is_err() {
                break;
            }
            pause().await;
        }
        if ends {
            let _ = here.shutdown().await;
        }
        rest(&mut here).await
    };
    run(beside(server.serve_flow(there, &answer), asking))
}

fn talk(input: &str) -> String {
    talk_with(Limits::DEFAULT, &[input.as_bytes()], true)
}

/// The codes of the responses in `said`.
fn codes(said: &str) -> Vec<u16> {
    said.match_indices("HTTP/1.1 ")
        .filter_map(|(at, _)| said.get(at + 9..at + 12)?.parse().ok())
        .collect()
}

/// What follows the first head.
fn body(said: &str) -> &str {
    said.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

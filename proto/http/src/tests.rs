// SPDX-License-Identifier: ISC
//! Server and client over flows in memory.

mod client;
mod files;
mod limits;
mod server;

use std::{boxed::Box, pin::pin, string::String, vec::Vec};

use core::{future::poll_fn, pin::Pin, task::Poll};

use fata_device::{
    Flow,
    conformance::block_on,
    flow::{Read, Write},
    memory::{FlowEnd, flow_pair},
};
use fata_runtime::Error as Failure;

use crate::{Exchange, Limits, Method, Server, Status};

/// What a handler gives back.
type Handled = Result<(), Failure>;

/// Answers by path: the body back, or a stream, or nothing.
async fn answer(exchange: &mut Exchange<'_, FlowEnd>) -> Handled {
    let path = String::from(exchange.request().path());
    match path.as_str() {
        "/echo" => {
            let body = exchange.body().read_all().await?;
            exchange.response(Status::OK).send(&body).await?;
        }
        "/ignore" => exchange.response(Status::OK).send(b"ignored").await?,
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
        "/again" => {
            drop(exchange.response(Status::NOT_FOUND).header("x", "dropped"));
            exchange.response(Status::OK).send(b"first").await?;
            assert!(exchange.response(Status::OK).send(b"second").await.is_err());
        }
        _ => exchange.response(Status::OK).send(path.as_bytes()).await?,
    }
    assert!(exchange.request().method() != Method::Connect);
    Ok(())
}

/// Runs both until `second` is done, and `first` with it if it can be.
async fn beside<T>(first: impl Future<Output = ()>, second: impl Future<Output = T>) -> T {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut is_over = false;
    poll_fn(|cx| {
        is_over = is_over || first.as_mut().poll(cx).is_ready();
        match second.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// What a server with `limits` says to these bytes, which come in pieces, until it closes or,
/// `hang_up` is set, until all was answered.
fn talk_with(limits: Limits, pieces: &[&[u8]], capacity: usize) -> String {
    let (here, there) = flow_pair(capacity);
    let server = Server::new(limits);
    let serving: Pin<Box<dyn Future<Output = ()>>> =
        Box::pin(async move { server.serve_flow(there, &answer).await });
    let (mut reader, mut said) = (here, Vec::new());
    let asking = async {
        let mut at = 0;
        let bytes = pieces.concat();
        let mut ends: Vec<usize> = Vec::new();
        for piece in pieces {
            ends.push(ends.last().unwrap_or(&0) + piece.len());
        }
        let mut buffer = [0; 4096];
        loop {
            // Writes what goes in, reads what is there.
            let mut wrote = false;
            if at < bytes.len() {
                let end = *ends.iter().find(|end| **end > at).expect("an end");
                let poll = poll_now(reader.write(&bytes[at..end])).await;
                match poll {
                    Poll::Ready(Ok(len)) => {
                        at += len;
                        wrote = true;
                    }
                    Poll::Ready(Err(_)) => break,
                    Poll::Pending => {}
                }
            } else if at == bytes.len() {
                at += 1;
                let _ = reader.shutdown().await;
            }
            if wrote {
                fata_runtime::task::yield_now().await;
                if let Poll::Ready(Ok(len)) = poll_now(reader.read(&mut buffer)).await {
                    said.extend_from_slice(&buffer[..len]);
                }
                continue;
            }
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(len) => said.extend_from_slice(&buffer[..len]),
            }
        }
    };
    block_on(beside(serving, asking));
    String::from_utf8(said).expect("text")
}

fn talk(input: &str) -> String {
    talk_with(Limits::DEFAULT, &[input.as_bytes()], 1 << 20)
}

async fn poll_now<T>(future: impl Future<Output = T>) -> Poll<T> {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// The codes of the responses in `said`, and how it goes on behind the first head.
fn codes(said: &str) -> Vec<u16> {
    said.match_indices("HTTP/1.1 ")
        .filter_map(|(at, _)| said.get(at + 9..at + 12)?.parse().ok())
        .collect()
}

/// The body of the only response.
fn body(said: &str) -> &str {
    said.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

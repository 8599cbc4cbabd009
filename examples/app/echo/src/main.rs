// SPDX-License-Identifier: ISC
//! The echo service: sends everything back, over TCP and UDP. Read first: RFC 862.
//!
//! `cargo fata run -p echo`, then `nc localhost 7007`, and `nc -u localhost 7007`.
//!
//! Made for many connections: an idle one has a task and the stack's own state, and no buffer. All
//! read into one; what a slow client does not take at once is kept for it alone.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::rc::Rc;
use core::{
    cell::RefCell,
    future::poll_fn,
    net::SocketAddr,
    task::{Poll, ready},
};

use fata::{
    net::{self, TcpConfig},
    prelude::*,
};

/// What the server is given.
#[derive(fata::Devices)]
struct Devices {
    /// The network that clients come from.
    service: Stack,
}

/// Boot arguments.
#[derive(fata::Args)]
struct Args {
    /// Port to answer on, for TCP and UDP.
    #[arg(default = 7)]
    port: u16,
}

/// Bytes that are read at a time.
const BUFFER: usize = 32 << 10;
/// Clients that may arrive at once.
const BACKLOG: usize = 1024;

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let stack = devices.service;
    let _responder = UdpSocket::bind(&stack, args.port)?.respond(|datagram, _, reply| {
        // A datagram that came in fragments may be longer than the reply can be.
        let len = datagram.len().min(reply.len());
        reply[..len].copy_from_slice(&datagram[..len]);
        Some(len)
    });
    let config = TcpConfig {
        backlog: BACKLOG,
        ..TcpConfig::default()
    };
    let listener = TcpListener::bind_with(&stack, args.port, config)?;
    info!("listening on port {}", args.port);
    let buffer = Rc::new(RefCell::new(vec![0; BUFFER]));
    loop {
        let (stream, peer) = listener.accept().await?;
        spawn(serve(stream, peer, Rc::clone(&buffer))).detach();
    }
}

async fn serve(mut stream: TcpStream, peer: SocketAddr, buffer: Rc<RefCell<Vec<u8>>>) {
    // An answer is complete as it is written.
    stream.set_nodelay(true);
    match echo(&mut stream, &buffer).await {
        Ok(()) => debug!("{peer}: closed"),
        Err(error) => debug!("{peer}: {error}"),
    }
}

/// Sends back what comes until the client ends its direction, and then ends ours.
async fn echo(stream: &mut TcpStream, buffer: &RefCell<Vec<u8>>) -> Result<(), net::Error> {
    while let Some(rest) = exchange(stream, buffer).await? {
        stream.write_all(&rest).await?;
    }
    stream.shutdown().await
}

/// Sends back what is there, and gives what could not be sent at once; `None` at the end.
async fn exchange(
    stream: &mut TcpStream,
    buffer: &RefCell<Vec<u8>>,
) -> Result<Option<Vec<u8>>, net::Error> {
    poll_fn(|cx| {
        // Borrowed for this call only, so it can be one for all.
        let mut buffer = buffer.borrow_mut();
        loop {
            let len = ready!(stream.poll_read(cx, &mut buffer))?;
            if len == 0 {
                return Poll::Ready(Ok(None));
            }
            let sent = match stream.poll_write(cx, &buffer[..len])? {
                Poll::Ready(sent) => sent,
                Poll::Pending => 0,
            };
            if sent < len {
                return Poll::Ready(Ok(Some(buffer[sent..len].to_vec())));
            }
        }
    })
    .await
}

// SPDX-License-Identifier: ISC
//! A server that lives through a crowd and through attacks, and says what it holds.
//!
//! Over TCP: port 7 sends back what comes; 13 sends back what comes first, and is the one that ends
//! the connection; 19 sends for as long as anybody is there; 9 reads a little at a time, and never
//! keeps up. Over UDP: port 7 answers every datagram with numbers about memory and connections; the
//! datagram `quit` ends it. The client is `tests/soak`.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::rc::Rc;
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::{Poll, ready},
};

use fata::{
    heap,
    net::{self, TcpConfig},
    prelude::*,
};

#[derive(fata::Devices)]
struct Devices {
    service: Stack,
}

/// Bytes that the echo reads at a time, into one buffer for all connections. What a peer does not
/// take at once is kept for it alone, so this is also what each may cost the program.
const BUFFER: usize = 2 << 10;
/// Bytes that are sent at a time where nothing is asked.
static NOTHING: [u8; 8 << 10] = [b'.'; 8 << 10];
/// What a connection has for either direction at most: the peers are near.
const MOST: usize = 256 << 10;
/// A peer that died is noticed this long after it was heard last, and nine probes more.
const KEEPALIVE: Duration = Duration::from_secs(2);
/// A peer that does not acknowledge is given up after this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections that tasks hold, and those that there ever were.
#[derive(Default)]
struct Served {
    now: Cell<u64>,
    ever: Cell<u64>,
}

#[fata::main]
async fn main(devices: Devices) -> Result<(), Error> {
    let stack = devices.service;
    let served = Rc::new(Served::default());
    let buffer = Rc::new(RefCell::new(vec![0; BUFFER]));
    let bind = |port: u16| {
        let config = TcpConfig {
            receive_buffer: MOST,
            send_buffer: MOST,
            nodelay: true,
            keepalive: Some(KEEPALIVE),
            user_timeout: Some(PATIENCE),
            ..TcpConfig::default()
        };
        TcpListener::bind_with(&stack, port, config)
    };
    let shared = Rc::clone(&buffer);
    serve(bind(7)?, &served, move |stream| {
        echo(stream, Rc::clone(&shared))
    });
    serve(bind(9)?, &served, dawdle);
    serve(bind(13)?, &served, answer);
    serve(bind(19)?, &served, chatter);
    tell(&stack, &served).await?;
    println!("SUCCESS");
    Ok(())
}

/// Accepts for ever, and lets each connection have a task.
fn serve<F: Future<Output = Result<(), net::Error>> + 'static>(
    listener: TcpListener,
    served: &Rc<Served>,
    handle: impl Fn(TcpStream) -> F + 'static,
) {
    let served = Rc::clone(served);
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            served.now.set(served.now.get() + 1);
            served.ever.set(served.ever.get() + 1);
            let served = Rc::clone(&served);
            let handled = handle(stream);
            spawn(async move {
                // Most peers of this server break their connections.
                let _ = handled.await;
                served.now.set(served.now.get() - 1);
            })
            .detach();
        }
    })
    .detach();
}

async fn echo(mut stream: TcpStream, buffer: Rc<RefCell<Vec<u8>>>) -> Result<(), net::Error> {
    loop {
        let rest = poll_fn(|cx| {
            let mut buffer = buffer.borrow_mut();
            let len = ready!(stream.poll_read(cx, &mut buffer))?;
            let sent = match stream.poll_write(cx, &buffer[..len])? {
                Poll::Ready(sent) => sent,
                Poll::Pending => 0,
            };
            let rest = (len > 0).then(|| buffer[sent..len].to_vec());
            Poll::Ready(Ok::<_, net::Error>(rest))
        });
        match rest.await? {
            Some(rest) => stream.write_all(&rest).await?,
            None => return stream.shutdown().await,
        }
    }
}

async fn dawdle(mut stream: TcpStream) -> Result<(), net::Error> {
    let mut buffer = [0; 512];
    while stream.read(&mut buffer).await? > 0 {
        sleep(Duration::from_millis(50)).await;
    }
    stream.shutdown().await
}

async fn answer(mut stream: TcpStream) -> Result<(), net::Error> {
    let mut buffer = [0; 64];
    let len = stream.read(&mut buffer).await?;
    stream.write_all(&buffer[..len]).await?;
    stream.shutdown().await
}

async fn chatter(mut stream: TcpStream) -> Result<(), net::Error> {
    loop {
        stream.write_all(&NOTHING).await?;
    }
}

/// Answers datagrams until told to end.
async fn tell(stack: &Stack, served: &Served) -> Result<(), Error> {
    let socket = UdpSocket::bind(stack, 7)?;
    let mut buffer = [0; 64];
    loop {
        let (len, peer) = socket.recv_from(&mut buffer).await?;
        if &buffer[..len.min(buffer.len())] == b"quit" {
            return Ok(socket.send_to(b"bye", peer).await?);
        }
        let (memory, all) = (heap::statistics(), stack.statistics());
        let (now, ever) = (served.now.get(), served.ever.get());
        let text = format!(
            "used={} peak={} size={} connections={} half-open={} time-wait={} buffered={} \
             spare={} held={now} served={ever} cookies={} refused={} resets-in={} resets-out={} \
             challenges={} timed-out={} unresolved={} fragments-lost={}",
            memory.used,
            memory.peak,
            memory.size,
            all.connections,
            all.half_open,
            all.time_wait,
            all.buffered,
            all.spare,
            all.tcp.cookies,
            all.tcp.refused,
            all.tcp.resets_in,
            all.tcp.resets_out,
            all.tcp.challenges,
            all.tcp.timed_out,
            all.ip.unresolved,
            all.ip.fragments_lost,
        );
        // A peer that cannot be answered has gone.
        let _ = socket.send_to(text.as_bytes(), peer).await;
    }
}

// SPDX-License-Identifier: ISC
//! DNS over TCP: messages behind their length, several on a connection.
//!
//! Read first: RFC 7766 sections 6 and 8; RFC 5936 section 4.1 for transfers.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use fata::{
    dns::{Server, Transport},
    net::TcpConfig,
    prelude::*,
};

/// Longest query; real ones have some hundred bytes.
const QUERY: usize = 4096;
/// Longest reply.
const REPLY: usize = 65_535;

/// Little room for queries, more for answers.
fn config() -> TcpConfig {
    TcpConfig {
        receive_buffer: QUERY,
        send_buffer: 16 * 1024,
        backlog: 8,
        ..TcpConfig::default()
    }
}

/// What a client can take up.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// Time without a query, or without progress in sending an answer.
    pub(crate) idle: Duration,
}

/// What all connections share.
struct Shared {
    server: Rc<Server>,
    /// Replies are written here and leave in a buffer of their size, so that a connection that
    /// waits holds little memory.
    reply: RefCell<Vec<u8>>,
    open: Cell<usize>,
    idle: Duration,
}

/// Counts a connection for as long as it is open.
struct Open(Rc<Shared>);

impl Open {
    fn new(shared: &Rc<Shared>) -> Self {
        shared.open.set(shared.open.get() + 1);
        Self(Rc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

/// Accepts connections on `port` for ever.
pub(crate) async fn serve(
    stack: &Stack,
    port: u16,
    server: Rc<Server>,
    limits: Limits,
) -> Result<(), Error> {
    let listener = TcpListener::bind_with(stack, port, config())?;
    let shared = Rc::new(Shared {
        server,
        reply: RefCell::new(vec![0; REPLY]),
        open: Cell::new(0),
        idle: limits.idle,
    });
    loop {
        let (stream, _) = listener.accept().await?;
        if shared.open.get() >= limits.connections {
            stream.abort();
            continue;
        }
        let open = Open::new(&shared);
        spawn(connection(open, stream)).detach();
    }
}

/// Answers queries until the client ends the connection, or does nothing for too long.
async fn connection(open: Open, mut stream: TcpStream) {
    let shared = &open.0;
    while let Some(query) = read(&mut stream, shared.idle).await {
        let peer = stream.peer_addr().ip();
        let done = match shared.server.transfer(&query, peer) {
            Some(mut transfer) => {
                match transfer.granted() {
                    Some(zone) => info!("{peer} transfers {}", zone.origin()),
                    None => debug!("{peer} was refused a transfer"),
                }
                let mut done = true;
                while done && let Some(message) = shared.framed(|reply| transfer.next(reply)) {
                    done = write(&mut stream, &message, shared.idle).await;
                }
                done
            }
            None => {
                let message =
                    shared.framed(|reply| shared.server.answer(&query, Transport::Tcp, reply));
                match message {
                    Some(message) => write(&mut stream, &message, shared.idle).await,
                    None => false, // not a query: there is nothing to talk about
                }
            }
        };
        if !done {
            break;
        }
    }
    // The client may have gone; its loss.
    let _ = timeout(shared.idle, stream.shutdown()).await;
}

impl Shared {
    /// What `fill` writes, behind its length.
    fn framed(&self, fill: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<Vec<u8>> {
        let mut reply = self.reply.borrow_mut();
        let len = fill(&mut reply)?;
        let message = reply.get(..len)?;
        let mut framed = Vec::with_capacity(2 + len);
        framed.extend_from_slice(&u16::try_from(len).ok()?.to_be_bytes());
        framed.extend_from_slice(message);
        Some(framed)
    }
}

/// The next query; nothing at the end of the connection.
async fn read(stream: &mut TcpStream, idle: Duration) -> Option<Vec<u8>> {
    let query = async {
        let mut len = [0; 2];
        stream.read_exact(&mut len).await.ok()?;
        let len = usize::from(u16::from_be_bytes(len));
        if len > QUERY {
            return None;
        }
        let mut query = vec![0; len];
        stream.read_exact(&mut query).await.ok()?;
        Some(query)
    };
    timeout(idle, query).await.ok()?
}

/// Whether the message was taken in time.
async fn write(stream: &mut TcpStream, message: &[u8], idle: Duration) -> bool {
    matches!(timeout(idle, stream.write_all(message)).await, Ok(Ok(())))
}

// SPDX-License-Identifier: ISC
//! Names on a network stack: the resolver that programs use, and connecting to a name.
//!
//! What is sent and believed is decided in `resolver`; here are the sockets, a fresh one with a
//! random port for each question (RFC 5452 section 9.2), and one question at a time for each name,
//! so that asking twice at once makes no second chance for a forger (section 5 there).

mod connect;
mod eyeballs;
mod turn;

use alloc::{rc::Rc, vec, vec::Vec};
use core::{
    cell::RefCell,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    pin::pin,
    task::Poll,
    time::Duration,
};

use fata_device::flow::{Read, Write};
use fata_runtime::{
    random,
    time::{Instant, timeout},
};
use fata_tcpip::{Stack, TcpStream, UdpConfig, UdpSocket};

pub use connect::{ConnectError, connect};
use turn::Turns;

use crate::{
    name::Name,
    resolver::{
        Answer, Ask, Cache, Found, Lookup, LookupError, Step, Transport, candidates, known,
        known_records,
    },
    types::Type,
};

/// The port of name servers.
const PORT: u16 = 53;
/// Room for one answer and some forged ones, and for one question.
const UDP: UdpConfig = UdpConfig {
    receive_buffer: 4096,
};
/// Bytes of the largest answer over UDP: that of an Ethernet frame, more than is asked for.
const LARGEST: usize = 1472;

/// How a [`Resolver`] is set up. The default asks the servers that the stack knows.
#[derive(Clone, Debug)]
pub struct ResolverConfig {
    /// Servers to ask, the preferred one first; none stands for those of the stack, which has them
    /// from DHCP.
    pub servers: Vec<SocketAddr>,
    /// Domain in which names without a dot are looked up first.
    pub search: Option<Name>,
    /// Bytes that remembered answers may take.
    pub cache: usize,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            search: None,
            cache: 16 * 1024,
        }
    }
}

/// A stub resolver: asks name servers, and remembers what they say.
///
/// Cloning gives another handle to the same resolver and its memory.
#[derive(Clone)]
pub struct Resolver(Rc<Shared>);

struct Shared {
    stack: Stack,
    config: ResolverConfig,
    cache: RefCell<Cache>,
    turns: Turns,
}

impl Resolver {
    /// A resolver on `stack`.
    pub fn new(stack: &Stack, config: ResolverConfig) -> Self {
        Self(Rc::new(Shared {
            stack: stack.clone(),
            cache: RefCell::new(Cache::new(config.cache)),
            config,
            turns: Turns::default(),
        }))
    }

    /// The stack that it asks through.
    pub fn stack(&self) -> &Stack {
        &self.0.stack
    }

    /// The addresses of a host, IPv6 first. `name` may be an address itself; `localhost` and names
    /// that are known not to be there are not asked for.
    ///
    /// # Errors
    ///
    /// [`LookupError::NoData`] where it has none of either family; else why neither was found.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        if let Some(known) = known(name) {
            return known;
        }
        let mut v6 = pin!(self.lookup(name, Type::AAAA));
        let mut v4 = pin!(self.lookup(name, Type::A));
        let (mut found6, mut found4) = (None, None);
        let (found6, found4) = poll_fn(|cx| {
            if found6.is_none()
                && let Poll::Ready(found) = v6.as_mut().poll(cx)
            {
                found6 = Some(found);
            }
            if found4.is_none()
                && let Poll::Ready(found) = v4.as_mut().poll(cx)
            {
                found4 = Some(found);
            }
            match (found6.take(), found4.take()) {
                (Some(v6), Some(v4)) => Poll::Ready((v6, v4)),
                (v6, v4) => {
                    (found6, found4) = (v6, v4);
                    Poll::Pending
                }
            }
        })
        .await;
        let mut addresses = Vec::new();
        if let Ok(answer) = &found6 {
            addresses.extend(answer.ipv6().map(IpAddr::from));
        }
        if let Ok(answer) = &found4 {
            addresses.extend(answer.ipv4().map(IpAddr::from));
        }
        match addresses.is_empty() {
            false => Ok(addresses),
            true => Err(found4
                .err()
                .or(found6.err())
                .unwrap_or(LookupError::NoData(0))),
        }
    }

    /// The records of one type. Names are as in a master file: `\.` is a dot within a label.
    ///
    /// # Errors
    ///
    /// All of [`LookupError`].
    pub async fn lookup(&self, name: &str, rtype: Type) -> Result<Answer, LookupError> {
        if let Some(known) = known_records(name, rtype) {
            return known;
        }
        let mut result = Err(LookupError::InvalidName);
        for name in candidates(name, self.0.config.search.as_ref())? {
            result = self.find(&name, rtype).await;
            if !matches!(result, Err(LookupError::NoName(_) | LookupError::NoData(_))) {
                break;
            }
        }
        result
    }

    /// Forgets all answers.
    pub fn clear(&self) {
        self.0.cache.borrow_mut().clear();
    }

    async fn find(&self, name: &Name, rtype: Type) -> Result<Answer, LookupError> {
        let shared = &self.0;
        let _turn = shared.turns.take(name, rtype).await;
        let found = shared.cache.borrow().get(name, rtype, now());
        match found {
            Some(Found::Records(answer)) => return Ok(answer),
            Some(Found::NoName) => return Err(LookupError::NoName(0)),
            Some(Found::NoData) => return Err(LookupError::NoData(0)),
            None => {}
        }
        let mut lookup = Lookup::new(name, rtype, &self.servers().await, random::u64);
        let result = loop {
            match lookup.step() {
                Step::Done(result) => break result,
                Step::Ask(ask) => {
                    let wait = Duration::from_nanos(ask.wait);
                    let asking = self.ask(&mut lookup, ask);
                    if timeout(wait, asking).await != Ok(Some(())) {
                        lookup.failed();
                    }
                }
            }
        };
        shared.cache.borrow_mut().put(name, rtype, &result, now());
        result
    }

    async fn servers(&self) -> Vec<SocketAddr> {
        let shared = &self.0;
        if !shared.config.servers.is_empty() {
            return shared.config.servers.clone();
        }
        shared.stack.wait_configured().await;
        let servers = shared.stack.dns_servers().into_iter();
        servers.map(|address| (address, PORT).into()).collect()
    }

    /// Asks until the question is settled; nothing if the server cannot be asked.
    async fn ask(&self, lookup: &mut Lookup, ask: Ask) -> Option<()> {
        match ask.transport {
            Transport::Udp => self.ask_udp(lookup, ask.server).await,
            Transport::Tcp => self.ask_tcp(lookup, ask.server).await,
        }
    }

    async fn ask_udp(&self, lookup: &mut Lookup, server: SocketAddr) -> Option<()> {
        let socket = UdpSocket::bind_with(&self.0.stack, 0, UDP).ok()?;
        socket.connect(server).ok()?;
        socket.send(&lookup.message()).await.ok()?;
        let mut reply = vec![0; LARGEST];
        loop {
            let len = socket.recv(&mut reply).await.ok()?;
            if lookup.receive(reply.get(..len)?, Transport::Udp) {
                return Some(());
            }
        }
    }

    async fn ask_tcp(&self, lookup: &mut Lookup, server: SocketAddr) -> Option<()> {
        let mut stream = TcpStream::connect(&self.0.stack, server).await.ok()?;
        let message = lookup.message();
        let mut framed = Vec::with_capacity(message.len() + 2);
        framed.extend_from_slice(&(message.len() as u16).to_be_bytes());
        framed.extend_from_slice(&message);
        stream.write_all(&framed).await.ok()?;
        stream.flush().await.ok()?;
        let mut len = [0; 2];
        stream.read_exact(&mut len).await.ok()?;
        let mut reply = vec![0; u16::from_be_bytes(len).into()];
        stream.read_exact(&mut reply).await.ok()?;
        lookup.receive(&reply, Transport::Tcp).then_some(())
    }
}

fn now() -> u64 {
    Instant::now().as_nanos()
}

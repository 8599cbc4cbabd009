// SPDX-License-Identifier: ISC
//! One lookup: which server to ask next, by which way, for how long, and when to give up.
//!
//! Servers are asked in order, each with a patience that doubles with every round. One that fails is
//! not asked again; one whose answer does not fit, or whose answer has lost the case of the name, is
//! asked over TCP. Read first: RFC 1035 section 7.2, RFC 7766 section 5, RFC 6891 section 6.2.2.

use alloc::vec::Vec;
use core::{fmt, net::SocketAddr};

use super::{
    answer::Answer,
    message::{Question, Reply},
};
use crate::{name::Name, types::Type};

/// How long the first server is waited for in the first round, in milliseconds.
const FIRST_WAIT: u64 = 1500;
/// How long an answer over TCP is waited for, in milliseconds.
const TCP_WAIT: u64 = 5000;
/// Times that each server is asked.
const ROUNDS: u32 = 3;
/// Servers that are asked of those that are known.
const MOST_SERVERS: usize = 4;
/// Further lookups for a name that leads to another.
const MOST_ALIASES: u32 = 8;

/// The way of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram, from a port that nobody can guess.
    Udp,
    /// A stream, where each message has its length before it.
    Tcp,
}

/// A question to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// To whom.
    pub server: SocketAddr,
    /// How.
    pub transport: Transport,
    /// How long to wait for the answer, in nanoseconds; then call [`Lookup::failed`].
    pub wait: u64,
}

/// What a lookup wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send [`Lookup::message`].
    Ask(Ask),
    /// Nothing more.
    Done(Result<Answer, LookupError>),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// There is no such name; so for so many seconds.
    NoName(u32),
    /// The name has no records of that type; so for so many seconds.
    NoData(u32),
    /// No server is known.
    NoServer,
    /// No server answered.
    TimedOut,
    /// All servers failed, or said what makes no sense.
    ServerFailure,
    /// The text is no domain name.
    InvalidName,
}

impl LookupError {
    /// The error in words.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NoName(_) => "no such name",
            Self::NoData(_) => "the name has no such records",
            Self::NoServer => "no name server is known: name one, or use DHCP",
            Self::TimedOut => "no name server answers",
            Self::ServerFailure => "the name servers cannot answer",
            Self::InvalidName => "not a domain name",
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for LookupError {}

/// What is known about a server.
struct Server {
    address: SocketAddr,
    usable: bool,
    edns: bool,
    transport: Transport,
}

/// A lookup under way.
pub struct Lookup {
    rtype: Type,
    /// The name, or the one that it has led to.
    name: Name,
    aliases: u32,
    /// Smallest time to live on the way.
    ttl: u32,
    servers: Vec<Server>,
    /// The server that is asked, and how often all were.
    current: usize,
    round: u32,
    /// Whether any server has answered.
    heard: bool,
    question: Question,
    done: Option<Result<Answer, LookupError>>,
    random: fn() -> u64,
}

impl Lookup {
    /// A lookup of the records of one type. `random` must be good enough that nobody guesses it.
    pub fn new(name: &Name, rtype: Type, servers: &[SocketAddr], random: fn() -> u64) -> Self {
        let servers = servers.iter().take(MOST_SERVERS).map(|address| Server {
            address: *address,
            usable: true,
            edns: true,
            transport: Transport::Udp,
        });
        let servers: Vec<_> = servers.collect();
        Self {
            rtype,
            name: name.clone(),
            aliases: 0,
            ttl: u32::MAX,
            done: servers.is_empty().then_some(Err(LookupError::NoServer)),
            servers,
            current: 0,
            round: 0,
            heard: false,
            question: Question::new(name, rtype, true, random),
            random,
        }
    }

    /// What to do now. Each question has an id and letters of its own: also ask from a port of its
    /// own.
    pub fn step(&mut self) -> Step {
        if let Some(done) = &self.done {
            return Step::Done(done.clone());
        }
        let Some(server) = self.servers.get(self.current) else {
            return Step::Done(Err(LookupError::NoServer));
        };
        self.question = Question::new(&self.name, self.rtype, server.edns, self.random);
        let milliseconds = match server.transport {
            Transport::Udp => FIRST_WAIT << self.round,
            Transport::Tcp => TCP_WAIT,
        };
        Step::Ask(Ask {
            server: server.address,
            transport: server.transport,
            wait: milliseconds * 1_000_000,
        })
    }

    /// The message to send, as [`step`](Self::step) has last asked for.
    pub fn message(&self) -> Vec<u8> {
        self.question.message()
    }

    /// Takes what came from the server that was asked, and says whether that settles the question:
    /// go on with [`step`](Self::step) then, else keep waiting.
    pub fn receive(&mut self, message: &[u8], transport: Transport) -> bool {
        // Over a stream, nobody can guess.
        let reply = self.question.read(message, transport == Transport::Udp);
        let Some(server) = self.servers.get_mut(self.current) else {
            return true;
        };
        self.heard |= !matches!(reply, Reply::Foreign);
        match reply {
            Reply::Foreign => return false,
            // A forger, or a server that does not repeat it: TCP tells.
            Reply::WrongCase | Reply::Truncated if transport == Transport::Udp => {
                server.transport = Transport::Tcp;
            }
            Reply::FormatError if server.edns => server.edns = false,
            Reply::WrongCase | Reply::Truncated | Reply::FormatError | Reply::Failure => {
                self.give_up_server();
            }
            Reply::Records(mut answer) => {
                answer.ttl = answer.ttl.min(self.ttl);
                self.done = Some(Ok(answer));
            }
            Reply::NoName(ttl) => self.done = Some(Err(LookupError::NoName(ttl.min(self.ttl)))),
            Reply::NoData(ttl) => self.done = Some(Err(LookupError::NoData(ttl.min(self.ttl)))),
            Reply::Alias(name, ttl) => self.follow(*name, ttl),
        }
        true
    }

    /// Notes that no answer came in time, or that the server could not be reached.
    pub fn failed(&mut self) {
        let server = self.servers.get(self.current);
        if server.is_some_and(|server| server.transport == Transport::Tcp) {
            self.give_up_server();
        } else {
            self.next_server();
        }
    }

    fn follow(&mut self, name: Name, ttl: u32) {
        self.aliases += 1;
        self.ttl = self.ttl.min(ttl);
        self.name = name;
        if self.aliases > MOST_ALIASES {
            self.done = Some(Err(LookupError::ServerFailure));
        }
    }

    fn give_up_server(&mut self) {
        if let Some(server) = self.servers.get_mut(self.current) {
            server.usable = false;
        }
        self.next_server();
    }

    /// Goes on to the next server that may still help.
    fn next_server(&mut self) {
        let is_usable = |server: &Server| server.usable;
        while self.round < ROUNDS && self.servers.iter().any(is_usable) {
            self.current += 1;
            if self.current >= self.servers.len() {
                self.current = 0;
                self.round += 1;
            }
            if self.round < ROUNDS && self.servers.get(self.current).is_some_and(is_usable) {
                return;
            }
        }
        self.done = Some(Err(match self.heard {
            true => LookupError::ServerFailure,
            false => LookupError::TimedOut,
        }));
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: ISC
//! The client of one interface: asks for an address, keeps it, and notices when it is lost.
//!
//! It starts at once: the random wait of RFC 2131 section 4.4.1 is for buildings whose power comes
//! back, not for a program that is started to serve. What it sends says as little about itself as
//! it can (RFC 7844).
//!
//! Read first: RFC 2131 sections 3.1, 4.1 and 4.4 with figure 5.

mod lease;

use alloc::{boxed::Box, string::String};
use core::net::Ipv4Addr;

use lease::Times;
pub use lease::{Lease, Route};

use crate::{
    SECOND, is_host,
    message::{Builder, Header, Kind, Message, code},
};

/// Bytes that the longest message of a client has.
pub const BUFFER: usize = 400;

/// Wait after the first message of an exchange; it doubles up to [`LONGEST_WAIT`], each time a
/// second longer or shorter. The four seconds of section 4.1 are an example for networks of its
/// time, and the first broadcast after a start is often lost while a bridge learns its ports.
const FIRST_WAIT: u64 = 2 * SECOND;
const LONGEST_WAIT: u64 = 64 * SECOND;
/// Requests for an offered address that are sent before looking for another (section 3.1, step 3).
const REQUESTS: u32 = 4;
/// Wait after an address that somebody else has (section 3.1, step 5).
const AFTER_CONFLICT: u64 = 10 * SECOND;
/// Shortest wait between two requests for a lease that is there (section 4.4.5).
const RENEWAL_WAIT: u64 = 60 * SECOND;
/// Longest host name that is sent: that of a DNS label.
const LONGEST_NAME: usize = 63;
/// Largest message that the server may send; what a packet of Ethernet holds, and some for tunnels.
const LARGEST: u16 = 1400;

/// What is asked for; routes before routers (RFC 3442).
const PARAMETERS: [u8; 6] = [
    code::SUBNET_MASK,
    code::CLASSLESS_ROUTES,
    code::ROUTERS,
    code::DNS_SERVERS,
    code::DOMAIN,
    code::MTU,
];

/// A message to send from port 68 to port 67.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Its length in the buffer.
    pub len: usize,
    /// The server, or everybody on the link: 255.255.255.255.
    pub destination: Ipv4Addr,
    /// The leased address, or 0.0.0.0.
    pub source: Ipv4Addr,
}

/// The states of figure 5, and two ways to part with a lease.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Init,
    Selecting,
    Requesting,
    Bound,
    Renewing,
    Rebinding,
    /// Somebody else has the address.
    Declining,
    Releasing,
    /// Nothing more is wanted.
    Stopped,
}

/// When a lease has to be renewed, by anybody, and when it ends.
#[derive(Clone, Copy)]
struct Deadlines {
    renewal: u64,
    rebinding: u64,
    expiry: u64,
}

impl Deadlines {
    const NEVER: Self = Self {
        renewal: u64::MAX,
        rebinding: u64::MAX,
        expiry: u64::MAX,
    };
}

/// A DHCP client.
///
/// Give it every UDP packet that arrives at port 68, also while there is no address, and whether
/// sent to 255.255.255.255 or to the address that is being leased: [`receive`](Self::receive). Send
/// what [`poll`](Self::poll) says until it says nothing, after each packet and at each
/// [`deadline`](Self::deadline). After either, [`take_changed`](Self::take_changed) says whether
/// [`lease`](Self::lease) is another one, or none.
pub struct Client {
    mac: [u8; 6],
    host_name: Option<Box<str>>,
    random: fn() -> u64,
    state: State,
    /// When [`poll`](Self::poll) has something to do.
    next: u64,
    xid: u32,
    /// When the present attempt to get an address, or to keep it, began.
    began: u64,
    /// Seconds since then when the latest discovery, or request for a lease, was sent.
    seconds: u16,
    /// When the latest request was sent; leases count from then.
    requested: u64,
    /// Messages sent in this state.
    sent: u32,
    /// Refusals since there was last a lease.
    refusals: u32,
    /// The address that is being asked for, or declined, and its server.
    wanted: (Ipv4Addr, Ipv4Addr),
    lease: Option<Lease>,
    deadlines: Deadlines,
    changed: bool,
}

impl Client {
    /// A client for the interface with this hardware address, that begins at `now`.
    ///
    /// The host name is sent if it is a DNS label: at most 63 letters, digits and hyphens, no hyphen
    /// first or last. `random` must be good enough that nobody guesses what it returns: only who
    /// knows a number of it can answer the client.
    pub fn new(mac: [u8; 6], host_name: Option<&str>, random: fn() -> u64, now: u64) -> Self {
        let unknown = Ipv4Addr::UNSPECIFIED;
        Self {
            mac,
            host_name: host_name
                .filter(|name| is_label(name))
                .map(|name| String::from(name).into_boxed_str()),
            random,
            state: State::Init,
            next: now,
            xid: 0,
            began: now,
            seconds: 0,
            requested: now,
            sent: 0,
            refusals: 0,
            wanted: (unknown, unknown),
            lease: None,
            deadlines: Deadlines::NEVER,
            changed: false,
        }
    }

    /// The lease, as long as there is one.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// When the lease ends if nobody renews it; none if there is none or it has no end.
    pub fn expires(&self) -> Option<u64> {
        Some(self.deadlines.expiry).filter(|end| *end != u64::MAX)
    }

    /// Whether the lease has become another one, or none, since this was last asked. A renewal that
    /// changes nothing does not count.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// When [`poll`](Self::poll) is to be called next; never after a release.
    pub fn deadline(&self) -> Option<u64> {
        Some(self.next).filter(|next| *next != u64::MAX)
    }

    /// Takes the payload of a UDP packet that arrived at port 68 from the address `from`, and says
    /// whether the lease changed by it.
    pub fn receive(&mut self, message: &[u8], from: Ipv4Addr, now: u64) -> bool {
        if !is_host(from) {
            return false;
        }
        let Some(message) = Message::parse(message) else {
            return false;
        };
        let header = message.header();
        if header.xid != self.xid || header.hardware != self.mac {
            return false;
        }
        let before = self.changed;
        self.changed = false;
        match (self.state, header.kind) {
            (State::Selecting, Kind::Offer) => self.select(&message, now),
            (State::Selecting, Kind::Ack) if message.has(code::RAPID_COMMIT) => {
                self.bind(&message, now);
            }
            (State::Requesting | State::Renewing | State::Rebinding, Kind::Ack) => {
                self.acknowledged(&message, now);
            }
            (State::Requesting | State::Renewing | State::Rebinding, Kind::Nak) => {
                self.refused(&message, now);
            }
            _ => {}
        }
        let changed = self.changed;
        self.changed |= before;
        changed
    }

    /// Goes on as time passes: writes the next message into `buffer`, which should have
    /// [`BUFFER`] bytes, if one is to be sent now.
    ///
    /// A lease may end here; [`take_changed`](Self::take_changed) tells.
    pub fn poll(&mut self, now: u64, buffer: &mut [u8]) -> Option<Transmit> {
        if now < self.next {
            return None;
        }
        self.advance(now);
        if now < self.next {
            return None;
        }
        let broadcast = Ipv4Addr::BROADCAST;
        let unknown = Ipv4Addr::UNSPECIFIED;
        let own = self.lease.as_ref().map_or(unknown, |lease| lease.address);
        let (kind, destination) = match self.state {
            State::Selecting => (Kind::Discover, broadcast),
            State::Renewing => (Kind::Request, self.wanted.1),
            State::Declining => (Kind::Decline, broadcast),
            State::Releasing => (Kind::Release, self.wanted.1),
            _ => (Kind::Request, broadcast),
        };
        if self.state != State::Requesting {
            // A request says what its discovery said, so that relays treat both alike (section
            // 4.4.1).
            let seconds = now.saturating_sub(self.began) / SECOND;
            self.seconds = u16::try_from(seconds).unwrap_or(u16::MAX);
        }
        let written = self.write(kind, own, buffer);
        self.schedule(now);
        written.map(|len| Transmit {
            len,
            destination,
            source: own,
        })
    }

    /// Gives the address up because somebody else has it, as an ARP probe has shown (RFC 5227). The
    /// server is told, and ten seconds later another address asked for.
    pub fn decline(&mut self, now: u64) {
        if let Some(lease) = &self.lease {
            self.wanted = (lease.address, lease.server);
            self.lose();
            self.enter(State::Declining, now);
        }
    }

    /// Gives the lease back, because the program ends, and asks for no other. The next
    /// [`poll`](Self::poll) says so to the server, and ends the lease.
    pub fn release(&mut self, now: u64) {
        if self.lease.is_some() {
            self.enter(State::Releasing, now);
        } else {
            self.enter(State::Stopped, u64::MAX);
        }
    }

    /// Changes state by time alone.
    fn advance(&mut self, now: u64) {
        let Deadlines {
            renewal,
            rebinding,
            expiry,
        } = self.deadlines;
        let state = match self.state {
            State::Bound | State::Renewing | State::Rebinding if now >= expiry => {
                self.lose();
                State::Init
            }
            State::Bound | State::Renewing if now >= rebinding => State::Rebinding,
            State::Bound if now >= renewal => State::Renewing,
            State::Bound => {
                // Called too early, or after a clock went back.
                self.next = renewal;
                return;
            }
            State::Requesting if self.sent >= REQUESTS => State::Init,
            state => state,
        };
        if state == State::Init {
            self.began = now;
            self.enter(State::Selecting, now);
        } else if state != self.state {
            if self.state == State::Bound {
                self.began = now;
            }
            self.enter(state, now);
        }
    }

    /// Begins a state whose first message goes out at `next`.
    fn enter(&mut self, state: State, next: u64) {
        // A request goes on with the exchange that its offer belongs to (section 4.4.1).
        if state != State::Requesting {
            self.xid = (self.random)() as u32;
        }
        self.state = state;
        self.sent = 0;
        self.next = next;
    }

    /// Notes that a message was sent, and when the next is due.
    fn schedule(&mut self, now: u64) {
        self.requested = now;
        self.next = match self.state {
            State::Declining => {
                self.state = State::Init;
                now + AFTER_CONFLICT
            }
            State::Releasing => {
                self.lose();
                self.enter(State::Stopped, u64::MAX);
                u64::MAX
            }
            State::Renewing => half_way(now, self.deadlines.rebinding),
            State::Rebinding => half_way(now, self.deadlines.expiry),
            _ => now + self.back_off(self.sent),
        };
        self.sent = self.sent.saturating_add(1);
    }

    /// The wait after the message number `sent`: doubled each time, give or take a second.
    fn back_off(&self, sent: u32) -> u64 {
        let wait = (FIRST_WAIT << sent.min(5)).min(LONGEST_WAIT);
        wait - SECOND + (self.random)() % (2 * SECOND)
    }

    /// Takes an offer, the first one that makes sense.
    fn select(&mut self, message: &Message<'_>, now: u64) {
        if let Some((lease, _)) = Lease::read(message) {
            self.wanted = (lease.address, lease.server);
            self.enter(State::Requesting, now);
        }
    }

    /// Whether the message is from the server that was asked; when rebinding, all are.
    fn is_asked(&self, message: &Message<'_>) -> bool {
        let server = message.address(code::SERVER_ID);
        self.state == State::Rebinding || server == Some(self.wanted.1)
    }

    fn acknowledged(&mut self, message: &Message<'_>, now: u64) {
        if self.is_asked(message) && message.header().yours == self.wanted.0 {
            self.bind(message, now);
        }
    }

    /// Takes over a lease.
    fn bind(&mut self, message: &Message<'_>, now: u64) {
        let Some((lease, times)) = Lease::read(message) else {
            return;
        };
        let deadlines = self.deadlines_of(times);
        if now >= deadlines.expiry {
            // The answer was longer on its way than the lease lasts.
            return;
        }
        self.deadlines = deadlines;
        self.wanted = (lease.address, lease.server);
        self.refusals = 0;
        self.changed |= self.lease.as_ref() != Some(&lease);
        self.lease = Some(lease);
        self.enter(State::Bound, self.deadlines.renewal);
    }

    /// Times of a lease; up to a 32nd earlier than given, so that hosts started together do not
    /// stay together (section 4.4.5).
    fn deadlines_of(&self, times: Times) -> Deadlines {
        let Some([renewal, rebinding, expiry]) = times.seconds() else {
            return Deadlines::NEVER;
        };
        let earlier = |seconds: u32| {
            let time = u64::from(seconds) * SECOND;
            self.requested + time - (self.random)() % (time / 32 + 1)
        };
        let expiry = self.requested + u64::from(expiry) * SECOND;
        let rebinding = earlier(rebinding);
        Deadlines {
            renewal: earlier(renewal).min(rebinding),
            rebinding,
            expiry,
        }
    }

    /// Starts again after a refusal: at once after the first, later after more.
    fn refused(&mut self, message: &Message<'_>, now: u64) {
        if !self.is_asked(message) {
            return;
        }
        self.lose();
        let wait = match self.refusals {
            0 => 0,
            more => self.back_off(more - 1),
        };
        self.refusals = self.refusals.saturating_add(1);
        self.enter(State::Init, now + wait);
    }

    fn lose(&mut self) {
        self.changed |= self.lease.take().is_some();
        self.deadlines = Deadlines::NEVER;
    }

    fn write(&self, kind: Kind, own: Ipv4Addr, buffer: &mut [u8]) -> Option<usize> {
        let mut header = Header::new(kind, self.xid, self.mac);
        header.client = own;
        let is_new = own.is_unspecified();
        let is_question = matches!(kind, Kind::Discover | Kind::Request);
        if is_question {
            // Without an address, only what everybody gets can be received for sure.
            header.broadcast = is_new;
            header.seconds = self.seconds;
        }
        let mut builder = Builder::new(buffer, &header);
        let [a, b, c, d, e, f] = self.mac;
        builder.option(code::CLIENT_ID, &[1, a, b, c, d, e, f]);
        if is_new && kind != Kind::Discover {
            builder.address(code::REQUESTED_ADDRESS, self.wanted.0);
        }
        if (is_new && kind != Kind::Discover) || kind == Kind::Release {
            builder.address(code::SERVER_ID, self.wanted.1);
        }
        if is_question {
            builder.option(code::MAX_SIZE, &LARGEST.to_be_bytes());
            builder.option(code::PARAMETERS, &PARAMETERS);
            if let Some(name) = &self.host_name {
                builder.option(code::HOST_NAME, name.as_bytes());
            }
        }
        if kind == Kind::Discover {
            builder.option(code::RAPID_COMMIT, &[]);
        }
        builder.finish()
    }
}

/// The next request of a lease that is there: after half of what is left, but not too soon.
fn half_way(now: u64, end: u64) -> u64 {
    let wait = end.saturating_sub(now) / 2;
    (now + wait.max(RENEWAL_WAIT)).min(end)
}

/// Whether a name is a DNS label, which every server understands.
fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests;

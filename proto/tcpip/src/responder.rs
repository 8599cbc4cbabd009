// SPDX-License-Identifier: ISC
//! Questions answered straight from the received frame.
//!
//! A responder is a function from a datagram to its answer. For the usual frame (no IP options, not
//! a fragment, for one of our addresses) it is called on the bytes where the device put them, and
//! writes into the frame that will be sent; the headers of the answer are those of the question
//! turned round. The answer goes to the Ethernet address that the question came from, which is right
//! for a neighbour and for a router alike and asks no neighbour cache. Nothing is allocated.
//!
//! Everything else returns [`Outcome::Other`] and takes the long way through the engine, which gives
//! the datagram to the same function in the end. Read first: RFC 768, RFC 1122 section 4.1.

use alloc::{boxed::Box, rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::{
    addr::Addr,
    address::{AddressTable, is_host},
    checksum::Sum,
    engine::Engine,
    packet::{ETHERNET, IPV4, IPV6, UDP, ether, protocol},
    stack::Local,
    udp::{End, Ends, Meta, socket::UdpSocket},
};

/// Hop limit of answers.
const HOP_LIMIT: u8 = 64;
/// Bytes before the payload of a datagram over IPv4, and over IPv6.
const HEADERS_V4: usize = ETHERNET + IPV4 + UDP;
const HEADERS_V6: usize = ETHERNET + IPV6 + UDP;

/// A function that answers datagrams; see [`UdpSocket::respond`](crate::UdpSocket::respond).
pub(crate) type Handler = Box<dyn FnMut(&[u8], Meta, &mut [u8]) -> Option<usize>>;

/// A port that a function answers for.
pub(crate) struct Entry {
    pub(crate) local: Local,
    /// Holds the port, and what comes the long way.
    pub(crate) socket: UdpSocket,
    pub(crate) handler: RefCell<Handler>,
}

impl Entry {
    /// Runs the handler. A length beyond the buffer counts as no answer, as does a handler that is
    /// asked while it runs.
    pub(crate) fn answer(&self, query: &[u8], meta: Meta, reply: &mut [u8]) -> Option<usize> {
        let mut handler = self.handler.try_borrow_mut().ok()?;
        handler(query, meta, reply).filter(|len| *len <= reply.len())
    }
}

/// All responders of a stack.
pub(crate) struct Responders {
    entries: RefCell<Vec<Rc<Entry>>>,
    /// Identification of the next IPv4 answer.
    ident: Cell<u16>,
}

/// What became of a frame.
pub(crate) enum Outcome {
    /// Answered: the reply frame has this length.
    Reply(usize),
    /// For a responder, and not to be answered.
    Drop,
    /// Not for a responder, or not in the usual form: the engine's.
    Other,
}

impl Responders {
    /// No responders; the first IPv4 answer is identified by `ident`.
    pub(crate) fn new(ident: u16) -> Self {
        Self {
            entries: RefCell::default(),
            ident: Cell::new(ident),
        }
    }

    /// All of them, to be called without holding on to the list.
    pub(crate) fn all(&self) -> Vec<Rc<Entry>> {
        self.entries.borrow().clone()
    }

    pub(crate) fn add(&self, entry: Rc<Entry>) {
        self.entries.borrow_mut().push(entry);
    }

    pub(crate) fn remove(&self, entry: &Rc<Entry>) {
        self.entries
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, entry));
    }

    /// Whether a frame may be for a responder, from the few bytes that say so at once.
    pub(crate) fn concerns(&self, frame: &[u8]) -> bool {
        let port = match (frame.get(12..15), frame.get(23), frame.get(20)) {
            (Some([0x08, 0x00, 0x45]), Some(&protocol::UDP), _) => frame.get(36..38),
            (Some([0x86, 0xdd, first]), _, Some(&protocol::UDP)) if first >> 4 == 6 => {
                frame.get(56..58)
            }
            _ => return false,
        };
        let Some(&[high, low]) = port else {
            return false;
        };
        let port = u16::from_be_bytes([high, low]);
        self.entries
            .borrow()
            .iter()
            .any(|entry| entry.local.port == port)
    }

    /// Answers `frame` into `reply`, which is as long as the longest frame that may be sent.
    ///
    /// `verify` is whether the transport checksum has to be looked at.
    pub(crate) fn respond(
        &self,
        frame: &[u8],
        reply: &mut [u8],
        engine: &RefCell<Engine>,
        verify: bool,
    ) -> Outcome {
        let Some(question) = Question::parse(frame) else {
            return Outcome::Other;
        };
        let Some(entry) = self.find(question.ends.local) else {
            return Outcome::Other;
        };
        let answerable = {
            // Not borrowed while the handler runs, which may use sockets.
            let engine = engine.borrow();
            let addresses = engine.ip.addresses();
            addresses.has(question.ends.local.address)
                && is_answerable(addresses, question.ends.peer.address)
        };
        if !answerable {
            return Outcome::Other;
        }
        if !question.is_intact(frame, verify) || question.ends.peer.port == 0 {
            return Outcome::Drop;
        }
        let Some((headers, room)) = reply.split_at_mut_checked(question.payload_at) else {
            return Outcome::Drop;
        };
        let query = &frame[question.payload_at..question.end];
        let Some(len) = entry.answer(query, question.ends.meta(), room) else {
            return Outcome::Drop;
        };
        self.write_headers(&question, frame, headers, &room[..len]);
        Outcome::Reply(question.payload_at + len)
    }

    /// The responder for datagrams to `local`.
    fn find(&self, local: End) -> Option<Rc<Entry>> {
        let entries = self.entries.borrow();
        let mut all = entries.iter();
        let entry = all.find(|entry| entry.local.matches(local.address, local.port))?;
        Some(Rc::clone(entry))
    }

    /// Turns the question's headers round. `headers` is as long as the question's.
    fn write_headers(&self, question: &Question, frame: &[u8], headers: &mut [u8], answer: &[u8]) {
        if question.payload_at == HEADERS_V4 {
            let ident = self.ident.get().wrapping_add(1);
            self.ident.set(ident);
            if let (Some(old), Some(new)) = (frame.first_chunk(), headers.first_chunk_mut()) {
                *new = turned_v4(old, ident, answer);
            }
        } else if let (Some(old), Some(new)) = (frame.first_chunk(), headers.first_chunk_mut()) {
            *new = turned_v6(old, answer);
        }
    }
}

// The lengths of these arrays are known to the compiler, so that nothing is checked at run time.

fn turned_v4(old: &[u8; HEADERS_V4], ident: u16, answer: &[u8]) -> [u8; HEADERS_V4] {
    let mut new = [0; HEADERS_V4];
    let udp_len = (UDP + answer.len()) as u16;
    new[..6].copy_from_slice(&old[6..12]);
    new[6..12].copy_from_slice(&old[..6]);
    new[12..14].copy_from_slice(&ether::IPV4);
    new[14] = 0x45;
    new[16..18].copy_from_slice(&(IPV4 as u16 + udp_len).to_be_bytes());
    new[18..20].copy_from_slice(&ident.to_be_bytes());
    new[22] = HOP_LIMIT;
    new[23] = protocol::UDP;
    new[26..30].copy_from_slice(&old[30..34]);
    new[30..34].copy_from_slice(&old[26..30]);
    let sum = Sum::default().add(&new[14..34]).finish();
    new[24..26].copy_from_slice(&sum);
    new[34..36].copy_from_slice(&old[36..38]);
    new[36..38].copy_from_slice(&old[34..36]);
    new[38..40].copy_from_slice(&udp_len.to_be_bytes());
    // Addresses, ports and length lie side by side.
    let sum = Sum::pseudo(protocol::UDP, udp_len).add(&new[26..40]);
    new[40..].copy_from_slice(&sum.add(answer).finish_udp());
    new
}

fn turned_v6(old: &[u8; HEADERS_V6], answer: &[u8]) -> [u8; HEADERS_V6] {
    let mut new = [0; HEADERS_V6];
    let udp_len = (UDP + answer.len()) as u16;
    new[..6].copy_from_slice(&old[6..12]);
    new[6..12].copy_from_slice(&old[..6]);
    new[12..14].copy_from_slice(&ether::IPV6);
    new[14] = 0x60;
    new[18..20].copy_from_slice(&udp_len.to_be_bytes());
    new[20] = protocol::UDP;
    new[21] = HOP_LIMIT;
    new[22..38].copy_from_slice(&old[38..54]);
    new[38..54].copy_from_slice(&old[22..38]);
    new[54..56].copy_from_slice(&old[56..58]);
    new[56..58].copy_from_slice(&old[54..56]);
    new[58..60].copy_from_slice(&udp_len.to_be_bytes());
    // Addresses, ports and length lie side by side.
    let sum = Sum::pseudo(protocol::UDP, udp_len).add(&new[22..60]);
    new[60..].copy_from_slice(&sum.add(answer).finish_udp());
    new
}

/// Whether an answer to `peer` would reach one host, and another one than ourselves.
fn is_answerable(addresses: &AddressTable, peer: Addr) -> bool {
    is_host(peer) && !addresses.is_broadcast(peer) && !addresses.has(peer)
}

/// A UDP datagram in the usual form, with all lengths checked against the frame.
struct Question {
    ends: Ends,
    /// Where the payload begins and ends in the frame.
    payload_at: usize,
    end: usize,
}

impl Question {
    fn parse(frame: &[u8]) -> Option<Self> {
        let (destination, source) = (frame.first()?, frame.get(6)?);
        // Group addresses: a question to many is the engine's, an answer to many is nobody's.
        if (destination | source) & 1 != 0 {
            return None;
        }
        match [*frame.get(12)?, *frame.get(13)?] {
            ether::IPV4 => Self::parse_ipv4(frame),
            ether::IPV6 => Self::parse_ipv6(frame),
            _ => None,
        }
    }

    fn parse_ipv4(frame: &[u8]) -> Option<Self> {
        let head: &[u8; ETHERNET + IPV4 + UDP] = frame.first_chunk()?;
        let ip: &[u8; IPV4] = head[ETHERNET..].first_chunk()?;
        let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0xbfff != 0;
        if ip[0] != 0x45 || fragment || ip[9] != protocol::UDP {
            return None;
        }
        let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let peer = Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]);
        let local = Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]);
        let end = ETHERNET + total;
        Self::new(frame, peer.into(), local.into(), ETHERNET + IPV4, end)
    }

    fn parse_ipv6(frame: &[u8]) -> Option<Self> {
        let head: &[u8; ETHERNET + IPV6 + UDP] = frame.first_chunk()?;
        let ip: &[u8; IPV6] = head[ETHERNET..].first_chunk()?;
        if ip[0] >> 4 != 6 || ip[6] != protocol::UDP {
            return None;
        }
        let len = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
        let (addresses, _) = ip[8..].as_chunks::<16>();
        let (peer, local) = (Ipv6Addr::from(addresses[0]), Ipv6Addr::from(addresses[1]));
        let (peer, local) = (Addr::v6(peer), Addr::v6(local));
        if peer.is_ipv4() || local.is_ipv4() {
            return None;
        }
        let end = ETHERNET + IPV6 + len;
        Self::new(frame, peer, local, ETHERNET + IPV6, end)
    }

    /// The datagram at `udp_at` of a packet that says it ends at `packet_end`.
    fn new(
        frame: &[u8],
        peer: Addr,
        local: Addr,
        udp_at: usize,
        packet_end: usize,
    ) -> Option<Self> {
        let udp: &[u8; UDP] = frame.get(udp_at..packet_end)?.first_chunk()?;
        let len = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
        if len < UDP || udp_at + len > packet_end {
            return None;
        }
        Some(Self {
            ends: Ends {
                peer: End::new(peer, [udp[0], udp[1]]),
                local: End::new(local, [udp[2], udp[3]]),
            },
            payload_at: udp_at + UDP,
            end: udp_at + len,
        })
    }

    /// Checks the header checksum, and the transport's where `verify` says so.
    fn is_intact(&self, frame: &[u8], verify: bool) -> bool {
        let ip = &frame[ETHERNET..self.payload_at - UDP];
        let udp = &frame[self.payload_at - UDP..self.end];
        let ipv4 = ip.len() == IPV4;
        if ipv4 && !Sum::default().add(ip).is_valid() {
            return false;
        }
        if !verify {
            return true;
        }
        // No checksum is allowed over IPv4 alone (RFC 768, RFC 8200 section 8.1).
        if udp[6..8] == [0, 0] {
            return ipv4;
        }
        let addresses = &ip[if ipv4 { 12 } else { 8 }..];
        let sum = Sum::pseudo(protocol::UDP, udp.len() as u16);
        sum.add(addresses).add(udp).is_valid()
    }
}

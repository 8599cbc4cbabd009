// SPDX-License-Identifier: ISC
//! DHCP messages: [`Message`] is one that was received and found well formed, [`Builder`] writes one.
//!
//! Read first: RFC 2131 section 2, RFC 2132 sections 2 and 9.3, RFC 3396 (options in pieces).

use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// Option codes (RFC 2132, and the documents named).
pub mod code {
    #![expect(missing_docs, reason = "the names are the registry's")]
    pub const PAD: u8 = 0;
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTERS: u8 = 3;
    pub const DNS_SERVERS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN: u8 = 15;
    pub const MTU: u8 = 26;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const KIND: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETERS: u8 = 55;
    pub const TEXT: u8 = 56;
    pub const MAX_SIZE: u8 = 57;
    pub const RENEWAL_TIME: u8 = 58;
    pub const REBINDING_TIME: u8 = 59;
    pub const CLIENT_ID: u8 = 61;
    /// RFC 4039.
    pub const RAPID_COMMIT: u8 = 80;
    /// RFC 3046.
    pub const RELAY_AGENT: u8 = 82;
    /// RFC 3442.
    pub const CLASSLESS_ROUTES: u8 = 121;
    pub const END: u8 = 255;
}

/// Bytes before the options, the magic cookie included.
const FIXED: usize = 240;
/// Where the server name and the boot file name stand, which may hold options.
const SERVER_NAME: core::ops::Range<usize> = 44..108;
const FILE_NAME: core::ops::Range<usize> = 108..236;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// What BOOTP relays and servers of old expect at least.
const SHORTEST: usize = 300;
const ETHERNET: [u8; 2] = [1, 6];
const BROADCAST: u16 = 1 << 15;

/// What a message is for (RFC 2132 section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Kind {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            _ => return None,
        })
    }

    /// Whether servers send it.
    pub fn is_reply(self) -> bool {
        matches!(self, Self::Offer | Self::Ack | Self::Nak)
    }
}

/// The fixed part of a message, without what nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is for; says also who sends it.
    pub kind: Kind,
    /// Identity of the exchange, chosen by the client.
    pub xid: u32,
    /// Seconds since the client began.
    pub seconds: u16,
    /// Whether the client cannot receive unicast packets yet.
    pub broadcast: bool,
    /// The address that the client has and answers for (`ciaddr`).
    pub client: Ipv4Addr,
    /// The address that the client is given (`yiaddr`).
    pub yours: Ipv4Addr,
    /// The relay between client and server (`giaddr`).
    pub relay: Ipv4Addr,
    /// Ethernet address of the client.
    pub hardware: [u8; 6],
}

impl Header {
    /// A header with unspecified addresses.
    pub fn new(kind: Kind, xid: u32, hardware: [u8; 6]) -> Self {
        Self {
            kind,
            xid,
            seconds: 0,
            broadcast: false,
            client: Ipv4Addr::UNSPECIFIED,
            yours: Ipv4Addr::UNSPECIFIED,
            relay: Ipv4Addr::UNSPECIFIED,
            hardware,
        }
    }
}

/// A received message: of Ethernet, with the magic cookie, a known [`Kind`] that goes with its
/// direction, and options that end where the message does or before.
#[derive(Clone, Copy)]
pub struct Message<'m> {
    header: Header,
    /// The three places of options in the order of RFC 3396 section 5; unused ones are empty.
    areas: [&'m [u8]; 3],
}

impl<'m> Message<'m> {
    /// Reads the payload of a UDP packet.
    pub fn parse(bytes: &'m [u8]) -> Option<Self> {
        let fixed = bytes.first_chunk::<FIXED>()?;
        let options = bytes.get(FIXED..)?;
        if fixed[1..3] != ETHERNET || fixed[236..240] != MAGIC {
            return None;
        }
        let address = |at| four(fixed, at).map(Ipv4Addr::from);
        let mut message = Self {
            header: Header {
                kind: Kind::Inform,
                xid: u32::from_be_bytes(four(fixed, 4)?),
                seconds: u16::from_be_bytes([fixed[8], fixed[9]]),
                broadcast: fixed[10] & 0x80 != 0,
                client: address(12)?,
                yours: address(16)?,
                relay: address(24)?,
                hardware: *bytes.get(28..)?.first_chunk()?,
            },
            areas: [options, &[], &[]],
        };
        check(options)?;
        let overload = message.byte(code::OVERLOAD).unwrap_or(0);
        for (bit, slot, place) in [(1, 1, FILE_NAME), (2, 2, SERVER_NAME)] {
            if overload & bit != 0 {
                let area = bytes.get(place)?;
                check(area)?;
                *message.areas.get_mut(slot)? = area;
            }
        }
        message.header.kind = Kind::from_byte(message.byte(code::KIND)?)?;
        let op = if message.header.kind.is_reply() { 2 } else { 1 };
        (fixed[0] == op).then_some(message)
    }

    /// The fixed part.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The pieces of an option, which together are its value (RFC 3396).
    fn pieces(&self, wanted: u8) -> Pieces<'m> {
        let [first, second, third] = self.areas;
        Pieces {
            wanted,
            options: Options(first),
            after: [second, third],
        }
    }

    /// Whether the option is there.
    pub fn has(&self, code: u8) -> bool {
        self.pieces(code).next().is_some()
    }

    /// The value of an option of any length, its pieces put together.
    pub fn bytes(&self, code: u8) -> Option<Vec<u8>> {
        let mut pieces = self.pieces(code);
        let mut value = pieces.next()?.to_vec();
        for piece in pieces {
            value.extend_from_slice(piece);
        }
        Some(value)
    }

    /// The value of an option that must be in one piece.
    #[inline(never)]
    fn single(&self, code: u8) -> Option<&'m [u8]> {
        let mut pieces = self.pieces(code);
        let value = pieces.next()?;
        pieces.next().is_none().then_some(value)
    }

    /// The value of an option of one byte.
    pub fn byte(&self, code: u8) -> Option<u8> {
        match self.single(code)? {
            [byte] => Some(*byte),
            _ => None,
        }
    }

    /// The value of an option of two bytes.
    pub fn short(&self, code: u8) -> Option<u16> {
        let value = self.single(code)?.try_into().ok()?;
        Some(u16::from_be_bytes(value))
    }

    /// The value of an option of four bytes.
    pub fn long(&self, code: u8) -> Option<u32> {
        let value = self.single(code)?.try_into().ok()?;
        Some(u32::from_be_bytes(value))
    }

    /// The value of an option that is one address.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.long(code).map(Ipv4Addr::from_bits)
    }
}

fn four(bytes: &[u8; FIXED], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Options one by one; ends at the end mark, and at the first one that is cut off.
struct Options<'m>(&'m [u8]);

impl<'m> Iterator for Options<'m> {
    type Item = (u8, &'m [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&code, rest) = self.0.split_first()?;
            match code {
                code::PAD => self.0 = rest,
                code::END => {
                    self.0 = &[];
                    return None;
                }
                _ => {
                    let (&len, rest) = rest.split_first()?;
                    let (value, rest) = rest.split_at_checked(len.into())?;
                    self.0 = rest;
                    return Some((code, value));
                }
            }
        }
    }
}

/// The pieces of one option, over all places of options.
struct Pieces<'m> {
    wanted: u8,
    options: Options<'m>,
    after: [&'m [u8]; 2],
}

impl<'m> Iterator for Pieces<'m> {
    type Item = &'m [u8];

    // Called from many places, and small only once.
    #[inline(never)]
    fn next(&mut self) -> Option<&'m [u8]> {
        loop {
            match self.options.next() {
                Some((code, value)) if code == self.wanted => return Some(value),
                Some(_) => {}
                None => {
                    let [second, third] = self.after;
                    if second.is_empty() && third.is_empty() {
                        return None;
                    }
                    self.options = Options(second);
                    self.after = [third, &[]];
                }
            }
        }
    }
}

/// Whether no option is cut off. The end mark may be missing, as some servers leave it out.
fn check(area: &[u8]) -> Option<()> {
    let mut options = Options(area);
    while options.next().is_some() {}
    options.0.is_empty().then_some(())
}

/// Writes a message into a buffer.
pub struct Builder<'b> {
    buffer: &'b mut [u8],
    len: usize,
    /// Whether everything has fitted so far.
    fits: bool,
}

impl<'b> Builder<'b> {
    /// Begins a message. What does not fit into `buffer` shows at the [end](Self::finish).
    pub fn new(buffer: &'b mut [u8], header: &Header) -> Self {
        let op = if header.kind.is_reply() { 2 } else { 1 };
        let flags = if header.broadcast { BROADCAST } else { 0 };
        let mut builder = Self {
            buffer,
            len: 0,
            fits: true,
        };
        builder.put(&[op, 1, 6, 0]);
        builder.put(&header.xid.to_be_bytes());
        builder.put(&header.seconds.to_be_bytes());
        builder.put(&flags.to_be_bytes());
        for address in [
            header.client,
            header.yours,
            Ipv4Addr::UNSPECIFIED,
            header.relay,
        ] {
            builder.put(&address.octets());
        }
        builder.put(&header.hardware);
        builder.put(&[0; FIXED - 4 - 34]);
        builder.put(&MAGIC);
        builder.option(code::KIND, &[header.kind as u8]);
        builder
    }

    /// Adds an option, in pieces if it is long (RFC 3396 section 6).
    pub fn option(&mut self, code: u8, value: &[u8]) {
        let mut rest = value;
        loop {
            let (piece, after) = rest.split_at(rest.len().min(255));
            self.put(&[code, piece.len() as u8]);
            self.put(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }

    /// Adds an option that the message can do without: leaves it out if it does not fit within
    /// `limit` bytes in all, its end mark included.
    pub fn optional(&mut self, code: u8, value: &[u8], limit: usize) {
        let pieces = value.len().div_ceil(255).max(1);
        let end = self.len + 2 * pieces + value.len() + 1;
        if end <= limit.min(self.buffer.len()) {
            self.option(code, value);
        }
    }

    /// Adds an address.
    pub fn address(&mut self, code: u8, address: Ipv4Addr) {
        self.option(code, &address.octets());
    }

    /// Ends the message: its length, unless the buffer was too small.
    pub fn finish(mut self) -> Option<usize> {
        self.put(&[code::END]);
        while self.fits && self.len < SHORTEST {
            self.put(&[code::PAD]);
        }
        self.fits.then_some(self.len)
    }

    #[inline(never)]
    fn put(&mut self, bytes: &[u8]) {
        let place = self.buffer.get_mut(self.len..self.len + bytes.len());
        match place {
            Some(place) if self.fits => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.fits = false,
        }
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: ISC
//! The IP header of a received frame: who, whom, what, and where in the frame the payload lies.
//!
//! Frames are hostile. A [`Header`] exists only when every length in it agrees with the frame, so
//! what is built on it need not look again. Extension headers of IPv6 are walked here: what a host
//! has to obey in them is little. Read first: RFC 791 section 3.1, RFC 8200 sections 3 and 4.

use core::{
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use crate::{addr::Addr, checksum::Sum};

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET: usize = 14;
/// Bytes of an IPv4 header without options.
pub(crate) const IPV4: usize = 20;
/// Bytes of an IPv6 header.
pub(crate) const IPV6: usize = 40;
/// Bytes of a UDP header.
pub(crate) const UDP: usize = 8;
/// Bytes of the fragment header of IPv6.
pub(crate) const FRAGMENT: usize = 8;
/// Extension headers of one packet that are looked at.
const MAX_EXTENSIONS: usize = 8;

/// Protocol numbers that this crate looks at.
pub(crate) mod protocol {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IGMP: u8 = 2;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const NONE: u8 = 59;
    pub(crate) const DESTINATION_OPTIONS: u8 = 60;
}

/// Ether types that this crate looks at.
pub(crate) mod ether {
    pub(crate) const IPV4: [u8; 2] = [0x08, 0x00];
    pub(crate) const ARP: [u8; 2] = [0x08, 0x06];
    pub(crate) const IPV6: [u8; 2] = [0x86, 0xdd];
}

/// The header of an IP packet, whose lengths were found consistent.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) source: Addr,
    pub(crate) destination: Addr,
    /// Of the payload, after extension headers.
    pub(crate) protocol: u8,
    pub(crate) hop_limit: u8,
    /// Traffic class; its low two bits are for ECN.
    pub(crate) traffic: u8,
    /// Set where this is a piece of a larger packet.
    pub(crate) fragment: Option<Fragment>,
    /// Where in the frame the payload lies.
    pub(crate) payload: Range<usize>,
    /// Where in the frame the number is that `protocol` came from.
    pub(crate) protocol_at: usize,
}

/// Which piece of a packet this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) ident: u32,
    /// Of its first byte in the whole payload.
    pub(crate) offset: u16,
    /// Whether more follow.
    pub(crate) more: bool,
}

/// Why a packet is not looked at further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Its lengths or its checksum are wrong.
    Malformed,
    /// Its sender is to be told (RFC 4443, section 3.4), `always` even if it was sent to a group.
    Parameter { code: u8, at: usize, always: bool },
}

/// Writes `bytes` at `at` of what is to be sent, where they fit. One call, which copying to a range
/// is not where code is made small.
#[inline]
pub(crate) fn put(place: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = place.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Parses an IPv4 header (RFC 791, section 3.1). Options are skipped: none of them concerns a host
/// that does not forward, but for source routes, which are not followed (RFC 7126, section 4.3).
#[inline]
pub(crate) fn ipv4(frame: &[u8]) -> Result<Header, Flaw> {
    parse_ipv4(frame).ok_or(Flaw::Malformed)
}

#[inline]
fn parse_ipv4(frame: &[u8]) -> Option<Header> {
    let header: &[u8; IPV4] = frame.get(ETHERNET..)?.first_chunk()?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_len < IPV4 || total < header_len {
        return None;
    }
    let options = frame.get(ETHERNET + IPV4..ETHERNET + header_len)?;
    let end = ETHERNET + total;
    if end > frame.len() || !Sum::default().add(header).add(options).is_valid() {
        return None;
    }
    let flags = u16::from_be_bytes([header[6], header[7]]);
    let (more, offset) = (flags & 0x2000 != 0, (flags & 0x1fff) << 3);
    let fragment = (flags & 0x3fff != 0).then(|| Fragment {
        ident: u16::from_be_bytes([header[4], header[5]]).into(),
        offset,
        more,
    });
    Some(Header {
        source: Ipv4Addr::new(header[12], header[13], header[14], header[15]).into(),
        destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]).into(),
        protocol: header[9],
        hop_limit: header[8],
        traffic: header[1],
        fragment,
        payload: ETHERNET + header_len..end,
        protocol_at: ETHERNET + 9,
    })
}

/// Parses an IPv6 header and the extension headers behind it, up to a fragment header (RFC 8200).
#[inline]
pub(crate) fn ipv6(frame: &[u8]) -> Result<Header, Flaw> {
    let mut header = fixed_ipv6(frame).ok_or(Flaw::Malformed)?;
    if !matches!(
        header.protocol,
        protocol::TCP | protocol::UDP | protocol::ICMPV6
    ) {
        walk(frame, &mut header)?;
    }
    Ok(header)
}

#[inline]
pub(crate) fn fixed_ipv6(frame: &[u8]) -> Option<Header> {
    let header: &[u8; IPV6] = frame.get(ETHERNET..)?.first_chunk()?;
    let end = ETHERNET + IPV6 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || end > frame.len() {
        return None;
    }
    let (addresses, _) = header[8..].as_chunks::<16>();
    let source = Addr::v6(Ipv6Addr::from_octets(addresses[0]));
    let destination = Addr::v6(Ipv6Addr::from_octets(addresses[1]));
    // Mapped addresses mean IPv4 to us and nothing to the network (RFC 4942, section 2.2).
    if source.is_ipv4() || destination.is_ipv4() {
        return None;
    }
    Some(Header {
        source,
        destination,
        protocol: header[6],
        hop_limit: header[7],
        traffic: header[0] << 4 | header[1] >> 4,
        fragment: None,
        payload: ETHERNET + IPV6..end,
        protocol_at: ETHERNET + 6,
    })
}

/// Walks extension headers: afterwards `protocol` and `payload` are those of what is behind them.
fn walk(frame: &[u8], header: &mut Header) -> Result<(), Flaw> {
    let first = header.payload.start;
    for _ in 0..MAX_EXTENSIONS {
        let at = header.payload.start;
        let rest = frame.get(header.payload.clone()).unwrap_or(&[]);
        let kind = header.protocol;
        let len = match kind {
            protocol::HOP_BY_HOP if at != first => {
                return Err(unrecognized(header.protocol_at, 1));
            }
            protocol::HOP_BY_HOP | protocol::DESTINATION_OPTIONS | protocol::ROUTING => {
                8 + 8 * usize::from(*rest.get(1).ok_or(Flaw::Malformed)?)
            }
            protocol::FRAGMENT => FRAGMENT,
            _ => return Ok(()),
        };
        let extension = rest.get(..len).ok_or(Flaw::Malformed)?;
        let [next, _, high, low, ..] = *extension else {
            return Err(Flaw::Malformed);
        };
        match kind {
            // Nobody routes through a host. With no segments left the header means nothing.
            protocol::ROUTING if low != 0 => return Err(unrecognized(at + 3, 0)),
            protocol::ROUTING => {}
            protocol::FRAGMENT => header.fragment = fragment(extension, high, low),
            _ => options(extension, at)?,
        }
        header.protocol = next;
        header.protocol_at = at;
        header.payload.start = at + len;
        if header.fragment.is_some() {
            return Ok(());
        }
    }
    Err(Flaw::Malformed)
}

fn unrecognized(at: usize, code: u8) -> Flaw {
    Flaw::Parameter {
        code,
        at,
        always: false,
    }
}

/// A fragment header; none where the only fragment is the whole packet (RFC 6946).
fn fragment(extension: &[u8], high: u8, low: u8) -> Option<Fragment> {
    let word = u16::from_be_bytes([high, low]);
    let (offset, more) = (word & 0xfff8, word & 1 != 0);
    let ident = extension.get(4..)?.first_chunk()?;
    (offset != 0 || more).then(|| Fragment {
        ident: u32::from_be_bytes(*ident),
        offset,
        more,
    })
}

/// Checks the options of a hop-by-hop or destination options header: those that a host does not
/// know say themselves what it shall do (RFC 8200, section 4.2). It needs to know none.
fn options(extension: &[u8], at: usize) -> Result<(), Flaw> {
    let mut position = 2;
    while let Some(&kind) = extension.get(position) {
        let Some(&len) = extension.get(position + 1).filter(|_| kind != 0) else {
            // One byte of padding; or an option that ends after its type.
            position += 1;
            if kind != 0 {
                return Err(Flaw::Malformed);
            }
            continue;
        };
        match kind >> 6 {
            0 => {}
            1 => return Err(Flaw::Malformed),
            action => {
                return Err(Flaw::Parameter {
                    code: 2,
                    at: at + position,
                    always: action == 2,
                });
            }
        }
        position += 2 + usize::from(len);
    }
    if position == extension.len() {
        Ok(())
    } else {
        Err(Flaw::Malformed)
    }
}

#[cfg(test)]
mod tests;

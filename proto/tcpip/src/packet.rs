// SPDX-License-Identifier: ISC
//! A first look at a received frame: where the IP packet and its payload lie, and whether the
//! transport checksum is right.
//!
//! Frames are hostile. A [`Packet`] exists only when every length in the headers agrees with the
//! frame, so what is built on it need not look again. Read first: RFC 791 section 3.1, RFC 8200
//! section 3.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::checksum::Sum;

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET: usize = 14;
/// Bytes of an IPv4 header without options.
pub(crate) const IPV4: usize = 20;
/// Bytes of an IPv6 header.
pub(crate) const IPV6: usize = 40;
/// Bytes of a UDP header.
pub(crate) const UDP: usize = 8;

/// Protocol numbers that this crate looks at.
pub(crate) mod protocol {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const ICMPV6: u8 = 58;
}

/// Ether types that this crate looks at.
pub(crate) mod ether {
    pub(crate) const IPV4: [u8; 2] = [0x08, 0x00];
    pub(crate) const ARP: [u8; 2] = [0x08, 0x06];
    pub(crate) const IPV6: [u8; 2] = [0x86, 0xdd];
}

/// An IP packet whose lengths were found consistent.
#[derive(Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// Of the IPv4 payload, or the next header after the fixed IPv6 header.
    pub(crate) protocol: u8,
    pub(crate) hop_limit: u8,
    /// Whether this is a piece of a larger IPv4 packet.
    pub(crate) fragment: bool,
    pub(crate) payload: &'a [u8],
}

/// The ether type of a frame that has one.
pub(crate) fn ether_type(frame: &[u8]) -> Option<[u8; 2]> {
    Some([*frame.get(12)?, *frame.get(13)?])
}

impl<'a> Packet<'a> {
    /// Parses an Ethernet frame that holds IPv4 or IPv6.
    pub(crate) fn parse(frame: &'a [u8]) -> Option<Self> {
        match ether_type(frame)? {
            ether::IPV4 => Self::parse_ipv4(frame),
            ether::IPV6 => Self::parse_ipv6(frame),
            _ => None,
        }
    }

    fn parse_ipv4(frame: &'a [u8]) -> Option<Self> {
        let ip = &frame[ETHERNET..];
        let header: &[u8; IPV4] = ip.first_chunk()?;
        let header_len = usize::from(header[0] & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] >> 4 != 4 || header_len < IPV4 || total < header_len {
            return None;
        }
        Some(Self {
            source: Ipv4Addr::new(header[12], header[13], header[14], header[15]).into(),
            destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]).into(),
            protocol: header[9],
            hop_limit: header[8],
            // More fragments follow, or this is not the first.
            fragment: u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0,
            payload: ip.get(header_len..total)?,
        })
    }

    fn parse_ipv6(frame: &'a [u8]) -> Option<Self> {
        let ip = &frame[ETHERNET..];
        let header: &[u8; IPV6] = ip.first_chunk()?;
        let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
        if header[0] >> 4 != 6 {
            return None;
        }
        let (addresses, _) = header[8..].as_chunks::<16>();
        Some(Self {
            source: Ipv6Addr::from(addresses[0]).into(),
            destination: Ipv6Addr::from(addresses[1]).into(),
            protocol: header[6],
            hop_limit: header[7],
            fragment: false,
            payload: ip.get(IPV6..IPV6 + len)?,
        })
    }

    /// Whether the checksum over pseudo header and payload, as TCP and ICMPv6 have it, is right.
    pub(crate) fn checksum_is_valid(&self) -> bool {
        let Ok(len) = u16::try_from(self.payload.len()) else {
            return false;
        };
        let sum = Sum::pseudo(self.protocol, len);
        let sum = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                sum.add(&source.octets()).add(&destination.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                sum.add(&source.octets()).add(&destination.octets())
            }
            _ => return false,
        };
        sum.add(self.payload).is_valid()
    }
}

/// Computes the checksum that the sender left to its device (`Checksum::Partial`): over the bytes
/// from `start`, stored at `start + offset`. A frame that is too short for it stays as it is, and
/// fails its verification.
pub(crate) fn complete_checksum(frame: &mut [u8], start: u16, offset: u16) {
    let Some(part) = frame.get_mut(usize::from(start)..) else {
        return;
    };
    let sum = Sum::default().add(part).finish_udp();
    if let Some(field) = part
        .get_mut(usize::from(offset)..)
        .and_then(<[u8]>::first_chunk_mut)
    {
        *field = sum;
    }
}

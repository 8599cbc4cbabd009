// SPDX-License-Identifier: ISC
//! Received ICMP messages of both versions: echo, errors, and those of the link's own business.
//!
//! An error counts only if it quotes a packet from one of our addresses; whether that packet really
//! was sent is for the transport to find out. Read first: RFC 792, RFC 1122 section 3.2.2, RFC 4443
//! sections 3 and 4, RFC 4861 section 7.1.

use crate::addr::Addr;
use core::net::Ipv6Addr;

use super::{
    EchoReply, Ecn, IcmpError, IcmpErrorKind, Input, Ip, Outgoing,
    group::ethernet,
    mld,
    ndp::{self, SOURCE_LINK_LAYER, link_layer},
    neighbor::News,
    path_mtu::plateau_below,
    receive::{How, pseudo},
    send::ALL_HOPS,
};
use crate::{
    checksum::Sum,
    link::Link,
    packet::{ETHERNET, Header, protocol, put},
};

const ECHO_REPLY_V4: u8 = 0;
const ECHO_V4: u8 = 8;
const ECHO_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
const ROUTER_SOLICITATION: u8 = 133;
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// Bytes of an echo message before its data.
const ECHO: usize = 8;
const HOP_LIMIT: u8 = 64;

impl Ip {
    /// Takes in an ICMP message over IPv4.
    pub(super) fn icmp(
        &mut self,
        link: &mut dyn Link,
        frame: &[u8],
        header: &Header,
        how: How,
        now: u64,
    ) -> Input {
        let message = frame.get(header.payload.clone()).unwrap_or(&[]);
        let Some((head, rest)) = message.split_first_chunk::<ECHO>() else {
            self.counters.malformed += 1;
            return Input::Nothing;
        };
        if !how.verified && !Sum::default().add(message).is_valid() {
            self.counters.checksum += 1;
            return Input::Nothing;
        }
        match (head[0], head[1]) {
            (ECHO_V4, 0) => {
                // Not to all at once (RFC 1122, section 3.2.2.6).
                if self.has(header.destination) {
                    self.echo(link, header, ECHO_REPLY_V4, head, rest, now);
                }
                Input::Nothing
            }
            (ECHO_REPLY_V4, 0) => echo_reply(header, head),
            (kind, code) => match error_kind_v4(kind, code, head, rest) {
                Some(kind) => self.error(kind, quoted_v4(rest), now),
                None => Input::Nothing,
            },
        }
    }

    /// Takes in an ICMP message over IPv6.
    pub(super) fn icmpv6(
        &mut self,
        link: &mut dyn Link,
        frame: &[u8],
        header: &Header,
        how: How,
        now: u64,
    ) -> Input {
        let message = frame.get(header.payload.clone()).unwrap_or(&[]);
        let Some((head, rest)) = message.split_first_chunk::<ECHO>() else {
            self.counters.malformed += 1;
            return Input::Nothing;
        };
        let (Some(source), Some(destination)) = (header.source.as_v6(), header.destination.as_v6())
        else {
            return Input::Nothing;
        };
        if !how.verified && !pseudo(header, message.len()).add(message).is_valid() {
            self.counters.checksum += 1;
            return Input::Nothing;
        }
        match (head[0], head[1]) {
            // Nobody may be there to answer to, as in a question for an address.
            (ECHO_V6, 0) if !source.is_unspecified() => {
                self.echo(link, header, ECHO_REPLY_V6, head, rest, now);
                Input::Nothing
            }
            (ECHO_REPLY_V6, 0) => echo_reply(header, head),
            (ndp::SOLICITATION | ndp::ADVERTISEMENT, _) => {
                // What came over a router has a lower one (RFC 4861, section 7.1).
                if header.hop_limit == ALL_HOPS && !how.looped {
                    self.ndp_input(link, [source, destination], message, now);
                }
                Input::Nothing
            }
            (ndp::ROUTER_ADVERTISEMENT, _) => {
                if header.hop_limit == ALL_HOPS && !how.looped {
                    self.router_advertisement(link, source, message, now);
                }
                Input::Nothing
            }
            (mld::QUERY, _) => {
                if header.hop_limit == 1 && source.is_unicast_link_local() {
                    self.mld_query(message, now);
                }
                Input::Nothing
            }
            (kind @ 1..=4, code) => match error_kind_v6(kind, code, head) {
                Some(kind) => self.error(kind, quoted_v6(rest), now),
                None => Input::Nothing,
            },
            _ => Input::Nothing,
        }
    }

    fn echo(
        &mut self,
        link: &mut dyn Link,
        question: &Header,
        kind: u8,
        head: &[u8; ECHO],
        data: &[u8],
        now: u64,
    ) {
        let source = if self.has(question.destination) {
            Some(question.destination)
        } else {
            self.source_for(question.source)
        };
        let Some(source) = source else {
            return;
        };
        let header = [kind, 0, 0, 0, head[4], head[5], head[6], head[7]];
        let answer = Outgoing {
            source,
            destination: question.source,
            protocol: question.protocol,
            ecn: Ecn::NotCapable,
            hop_limit: HOP_LIMIT,
            dont_fragment: false,
            header: &header,
            checksum_at: Some(2),
            payload: [data, &[]],
            segmentation: None,
        };
        // Without a buffer the answer is lost, as it may be on its way.
        let _ = self.send(link, &answer, now);
    }

    /// An error about a packet that was found quoted.
    fn error(&mut self, kind: IcmpErrorKind, quoted: Option<Quoted>, now: u64) -> Input {
        let Some(quoted) = quoted.filter(|quoted| self.has(quoted.error.source)) else {
            return Input::Nothing;
        };
        let mut error = quoted.error;
        error.kind = kind;
        if let IcmpErrorKind::TooBig(mtu) = kind {
            let known = self.mtu(error.destination);
            let mtu = match mtu {
                0 => plateau_below(quoted.len.min(known)),
                mtu => mtu,
            };
            error.kind = IcmpErrorKind::TooBig(mtu);
            // A packet of that length cannot have been too long.
            if quoted.len <= mtu {
                return Input::Nothing;
            }
            // TCP has its sequence numbers to find out whether it has sent the packet, and says so
            // itself (RFC 5927, section 7.2). Its packets may also be quoted before they were cut.
            if error.protocol != protocol::TCP {
                if quoted.len > known {
                    return Input::Nothing;
                }
                self.set_path_mtu(error.destination, mtu, now);
            }
        }
        Input::Error(error)
    }

    fn router_advertisement(
        &mut self,
        link: &mut dyn Link,
        router: Ipv6Addr,
        message: &[u8],
        now: u64,
    ) {
        let Some(slaac) = &mut self.slaac else {
            return;
        };
        if !slaac.receive(router, message, now) {
            return;
        }
        self.update_addresses(now);
        let options = message.get(16..).unwrap_or(&[]);
        let news = News {
            mac: link_layer(options, SOURCE_LINK_LAYER),
            solicited: false,
            replaces: true,
            creates: true,
        };
        self.learned(link, router.into(), news, now);
    }

    /// Asks all routers to advertise themselves (RFC 4861, section 6.3.7).
    pub(super) fn solicit_routers(&mut self, link: &mut dyn Link) {
        let mut message = [0; 16];
        message[0] = ROUTER_SOLICITATION;
        // Before the address is known to be ours it is not to be put into others' caches.
        let local = self.settled_local();
        let len = if local.is_some() {
            message[8] = SOURCE_LINK_LAYER;
            message[9] = 1;
            put(&mut message, 10, &self.mac);
            16
        } else {
            8
        };
        let addresses = [local.unwrap_or(Ipv6Addr::UNSPECIFIED), ALL_ROUTERS];
        let station = ethernet(ALL_ROUTERS.into());
        if let Some(message) = message.get_mut(..len) {
            self.send_local(link, station, addresses, message, false);
        }
    }
}

fn echo_reply(header: &Header, head: &[u8; ECHO]) -> Input {
    Input::Echo(EchoReply {
        source: header.source,
        ident: u16::from_be_bytes([head[4], head[5]]),
        sequence: u16::from_be_bytes([head[6], head[7]]),
    })
}

/// RFC 792, RFC 1122 section 3.2.2.1, RFC 1191 section 4.
fn error_kind_v4(kind: u8, code: u8, head: &[u8; ECHO], _rest: &[u8]) -> Option<IcmpErrorKind> {
    Some(match (kind, code) {
        (3, 2 | 3) => IcmpErrorKind::PortUnreachable,
        (3, 4) => IcmpErrorKind::TooBig(u16::from_be_bytes([head[6], head[7]])),
        (3, 9 | 10 | 13) => IcmpErrorKind::Prohibited,
        (3, _) | (11, 0 | 1) => IcmpErrorKind::HostUnreachable,
        _ => return None,
    })
}

/// RFC 4443, section 3.
fn error_kind_v6(kind: u8, code: u8, head: &[u8; ECHO]) -> Option<IcmpErrorKind> {
    Some(match (kind, code) {
        (1, 1 | 5 | 6) => IcmpErrorKind::Prohibited,
        (1, 4) => IcmpErrorKind::PortUnreachable,
        (1, _) | (3, _) => IcmpErrorKind::HostUnreachable,
        (2, _) => {
            let mtu = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
            IcmpErrorKind::TooBig(u16::try_from(mtu).unwrap_or(u16::MAX))
        }
        (4, 1) => IcmpErrorKind::PortUnreachable,
        _ => return None,
    })
}

/// The packet that an error quotes.
struct Quoted {
    error: IcmpError,
    /// How long it was.
    len: u16,
}

/// Reads a quoted IPv4 packet, of which there is at least its header and eight bytes more.
fn quoted_v4(quote: &[u8]) -> Option<Quoted> {
    let ip: &[u8; 20] = quote.first_chunk()?;
    let header_len = usize::from(ip[0] & 15) * 4;
    let not_first = u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff != 0;
    if ip[0] >> 4 != 4 || header_len < ip.len() || not_first {
        return None;
    }
    let address = |at: usize| Addr::from([ip[at], ip[at + 1], ip[at + 2], ip[at + 3]]);
    Some(Quoted {
        error: IcmpError {
            kind: IcmpErrorKind::HostUnreachable,
            protocol: ip[9],
            source: address(12),
            destination: address(16),
            header: *quote.get(header_len..)?.first_chunk()?,
        },
        len: u16::from_be_bytes([ip[2], ip[3]]),
    })
}

/// Reads a quoted IPv6 packet. We send no extension headers but for fragments.
fn quoted_v6(quote: &[u8]) -> Option<Quoted> {
    let (ip, mut rest) = quote.split_first_chunk::<40>()?;
    let (addresses, _) = ip[8..].as_chunks::<16>();
    let mut protocol = ip[6];
    if protocol == protocol::FRAGMENT {
        let (fragment, after) = rest.split_first_chunk::<8>()?;
        if u16::from_be_bytes([fragment[2], fragment[3]]) & 0xfff8 != 0 {
            return None;
        }
        protocol = fragment[0];
        rest = after;
    }
    let version = ip[0] >> 4;
    let len = u16::from_be_bytes([ip[4], ip[5]]);
    let source = Addr::v6(Ipv6Addr::from_octets(addresses[0]));
    let destination = Addr::v6(Ipv6Addr::from_octets(addresses[1]));
    let ours = version == 6 && source.is_ipv6() && destination.is_ipv6();
    ours.then_some(Quoted {
        error: IcmpError {
            kind: IcmpErrorKind::HostUnreachable,
            protocol,
            source,
            destination,
            header: *rest.first_chunk()?,
        },
        len: len.saturating_add(40),
    })
}

/// Whether an ICMP message of that type is an error, about which there are no errors (RFC 1122
/// section 3.2.2, RFC 4443 section 2.4 e; redirects count as such).
pub(super) fn is_error(frame: &[u8], header: &Header) -> bool {
    let kind = frame.get(header.payload.start).copied();
    match (header.protocol, kind) {
        (protocol::ICMP, Some(kind)) => !matches!(kind, 0 | 8 | 13..=18),
        (protocol::ICMPV6, Some(kind)) => kind < ECHO_V6 || kind == 137,
        (protocol::ICMP | protocol::ICMPV6, None) => true,
        _ => frame.len() < ETHERNET,
    }
}

// SPDX-License-Identifier: ISC
//! The Internet layer.

use alloc::vec::Vec;
use core::{
    net::{IpAddr, Ipv4Addr},
    ops::Range,
};

use fata_device::{NetInfo, net::SegmentKind};

use crate::{
    address::{AddressTable, Ipv4Prefix},
    config::Config,
    link::{Link, Received},
};

/// A transport packet that arrived for this stack, with its checksum found right.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) source: IpAddr,
    /// One of our addresses, a broadcast address or a group that was joined.
    pub(crate) destination: IpAddr,
    /// After extension headers.
    pub(crate) protocol: u8,
    pub(crate) ecn: Ecn,
    pub(crate) hop_limit: u8,
    /// Where in the frame the transport packet lies: its header and payload.
    pub(crate) payload: Range<usize>,
    /// Payload bytes of each segment, where the device put several together.
    pub(crate) segment_size: Option<u16>,
}

/// What an arrived frame is to the layers above.
pub(crate) enum Input {
    /// Nothing: it was answered, noted or dropped here.
    Nothing,
    /// For a transport protocol; the range is in the frame.
    Transport(Arrived),
    /// The same, put together from fragments; the range is in the bytes.
    Reassembled(Vec<u8>, Arrived),
    /// A complaint about a packet that we sent.
    Error(IcmpError),
    /// An answer to a ping.
    Echo(EchoReply),
}

/// Explicit congestion notification of a packet (RFC 3168, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ecn {
    /// Not ECN capable.
    #[default]
    NotCapable,
    /// ECT(0)
    Capable,
    /// ECT(1)
    Capable1,
    /// Congestion was experienced.
    Congested,
}

/// A packet to be sent.
pub(crate) struct Outgoing<'a> {
    /// One of our addresses, or unspecified where there is none yet.
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ecn: Ecn,
    pub(crate) hop_limit: u8,
    /// Never cut into fragments: path MTU discovery (TCP).
    pub(crate) dont_fragment: bool,
    /// The transport header, its checksum field zero.
    pub(crate) header: &'a [u8],
    /// Where in `header` the checksum goes, if it has one: over pseudo header (not for ICMPv4),
    /// header and payload.
    pub(crate) checksum_at: Option<u16>,
    pub(crate) payload: [&'a [u8]; 2],
    /// Cut by the device into packets with that much payload each.
    pub(crate) segmentation: Option<(SegmentKind, u16)>,
}

/// Why a packet was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The device has no buffer now.
    NoBuffer,
    /// No address of ours, gateway or network fits.
    NoRoute,
    /// Longer than the path carries and not to be cut; this is the MTU.
    TooLong(u16),
}

/// An ICMP error about a packet that this stack sent (RFC 1122 section 3.2.2, RFC 4443 section 3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct IcmpError {
    pub(crate) kind: IcmpErrorKind,
    /// Of the packet complained about.
    pub(crate) protocol: u8,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// First bytes of its transport header: ports, and TCP's sequence number.
    pub(crate) header: [u8; 8],
}

/// What an ICMP error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IcmpErrorKind {
    /// Net or host unreachable, no route, hop limit exceeded: soft for a connection (RFC 5461).
    HostUnreachable,
    /// Nobody listens on that port, or no such protocol there.
    PortUnreachable,
    /// Administratively prohibited.
    Prohibited,
    /// Too long for the path, which carries that much.
    TooBig(u16),
}

/// An answer to a ping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EchoReply {
    pub(crate) source: IpAddr,
    pub(crate) ident: u16,
    pub(crate) sequence: u16,
}

/// Which part of this host a packet did not find ([`Ip::unreachable`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// Nobody listens on the port.
    Port,
    /// Nothing here speaks the protocol.
    Protocol,
}

/// The Internet layer of one device.
pub(crate) struct Ip {
    addresses: AddressTable,
}

impl Ip {
    pub(crate) fn new(info: &NetInfo, config: &Config, random: fn() -> u64, now: u64) -> Self {
        let _ = (info, config, random, now);
        Self {
            addresses: AddressTable::default(),
        }
    }

    /// Takes in one Ethernet frame.
    pub(crate) fn receive(
        &mut self,
        link: &mut dyn Link,
        frame: &mut dyn Received,
        now: u64,
    ) -> Input {
        let _ = (link, frame, now);
        Input::Nothing
    }

    /// Sends one packet; see [`SendError`].
    pub(crate) fn send(
        &mut self,
        link: &mut dyn Link,
        packet: &Outgoing<'_>,
        now: u64,
    ) -> Result<(), SendError> {
        let _ = (link, packet, now);
        Err(SendError::NoRoute)
    }

    /// Does what is due.
    pub(crate) fn poll(&mut self, link: &mut dyn Link, now: u64) {
        let _ = (link, now);
    }

    /// When [`poll`](Self::poll) has to be called next.
    pub(crate) fn deadline(&self) -> Option<u64> {
        None
    }

    /// A frame that this stack sent to itself, for [`receive`](Self::receive).
    pub(crate) fn take_loopback(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// The address to send to `destination` from (RFC 6724, section 5); without one, no route.
    pub(crate) fn source_for(&self, destination: IpAddr) -> Option<IpAddr> {
        let _ = destination;
        None
    }

    /// Whether packets for `destination` have somewhere to go.
    pub(crate) fn reaches(&self, destination: IpAddr) -> bool {
        self.addresses.reaches(destination)
    }

    /// Whether `address` is one of this stack's own, loopback included.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.has(address)
    }

    /// Whether `address` means all hosts of a network, or of the link.
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || self.addresses.is_broadcast(v4))
    }

    /// The addresses, networks and routers.
    pub(crate) fn addresses(&self) -> &AddressTable {
        &self.addresses
    }

    /// Changes whenever [`addresses`](Self::addresses) does.
    pub(crate) fn addresses_version(&self) -> u32 {
        0
    }

    /// Largest packet that the path to `destination` is known to carry.
    pub(crate) fn mtu(&self, destination: IpAddr, now: u64) -> u16 {
        let _ = (destination, now);
        0
    }

    /// Notes what an ICMP error said, after the transport found that it quotes what it sent.
    pub(crate) fn set_path_mtu(&mut self, destination: IpAddr, mtu: u16, now: u64) {
        let _ = (destination, mtu, now);
    }

    /// Sets what DHCP has leased: address with network, and router.
    pub(crate) fn set_lease(&mut self, lease: Option<(Ipv4Prefix, Option<Ipv4Addr>)>, now: u64) {
        let _ = (lease, now);
    }

    /// Takes the next address that another host was found to have too.
    pub(crate) fn take_conflict(&mut self) -> Option<IpAddr> {
        None
    }

    /// Answers a packet for which nobody was found: an ICMP error, if it may have one.
    pub(crate) fn unreachable(
        &mut self,
        link: &mut dyn Link,
        frame: &[u8],
        arrived: &Arrived,
        what: Unreachable,
        now: u64,
    ) {
        let _ = (link, frame, arrived, what, now);
    }

    /// A transport's hint that `destination` answers (RFC 4861, section 7.3.1).
    pub(crate) fn confirm(&mut self, destination: IpAddr, now: u64) {
        let _ = (destination, now);
    }

    /// Receives what is sent to `group` from now on; false if it is no group, or there are too many.
    /// Joined twice, it has to be left twice.
    pub(crate) fn join(&mut self, group: IpAddr, now: u64) -> bool {
        let _ = (group, now);
        false
    }

    /// Undoes one [`join`](Self::join).
    pub(crate) fn leave(&mut self, group: IpAddr, now: u64) {
        let _ = (group, now);
    }

    /// Sends an echo request with `len` bytes.
    pub(crate) fn ping(
        &mut self,
        link: &mut dyn Link,
        destination: IpAddr,
        ident: u16,
        sequence: u16,
        len: usize,
        now: u64,
    ) -> Result<(), SendError> {
        let _ = (link, destination, ident, sequence, len, now);
        Err(SendError::NoRoute)
    }

    /// Name servers that routers advertised (RFC 8106), while they hold.
    pub(crate) fn dns_servers(&self, now: u64) -> Vec<IpAddr> {
        let _ = now;
        Vec::new()
    }
}

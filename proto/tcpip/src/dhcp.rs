// SPDX-License-Identifier: ISC
//! The DHCP client of a stack: carries the messages of [`fata_dhcp`], which knows the protocol.
//!
//! It looks at frames before the Internet layer does, because what is sent to an address that this
//! host does not have yet is none of that layer's business (RFC 2131, section 4.1).

use crate::addr::Addr;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr};

use fata_device::net::{Checksum, SegmentKind};
use fata_dhcp::client::{Client, Lease};

use crate::{
    address::{Ipv4Prefix, Prefix},
    checksum::Sum,
    ip::{Ecn, Ip, Outgoing},
    link::{Link, Received},
    packet::{self, ether, protocol},
    udp,
};

/// Ports of servers and clients (RFC 2131, section 4.1).
const SERVER: u16 = 67;
const CLIENT: u16 = 68;
/// Longest message that is sent: what every host must be able to take (RFC 2131, section 2).
const LONGEST: usize = 576 - 28;
/// Messages due at once: a release and a discover at most.
const DUE_AT_ONCE: usize = 2;

/// The client of one network.
pub(crate) struct Dhcp {
    client: Client,
}

impl Dhcp {
    pub(crate) fn new(
        mac: [u8; 6],
        host_name: Option<&str>,
        random: fn() -> u64,
        now: u64,
    ) -> Self {
        let client = Client::new(mac, host_name, random, now);
        Self { client }
    }

    /// Takes in a frame if it is a server's message. Says whether it was.
    pub(crate) fn receive(&mut self, frame: &dyn Received, now: u64) -> bool {
        let bytes = frame.bytes();
        if bytes.get(12..14) != Some(&ether::IPV4) {
            return false;
        }
        let Ok(header) = packet::ipv4(bytes) else {
            return false;
        };
        let packet = bytes.get(header.payload.clone()).unwrap_or_default();
        let Some(&[s0, s1, d0, d1, l0, l1, c0, c1]) = packet.first_chunk() else {
            return false;
        };
        let to_client = u16::from_be_bytes([d0, d1]) == CLIENT;
        let from_server = u16::from_be_bytes([s0, s1]) == SERVER;
        let whole = header.protocol == protocol::UDP && header.fragment.is_none();
        if !whole || !to_client || !from_server {
            return false;
        }
        let (Some(source), Some(destination)) = (header.source.as_v4(), header.destination.as_v4())
        else {
            return false;
        };
        let sum = Sum::pseudo(protocol::UDP, packet.len() as u16)
            .add(&source.octets())
            .add(&destination.octets());
        let verify = frame.offload().checksum == Checksum::Unverified && [c0, c1] != [0, 0];
        if verify && !sum.add(packet).is_valid() {
            return false;
        }
        let end = usize::from(u16::from_be_bytes([l0, l1]));
        if let Some(message) = packet.get(udp::HEADER..end) {
            self.client.receive(message, source, now);
        }
        true
    }

    /// Sends what is due. Says whether the lease has changed since it was last asked.
    pub(crate) fn poll(&mut self, ip: &mut Ip, link: &mut dyn Link, now: u64) -> bool {
        for _ in 0..DUE_AT_ONCE {
            if self.client.deadline().is_none_or(|due| due > now) {
                break;
            }
            let mut buffer = [0; LONGEST];
            let Some(message) = self.client.poll(now, &mut buffer) else {
                break;
            };
            let packet = Outgoing {
                source: message.source.into(),
                destination: message.destination.into(),
                protocol: protocol::UDP,
                ecn: Ecn::NotCapable,
                hop_limit: 64,
                dont_fragment: false,
                header: &udp::header(CLIENT, SERVER, message.len),
                checksum_at: Some(6),
                payload: [buffer.get(..message.len).unwrap_or_default(), &[]],
                segmentation: None::<(SegmentKind, u16)>,
            };
            // What finds no buffer is lost, as the network may lose it: the client asks again.
            let _ = ip.send(link, &packet, now);
        }
        self.client.take_changed()
    }

    /// Another host has the address: the server is told, and asked for another one.
    pub(crate) fn conflict(&mut self, address: Addr, now: u64) {
        let leased = self.client.lease().map(|lease| lease.address);
        if leased.map(Addr::v4) == Some(address) {
            self.client.decline(now);
        }
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.client.deadline()
    }

    pub(crate) fn has_lease(&self) -> bool {
        self.client.lease().is_some()
    }

    /// Address with network, and router.
    pub(crate) fn lease(&self) -> Option<(Ipv4Prefix, Option<Ipv4Addr>)> {
        let lease = self.client.lease()?;
        Some((prefix(lease)?, lease.gateway))
    }

    pub(crate) fn dns_servers(&self) -> impl Iterator<Item = IpAddr> {
        let lease = self.client.lease().into_iter();
        lease.flat_map(|lease| lease.dns_servers.iter().copied().map(IpAddr::V4))
    }

    /// Says in the log what has become of the lease.
    pub(crate) fn log(&self, label: &String) {
        match self.client.lease() {
            Some(lease) => {
                let (address, len) = (lease.address, lease.prefix_len);
                log::info!("{label}: leased {address}/{len} from {}", lease.server);
            }
            None => log::warn!("{label}: lost the address, asking DHCP again"),
        }
    }
}

fn prefix(lease: &Lease) -> Option<Ipv4Prefix> {
    Prefix::new(lease.address, lease.prefix_len)
}

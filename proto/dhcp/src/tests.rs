// SPDX-License-Identifier: ISC
//! What tests share, and the client against the server.

use core::net::Ipv4Addr;
use std::{cell::Cell, thread_local, vec::Vec};

use crate::{
    Client, Kind, Message, Server,
    client::{self, BUFFER},
    server::{Config, Fixed, Identity, Network},
};

pub(crate) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x55];
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const SECOND: u64 = crate::SECOND;

thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(1) };
}

pub(crate) fn random() -> u64 {
    let number = RANDOM
        .get()
        .wrapping_mul(0x5851_f42d_4c95_7f2d)
        .wrapping_add(0x1405_7b7e_f767_814f);
    RANDOM.set(number);
    number >> 16
}

pub(crate) fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// What the client sends now.
pub(crate) fn sent(client: &mut Client, now: u64) -> Option<(Vec<u8>, client::Transmit)> {
    let mut buffer = [0; BUFFER];
    let transmit = client.poll(now, &mut buffer)?;
    Some((buffer[..transmit.len].to_vec(), transmit))
}

pub(crate) fn kind(message: &[u8]) -> Kind {
    Message::parse(message).unwrap().header().kind
}

pub(crate) fn network() -> Network {
    Network {
        pools: Vec::from([(ip("10.0.0.100"), ip("10.0.0.103"))]),
        routers: Vec::from([SERVER]),
        dns_servers: Vec::from([ip("10.0.0.3"), ip("192.0.2.53")]),
        domain: Some("example.org".into()),
        mtu: Some(1400),
        ..Network::new(SERVER, 24)
    }
}

pub(crate) fn config() -> Config {
    Config::new(SERVER, network())
}

/// A client and a server on one link.
struct Link {
    client: Client,
    server: Server,
    now: u64,
    /// What went over it.
    seen: Vec<Kind>,
    /// Whether the server is there.
    up: bool,
}

impl Link {
    fn new(config: Config) -> Self {
        Self {
            client: Client::new(MAC, Some("unikernel"), random, 0),
            server: Server::new(config).unwrap(),
            now: 0,
            seen: Vec::new(),
            up: true,
        }
    }

    /// Lets everything happen until `end`.
    fn run(&mut self, end: u64) {
        while let Some(next) = self.client.deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            while let Some((message, _)) = sent(&mut self.client, self.now) {
                self.seen.push(kind(&message));
                let mut reply = [0; 576];
                let answer = self.server.answer(&message, self.now, &mut reply);
                if let Some(answer) = answer.filter(|_| self.up) {
                    self.seen.push(answer.kind);
                    self.client.receive(&reply[..answer.len], SERVER, self.now);
                }
            }
        }
        self.now = end;
    }
}

/// RFC 2131 section 3.1, and RFC 4039 section 3.
#[test]
fn four_messages_or_two() {
    let mut link = Link::new(config());
    link.run(0);
    assert_eq!(link.seen, [Kind::Discover, Kind::Ack]);

    let mut link = Link::new(Config {
        rapid_commit: false,
        ..config()
    });
    link.run(0);
    let four = [Kind::Discover, Kind::Offer, Kind::Request, Kind::Ack];
    assert_eq!(link.seen, four);
    assert!(link.client.take_changed());
    let lease = link.client.lease().unwrap();
    assert_eq!(lease.address, ip("10.0.0.100"));
    assert_eq!(lease.prefix_len, 24);
    assert_eq!(lease.gateway, Some(SERVER));
    assert_eq!(lease.dns_servers, [ip("10.0.0.3"), ip("192.0.2.53")]);
    assert_eq!(lease.domain.as_deref(), Some("example.org"));
    assert_eq!(lease.mtu, Some(1400));
    assert_eq!(lease.server, SERVER);
}

/// Section 4.4.5: renewed for ever, lost when the server is, and found again.
#[test]
fn renews_loses_and_comes_back() {
    let mut link = Link::new(config());
    link.run(20 * 3600 * SECOND);
    assert!(link.client.take_changed());
    assert!(link.seen.len() > 60, "renewed");
    assert!(!link.seen.contains(&Kind::Nak));
    let address = link.client.lease().unwrap().address;
    assert!(!link.client.take_changed(), "a renewal is no change");

    link.up = false;
    link.run(22 * 3600 * SECOND);
    assert!(link.client.lease().is_none());
    assert!(link.client.take_changed());
    link.up = true;
    link.run(22 * 3600 * SECOND + 70 * SECOND);
    assert_eq!(link.client.lease().unwrap().address, address);
    assert!(link.client.take_changed());
}

/// A server that starts anew does not know the lease, and confirms it all the same.
#[test]
fn a_restarted_server_confirms_free_addresses() {
    let mut link = Link::new(config());
    link.run(SECOND);
    link.server = Server::new(config()).unwrap();
    link.run(2 * 3600 * SECOND);
    assert!(!link.seen.contains(&Kind::Nak));
    assert!(link.client.lease().is_some());

    // One that keeps the address for somebody else does not.
    link.server = Server::new(Config {
        fixed: Vec::from([Fixed {
            client: Identity::Hardware([2, 0, 0, 0, 0, 9]),
            address: ip("10.0.0.100"),
        }]),
        ..config()
    })
    .unwrap();
    link.run(4 * 3600 * SECOND);
    assert!(link.seen.contains(&Kind::Nak));
    assert_eq!(link.client.lease().unwrap().address, ip("10.0.0.101"));
}

/// RFC 5227 section 2.4, RFC 2131 section 4.3.3.
#[test]
fn a_declined_address_is_not_given_again() {
    let mut link = Link::new(config());
    link.run(0);
    link.client.decline(0);
    assert!(link.client.take_changed());
    assert!(link.client.lease().is_none());
    link.run(9 * SECOND);
    assert_eq!(link.seen.last(), Some(&Kind::Decline));
    link.run(11 * SECOND);
    assert_eq!(link.client.lease().unwrap().address, ip("10.0.0.101"));
}

/// Section 4.4.6, and 4.3.4: the address goes, and its owner gets it again.
#[test]
fn a_released_address_is_free_and_remembered() {
    let mut link = Link::new(config());
    link.run(0);
    assert!(link.client.take_changed());
    link.client.release(SECOND);
    let (message, transmit) = sent(&mut link.client, SECOND).unwrap();
    assert_eq!(transmit.source, ip("10.0.0.100"));
    assert_eq!(transmit.destination, SERVER);
    let mut reply = [0; 576];
    assert_eq!(link.server.answer(&message, SECOND, &mut reply), None);
    assert!(link.client.take_changed());
    assert!(link.client.lease().is_none());
    assert_eq!(link.client.deadline(), None);
    let mut bindings = link.server.bindings();
    assert!(bindings.all(|(_, binding)| !binding.is_current(SECOND)));
}

/// Whatever arrives, nothing panics, and a lease that is taken makes sense.
#[test]
fn mutated_messages_never_panic() {
    let mut link = Link::new(config());
    for round in 0..20_000_u32 {
        let mut message = Vec::new();
        if let Some((bytes, _)) = sent(&mut link.client, link.now) {
            message = bytes;
            mutate(&mut message, round % 3 == 0);
        }
        link.now += random() % (90 * SECOND);
        let mut reply = [0; 576];
        let Some(answer) = link.server.answer(&message, link.now, &mut reply) else {
            continue;
        };
        let mut answer = reply[..answer.len].to_vec();
        mutate(&mut answer, round % 5 == 0);
        link.client.receive(&answer, SERVER, link.now);
        if let Some(lease) = link.client.lease() {
            assert!((1..=32).contains(&lease.prefix_len));
            assert!(crate::is_host_of(lease.address, lease.prefix_len));
            assert!(lease.dns_servers.len() <= 16 && lease.routes.len() <= 16);
        }
        assert!(link.server.bindings().count() <= 4);
        if link.client.lease().is_some() && round % 7 == 0 {
            link.client = Client::new(MAC, None, random, link.now);
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, cut: bool) {
    for _ in 0..random() % 4 {
        let index = random() as usize % bytes.len();
        // Most of a message is padding: go for the options.
        let at = if random() & 3 > 0 {
            240 + index % 60
        } else {
            index
        };
        if let Some(byte) = bytes.get_mut(at) {
            *byte = random() as u8;
        }
    }
    if cut {
        bytes.truncate(random() as usize % (bytes.len() + 1));
    }
}

// SPDX-License-Identifier: ISC
//! The server asked by scripted clients, by section of RFC 2131.

use core::net::Ipv4Addr;
use std::{boxed::Box, vec::Vec};

use super::{Config, ConfigError, Fixed, Identity, Network, Server, State, Transmit};
use crate::{
    message::{Builder, Header, Kind, Message, code},
    tests::{SECOND, SERVER, config, ip, network},
};

/// A client by number.
struct Asker {
    header: Header,
    options: Vec<(u8, Vec<u8>)>,
}

fn asker(number: u8, kind: Kind) -> Asker {
    Asker {
        header: Header::new(kind, number.into(), [2, 0, 0, 0, 1, number]),
        options: Vec::new(),
    }
}

impl Asker {
    fn with(mut self, code: u8, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    fn wanting(self, address: Ipv4Addr) -> Self {
        self.with(code::REQUESTED_ADDRESS, &address.octets())
    }

    fn of(self, server: Ipv4Addr) -> Self {
        self.with(code::SERVER_ID, &server.octets())
    }

    fn at(mut self, address: Ipv4Addr) -> Self {
        self.header.client = address;
        self
    }

    fn behind(mut self, relay: Ipv4Addr) -> Self {
        self.header.relay = relay;
        self
    }

    fn ask(&self, server: &mut Server, now: u64) -> Option<(Transmit, Vec<u8>)> {
        let mut buffer = [0; 1500];
        let mut builder = Builder::new(&mut buffer, &self.header);
        for (code, value) in &self.options {
            builder.option(*code, value);
        }
        let len = builder.finish().unwrap();
        let mut reply = [0; 1500];
        let transmit = server.answer(&buffer[..len], now, &mut reply)?;
        Some((transmit, reply[..transmit.len].to_vec()))
    }

    /// What it is told, and about which address.
    fn told(&self, server: &mut Server, now: u64) -> Option<(Kind, Ipv4Addr)> {
        let (transmit, _) = self.ask(server, now)?;
        Some((transmit.kind, transmit.address))
    }
}

fn server() -> Server {
    Server::new(config()).unwrap()
}

/// Gives a client its address in four messages.
fn lease(server: &mut Server, number: u8, now: u64) -> Ipv4Addr {
    let offer = asker(number, Kind::Discover).told(server, now).unwrap();
    assert_eq!(offer.0, Kind::Offer);
    let request = asker(number, Kind::Request).wanting(offer.1).of(SERVER);
    assert_eq!(request.told(server, now), Some((Kind::Ack, offer.1)));
    offer.1
}

/// Table 3, and RFC 6842: what an offer and an acknowledgement say.
#[test]
fn what_an_answer_says() {
    let mut server = server();
    let id = [0, b'm', b'e'];
    let mut client = asker(1, Kind::Discover).with(code::CLIENT_ID, &id);
    client.header.broadcast = true;
    let (transmit, bytes) = client.ask(&mut server, 0).unwrap();
    assert_eq!(
        (transmit.destination, transmit.port),
        (Ipv4Addr::BROADCAST, 68)
    );
    assert!(transmit.broadcast);
    let offer = Message::parse(&bytes).unwrap();
    assert_eq!(offer.header().kind, Kind::Offer);
    assert_eq!(
        (offer.header().xid, offer.header().hardware),
        (1, client.header.hardware)
    );
    assert_eq!(offer.header().yours, ip("10.0.0.100"));
    assert!(offer.header().broadcast);
    assert_eq!(offer.bytes(code::CLIENT_ID).unwrap(), id);
    assert_eq!(offer.address(code::SERVER_ID), Some(SERVER));
    assert_eq!(offer.long(code::LEASE_TIME), Some(3600));
    assert_eq!(offer.long(code::RENEWAL_TIME), Some(1800));
    assert_eq!(offer.long(code::REBINDING_TIME), Some(3150));
    assert_eq!(offer.address(code::SUBNET_MASK), Some(ip("255.255.255.0")));
    assert_eq!(offer.address(code::ROUTERS), Some(SERVER));
    assert_eq!(
        offer.bytes(code::DNS_SERVERS).unwrap(),
        [10, 0, 0, 3, 192, 0, 2, 53]
    );
    assert_eq!(offer.bytes(code::DOMAIN).unwrap(), b"example.org");
    assert_eq!(offer.short(code::MTU), Some(1400));

    let few = asker(1, Kind::Discover).with(code::PARAMETERS, &[code::MTU]);
    let (_, bytes) = few.ask(&mut server, 0).unwrap();
    let offer = Message::parse(&bytes).unwrap();
    assert!(offer.has(code::MTU) && !offer.has(code::ROUTERS) && !offer.has(code::DOMAIN));
}

/// Section 4.3.1: what a client had, what it asks for, anything else; and nothing when all is given.
#[test]
fn which_address() {
    let mut server = server();
    let wish = asker(1, Kind::Discover).wanting(ip("10.0.0.102"));
    assert_eq!(
        wish.told(&mut server, 0),
        Some((Kind::Offer, ip("10.0.0.102")))
    );
    let same = asker(2, Kind::Discover).wanting(ip("10.0.0.102"));
    assert_eq!(
        same.told(&mut server, 0),
        Some((Kind::Offer, ip("10.0.0.100"))),
        "offered"
    );
    let outside = asker(3, Kind::Discover).wanting(ip("10.0.0.9"));
    assert_eq!(
        outside.told(&mut server, 0),
        Some((Kind::Offer, ip("10.0.0.101")))
    );
    let again = asker(1, Kind::Discover).told(&mut server, 0);
    assert_eq!(again, Some((Kind::Offer, ip("10.0.0.102"))));
    assert_eq!(lease(&mut server, 4, 0), ip("10.0.0.103"));
    assert_eq!(
        asker(5, Kind::Discover).told(&mut server, 0),
        None,
        "all given away"
    );
    assert_eq!(
        lease(&mut server, 5, 61 * SECOND),
        ip("10.0.0.100"),
        "an offer that has ended"
    );
    // After everything has ended, its owner gets it before others do.
    let later = 10_000 * SECOND;
    assert_eq!(lease(&mut server, 4, later), ip("10.0.0.103"));
    assert_eq!(
        lease(&mut server, 6, later),
        ip("10.0.0.101"),
        "free for longest"
    );
    assert_eq!(server.bindings().count(), 4);
}

/// Section 4.3.2, SELECTING.
#[test]
fn a_client_selects() {
    let mut server = server();
    let address = asker(1, Kind::Discover).told(&mut server, 0).unwrap().1;
    let other = asker(1, Kind::Request)
        .wanting(ip("10.0.0.200"))
        .of(ip("10.0.0.2"));
    assert_eq!(other.told(&mut server, 0), None, "another server");
    assert_eq!(
        lease(&mut server, 2, SECOND),
        ip("10.0.0.101"),
        "never given is taken first"
    );
    let unoffered = asker(3, Kind::Request).wanting(ip("10.0.0.101")).of(SERVER);
    assert_eq!(
        unoffered.told(&mut server, SECOND),
        Some((Kind::Nak, ip("10.0.0.101")))
    );
    let wrong = asker(1, Kind::Request).wanting(ip("10.0.0.102")).of(SERVER);
    assert_eq!(wrong.told(&mut server, SECOND).unwrap().0, Kind::Nak);
    let right = asker(1, Kind::Request).wanting(address).of(SERVER);
    assert_eq!(right.told(&mut server, SECOND), Some((Kind::Ack, address)));
    let (transmit, bytes) = wrong.ask(&mut server, SECOND).unwrap();
    let refusal = Message::parse(&bytes).unwrap();
    assert!(transmit.broadcast && refusal.header().broadcast);
    assert_eq!(refusal.header().yours, Ipv4Addr::UNSPECIFIED);
    assert!(!refusal.has(code::LEASE_TIME) && !refusal.has(code::SUBNET_MASK));
}

/// Section 4.3.2, INIT-REBOOT, with and without other servers.
#[test]
fn a_client_comes_back() {
    for authoritative in [true, false] {
        let mut server = Server::new(Config {
            authoritative,
            ..config()
        })
        .unwrap();
        let address = lease(&mut server, 1, 0);
        let reboot = |number, address: &str| asker(number, Kind::Request).wanting(ip(address));
        let known = asker(1, Kind::Request).wanting(address);
        assert_eq!(known.told(&mut server, SECOND), Some((Kind::Ack, address)));
        let wrong = reboot(1, "10.0.0.103").told(&mut server, SECOND);
        assert_eq!(wrong, Some((Kind::Nak, ip("10.0.0.103"))));
        let moved = reboot(2, "192.168.0.5").told(&mut server, SECOND);
        assert_eq!(
            moved,
            Some((Kind::Nak, ip("192.168.0.5"))),
            "another network"
        );
        let unknown = reboot(2, "10.0.0.103").told(&mut server, SECOND);
        let taken = reboot(3, "10.0.0.100").told(&mut server, SECOND);
        if authoritative {
            assert_eq!(unknown, Some((Kind::Ack, ip("10.0.0.103"))));
            assert_eq!(taken, Some((Kind::Nak, ip("10.0.0.100"))));
        } else {
            assert_eq!((unknown, taken), (None, None), "silent about strangers");
        }
    }
}

/// Section 4.3.2, RENEWING and REBINDING: to the address, and for longer.
#[test]
fn a_client_renews() {
    let mut server = server();
    let address = lease(&mut server, 1, 0);
    let (transmit, bytes) = asker(1, Kind::Request)
        .at(address)
        .ask(&mut server, 1800 * SECOND)
        .unwrap();
    assert_eq!(
        (transmit.destination, transmit.port, transmit.broadcast),
        (address, 68, false)
    );
    let ack = Message::parse(&bytes).unwrap();
    assert_eq!(
        (ack.header().client, ack.header().yours),
        (address, address)
    );
    let (_, binding) = server.bindings().next().unwrap();
    assert_eq!(
        (binding.state, binding.expires),
        (State::Leased, 5400 * SECOND)
    );
    let thief = asker(2, Kind::Request)
        .at(address)
        .told(&mut server, 1800 * SECOND);
    assert_eq!(thief, Some((Kind::Nak, address)));
}

/// Section 4.3.3: an address that somebody else has is given to nobody for an hour.
#[test]
fn declined() {
    let mut server = server();
    let address = lease(&mut server, 1, 0);
    let decline = |number, server| asker(number, Kind::Decline).wanting(address).of(server);
    assert_eq!(decline(2, SERVER).told(&mut server, 0), None);
    assert_eq!(decline(1, ip("10.0.0.2")).told(&mut server, 0), None);
    assert_eq!(
        server.bindings().next().unwrap().1.state,
        State::Leased,
        "not theirs to decline"
    );
    assert_eq!(decline(1, SERVER).told(&mut server, 0), None);
    assert_eq!(server.bindings().next().unwrap().1.state, State::Declined);
    assert_eq!(lease(&mut server, 1, 0), ip("10.0.0.101"));
    let wish = asker(2, Kind::Discover).wanting(address);
    assert_ne!(wish.told(&mut server, 3599 * SECOND).unwrap().1, address);
    let wish = asker(3, Kind::Discover).wanting(address);
    assert_eq!(wish.told(&mut server, 3600 * SECOND).unwrap().1, address);
}

/// Section 4.3.4.
#[test]
fn released() {
    let mut server = server();
    let address = lease(&mut server, 1, 0);
    asker(2, Kind::Release)
        .at(address)
        .of(SERVER)
        .told(&mut server, 0);
    assert!(
        server.bindings().next().unwrap().1.is_current(0),
        "not theirs to release"
    );
    asker(1, Kind::Release)
        .at(address)
        .of(SERVER)
        .told(&mut server, 0);
    assert!(!server.bindings().next().unwrap().1.is_current(0));
    let taken = asker(2, Kind::Discover)
        .wanting(address)
        .told(&mut server, 0);
    assert_eq!(taken, Some((Kind::Offer, address)));
}

/// Section 4.3.5: parameters without a lease.
#[test]
fn informed() {
    let mut server = server();
    let host = ip("10.0.0.50");
    let (transmit, bytes) = asker(1, Kind::Inform).at(host).ask(&mut server, 0).unwrap();
    assert_eq!((transmit.destination, transmit.port), (host, 68));
    let ack = Message::parse(&bytes).unwrap();
    assert_eq!(ack.header().yours, Ipv4Addr::UNSPECIFIED);
    assert!(ack.has(code::DNS_SERVERS) && !ack.has(code::LEASE_TIME));
    assert_eq!(server.bindings().count(), 0);
    assert_eq!(
        asker(1, Kind::Inform).told(&mut server, 0),
        None,
        "without address"
    );
}

/// Sections 4.1 and 4.3.1, RFC 3046 section 2.2: behind a relay.
#[test]
fn relayed() {
    let mut config = config();
    let relay = ip("172.16.0.1");
    config.networks.push(Network {
        pools: Vec::from([(ip("172.16.0.10"), ip("172.16.0.20"))]),
        ..Network::new(relay, 16)
    });
    let mut server = Server::new(config).unwrap();
    let circuit = [1, 4, 0, 0, 0, 9];
    let client = |kind| {
        asker(1, kind)
            .behind(relay)
            .with(code::RELAY_AGENT, &circuit)
    };
    let (transmit, bytes) = client(Kind::Discover).ask(&mut server, 0).unwrap();
    assert_eq!(
        (transmit.destination, transmit.port, transmit.broadcast),
        (relay, 67, false)
    );
    let offer = Message::parse(&bytes).unwrap();
    assert_eq!(
        (offer.header().relay, offer.header().yours),
        (relay, ip("172.16.0.10"))
    );
    assert_eq!(offer.bytes(code::RELAY_AGENT).unwrap(), circuit);
    assert_eq!(offer.address(code::SUBNET_MASK), Some(ip("255.255.0.0")));
    // A refusal goes the same way, and asks the relay to broadcast it.
    let wrong = client(Kind::Request).wanting(ip("10.0.0.100"));
    let (transmit, bytes) = wrong.ask(&mut server, 0).unwrap();
    assert_eq!((transmit.kind, transmit.destination), (Kind::Nak, relay));
    assert!(Message::parse(&bytes).unwrap().header().broadcast);
    let unknown = asker(2, Kind::Discover).behind(ip("192.168.0.1"));
    assert_eq!(unknown.told(&mut server, 0), None, "no such network");
    // A renewal comes without the relay.
    let renewal = asker(1, Kind::Request).at(ip("172.16.0.10"));
    assert_eq!(
        renewal.told(&mut server, 0),
        Some((Kind::Ack, ip("172.16.0.10")))
    );
}

/// Addresses of one client alone, by hardware address or by client identifier.
#[test]
fn fixed_addresses() {
    let mut config = config();
    let id: Box<[u8]> = Box::new([0, b'i', b'd']);
    config.fixed = Vec::from([
        Fixed {
            client: Identity::Hardware([2, 0, 0, 0, 1, 1]),
            address: ip("10.0.0.100"),
        },
        Fixed {
            client: Identity::ClientId(id.clone()),
            address: ip("10.0.0.7"),
        },
    ]);
    let mut server = Server::new(config).unwrap();
    assert_eq!(lease(&mut server, 2, 0), ip("10.0.0.101"), "not another's");
    let theirs = asker(3, Kind::Discover).wanting(ip("10.0.0.100"));
    assert_eq!(
        theirs.told(&mut server, 0),
        Some((Kind::Offer, ip("10.0.0.102")))
    );
    let wish = asker(1, Kind::Discover).wanting(ip("10.0.0.103"));
    assert_eq!(
        wish.told(&mut server, 0),
        Some((Kind::Offer, ip("10.0.0.100")))
    );
    // The same machine under another name, as while it boots.
    let boot = asker(1, Kind::Discover).with(code::CLIENT_ID, b"\0boot");
    assert_eq!(
        boot.told(&mut server, 0),
        Some((Kind::Offer, ip("10.0.0.100")))
    );
    let named = asker(9, Kind::Discover).with(code::CLIENT_ID, &id);
    assert_eq!(
        named.told(&mut server, 0),
        Some((Kind::Offer, ip("10.0.0.7")))
    );
}

#[test]
fn lease_times_have_limits() {
    let mut server = server();
    let seconds = |server: &mut Server, asked: u32| {
        let client = asker(1, Kind::Discover).with(code::LEASE_TIME, &asked.to_be_bytes());
        let (_, bytes) = client.ask(server, 0).unwrap();
        Message::parse(&bytes)
            .unwrap()
            .long(code::LEASE_TIME)
            .unwrap()
    };
    assert_eq!(seconds(&mut server, 600), 600);
    assert_eq!(seconds(&mut server, 0), 60);
    assert_eq!(seconds(&mut server, u32::MAX), 24 * 3600);
    let mut endless = Server::new(Config {
        longest_lease_seconds: u32::MAX,
        ..config()
    })
    .unwrap();
    assert_eq!(seconds(&mut endless, u32::MAX), u32::MAX);
    let request = asker(1, Kind::Request).wanting(ip("10.0.0.100")).of(SERVER);
    let request = request.with(code::LEASE_TIME, &[255; 4]);
    assert_eq!(request.told(&mut endless, 0).unwrap().0, Kind::Ack);
    assert!(
        endless
            .bindings()
            .next()
            .unwrap()
            .1
            .is_current(u64::MAX - 1)
    );
}

/// Section 2: no client must take more than 576 bytes unless it says so.
#[test]
fn answers_have_room() {
    let mut network = network();
    network.dns_servers = (1..=100).map(|n| Ipv4Addr::new(10, 0, 1, n)).collect();
    let mut server = Server::new(Config::new(SERVER, network)).unwrap();
    let (_, bytes) = asker(1, Kind::Discover).ask(&mut server, 0).unwrap();
    assert!(bytes.len() <= 548);
    let message = Message::parse(&bytes).unwrap();
    assert!(
        !message.has(code::DNS_SERVERS) && message.has(code::DOMAIN),
        "left out"
    );
    let large = asker(1, Kind::Discover).with(code::MAX_SIZE, &1500_u16.to_be_bytes());
    let (_, bytes) = large.ask(&mut server, 0).unwrap();
    assert_eq!(
        Message::parse(&bytes)
            .unwrap()
            .bytes(code::DNS_SERVERS)
            .unwrap()
            .len(),
        400
    );
}

#[test]
fn wrong_configurations() {
    let wrong = |change: &dyn Fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        Server::new(config).err()
    };
    let pool = |first: &str, last: &str| {
        let pool = (ip(first), ip(last));
        let found = wrong(&|config| config.networks[0].pools = Vec::from([pool]));
        found == Some(ConfigError::Pool(pool.0, pool.1))
    };
    assert_eq!(wrong(&|_| ()), None);
    assert!(pool("10.0.0.9", "10.0.0.8") && pool("10.0.0.0", "10.0.0.8"));
    assert!(pool("10.0.0.8", "10.0.0.255") && pool("10.0.0.8", "10.0.1.8"));
    assert!(wrong(&|config| config.address = Ipv4Addr::BROADCAST).is_some());
    assert!(wrong(&|config| config.networks[0].prefix_len = 0).is_some());
    assert!(wrong(&|config| config.lease_seconds = 0).is_some());
    let fixed = |address: &str| Fixed {
        client: Identity::Hardware([2; 6]),
        address: ip(address),
    };
    let outside = wrong(&|config| config.fixed = Vec::from([fixed("10.0.1.1")]));
    assert_eq!(outside, Some(ConfigError::Fixed(ip("10.0.1.1"))));
    let twice = wrong(&|config| config.fixed = Vec::from([fixed("10.0.0.9"), fixed("10.0.0.9")]));
    assert_eq!(twice, Some(ConfigError::Twice(ip("10.0.0.9"))));
}

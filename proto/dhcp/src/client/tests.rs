// SPDX-License-Identifier: ISC
//! The client against a scripted server, by section of RFC 2131.

use core::net::Ipv4Addr;
use std::vec::Vec;

use super::{BUFFER, Client, Lease, Route};
use crate::{
    message::{Builder, Header, Kind, Message, code},
    tests::{MAC, SECOND, SERVER, ip, random, sent},
};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 55);
const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const ALL: Ipv4Addr = Ipv4Addr::BROADCAST;
const USUAL: &[(u8, &[u8])] = &[
    (code::SERVER_ID, &[10, 0, 0, 1]),
    (code::SUBNET_MASK, &[255, 255, 255, 0]),
    (code::ROUTERS, &[10, 0, 0, 1]),
    (code::LEASE_TIME, &[0, 0, 14, 16]),
];

fn client() -> Client {
    Client::new(MAC, None, random, 0)
}

/// An answer to what the client has sent, of its xid and to its address.
fn answer(kind: Kind, question: &[u8], options: &[(u8, &[u8])]) -> Vec<u8> {
    let question = *Message::parse(question).unwrap().header();
    let mut header = Header::new(kind, question.xid, question.hardware);
    header.yours = ADDRESS;
    build(&header, options)
}

fn build(header: &Header, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut buffer = [0; 1000];
    let mut builder = Builder::new(&mut buffer, header);
    for (code, value) in options {
        builder.option(*code, value);
    }
    let len = builder.finish().unwrap();
    buffer[..len].to_vec()
}

/// The usual options with some replaced or added.
fn with<'a>(others: &[(u8, &'a [u8])]) -> Vec<(u8, &'a [u8])> {
    let is_kept = |(code, _): &&(u8, &[u8])| others.iter().all(|(other, _)| other != code);
    let mut options: Vec<(u8, &'a [u8])> = USUAL.iter().filter(is_kept).copied().collect();
    options.extend(others);
    options
}

/// A client that has asked for an offered address, and its request.
fn requesting() -> (Client, Vec<u8>) {
    let mut client = client();
    let (discover, _) = sent(&mut client, 0).unwrap();
    assert!(!client.receive(&answer(Kind::Offer, &discover, USUAL), SERVER, 0));
    let (request, _) = sent(&mut client, 0).unwrap();
    (client, request)
}

/// A client with a lease of an hour since zero.
fn bound() -> Client {
    let (mut client, request) = requesting();
    assert!(client.receive(&answer(Kind::Ack, &request, USUAL), SERVER, 0));
    assert!(client.take_changed());
    client
}

/// What a client makes of an acknowledgement with these options.
fn lease(options: &[(u8, &[u8])]) -> Option<Lease> {
    let (mut client, request) = requesting();
    let changed = client.receive(&answer(Kind::Ack, &request, &with(options)), SERVER, 0);
    assert_eq!(changed, client.lease().is_some());
    client.lease().cloned()
}

/// Section 4.4.1 and table 5: a discovery.
#[test]
fn a_discovery_says_little() {
    let mut client = Client::new(MAC, Some("resolver-1"), random, 0);
    let (bytes, transmit) = sent(&mut client, 0).unwrap();
    assert_eq!((transmit.source, transmit.destination), (ANY, ALL));
    let message = Message::parse(&bytes).unwrap();
    let header = message.header();
    assert_eq!(header.kind, Kind::Discover);
    assert_eq!((header.client, header.hardware), (ANY, MAC));
    assert!(header.broadcast && header.seconds == 0);
    // RFC 7844 section 3.5.
    let id = [&[1][..], &MAC].concat();
    assert_eq!(message.bytes(code::CLIENT_ID).unwrap(), id);
    assert_eq!(message.bytes(code::HOST_NAME).unwrap(), b"resolver-1");
    assert!(!message.has(code::REQUESTED_ADDRESS) && !message.has(code::SERVER_ID));
    // RFC 3442: routes before routers.
    let parameters = message.bytes(code::PARAMETERS).unwrap();
    let place = |wanted| parameters.iter().position(|code| *code == wanted).unwrap();
    assert!(place(code::CLASSLESS_ROUTES) < place(code::ROUTERS));
}

#[test]
fn only_labels_are_sent_as_host_name() {
    for name in ["", "-a", "a-", "a.b", "a b", "ä", &"a".repeat(64)] {
        let mut client = Client::new(MAC, Some(name), random, 0);
        let (bytes, _) = sent(&mut client, 0).unwrap();
        assert!(
            !Message::parse(&bytes).unwrap().has(code::HOST_NAME),
            "{name}"
        );
    }
    let mut client = Client::new(MAC, Some(&"a".repeat(63)), random, 0);
    let mut buffer = [0; BUFFER];
    assert!(client.poll(0, &mut buffer).is_some(), "the longest fits");
}

/// Section 4.1: 2, 4, 8 ... 64 seconds, each a second more or less; one exchange throughout.
#[test]
fn discoveries_back_off() {
    let mut client = client();
    let mut before = 0;
    let mut xid = None;
    for wait in [2_u64, 4, 8, 16, 32, 64, 64, 64] {
        let (bytes, _) = sent(&mut client, before).unwrap();
        assert!(sent(&mut client, before).is_none(), "once");
        let header = *Message::parse(&bytes).unwrap().header();
        assert_eq!(*xid.get_or_insert(header.xid), header.xid);
        let next = client.deadline().unwrap();
        let waited = next - before;
        assert!(waited.abs_diff(wait * SECOND) <= SECOND, "{waited}");
        before = next;
    }
    let (bytes, _) = sent(&mut client, before).unwrap();
    let seconds = Message::parse(&bytes).unwrap().header().seconds;
    assert_eq!(u64::from(seconds), before / SECOND);
}

/// Section 4.3.2: a request names the server and the address, in the exchange of the offer.
#[test]
fn a_request_follows_its_offer() {
    let mut client = client();
    let (discover, _) = sent(&mut client, 0).unwrap();
    let now = client.deadline().unwrap();
    let (again, _) = sent(&mut client, now).unwrap();
    client.receive(&answer(Kind::Offer, &discover, USUAL), SERVER, now);
    let (request, transmit) = sent(&mut client, now + 9 * SECOND).unwrap();
    assert_eq!((transmit.source, transmit.destination), (ANY, ALL));
    let (request, again) = (
        Message::parse(&request).unwrap(),
        Message::parse(&again).unwrap(),
    );
    assert_eq!(request.header().kind, Kind::Request);
    assert_eq!(request.header().xid, again.header().xid);
    assert_eq!(
        request.header().seconds,
        again.header().seconds,
        "as relays saw it"
    );
    assert_eq!(request.header().client, ANY);
    assert_eq!(request.address(code::SERVER_ID), Some(SERVER));
    assert_eq!(request.address(code::REQUESTED_ADDRESS), Some(ADDRESS));
}

/// Section 3.1, step 5: after some requests without answer it begins again.
#[test]
fn a_server_that_falls_silent_is_left() {
    let (mut client, _) = requesting();
    let mut kinds = Vec::new();
    while client.deadline().unwrap() < 120 * SECOND {
        let now = client.deadline().unwrap();
        let (bytes, _) = sent(&mut client, now).unwrap();
        kinds.push(Message::parse(&bytes).unwrap().header().kind);
    }
    assert_eq!(
        kinds[..4],
        [Kind::Request, Kind::Request, Kind::Request, Kind::Discover]
    );
    assert!(kinds[4..].iter().all(|kind| *kind == Kind::Discover));
}

/// Only who has seen the question can answer it.
#[test]
fn foreign_answers_are_ignored() {
    let (mut client, request) = requesting();
    let header = *Message::parse(&request).unwrap().header();
    let mut good = Header::new(Kind::Ack, header.xid, MAC);
    good.yours = ADDRESS;
    let other = Header {
        xid: header.xid ^ 1,
        ..good
    };
    assert!(!client.receive(&build(&other, USUAL), SERVER, 0), "xid");
    let other = Header {
        hardware: [2, 0, 0, 0, 0, 1],
        ..good
    };
    assert!(
        !client.receive(&build(&other, USUAL), SERVER, 0),
        "hardware"
    );
    let other = Header {
        yours: ip("10.0.0.56"),
        ..good
    };
    assert!(!client.receive(&build(&other, USUAL), SERVER, 0), "address");
    let other = Header {
        kind: Kind::Offer,
        ..good
    };
    assert!(!client.receive(&build(&other, USUAL), SERVER, 0), "kind");
    let options = with(&[(code::SERVER_ID, &[10, 0, 0, 2])]);
    assert!(
        !client.receive(&build(&good, &options), SERVER, 0),
        "server"
    );
    let nak = Header {
        kind: Kind::Nak,
        ..good
    };
    assert!(
        !client.receive(&build(&nak, &options), SERVER, 0),
        "refusal"
    );
    for from in [ANY, ALL, ip("127.0.0.1"), ip("224.0.0.1")] {
        assert!(!client.receive(&build(&good, USUAL), from, 0), "{from}");
    }
    assert!(
        client.receive(&build(&good, USUAL), ip("192.0.2.9"), 0),
        "through a relay"
    );
    let unasked = answer(Kind::Ack, &request, USUAL);
    assert!(!client.receive(&unasked, SERVER, 0), "the exchange is over");
}

/// RFC 4039 section 3.1: only where the server says so.
#[test]
fn a_rapid_lease_must_be_marked() {
    let mut client = client();
    let (discover, _) = sent(&mut client, 0).unwrap();
    assert!(!client.receive(&answer(Kind::Ack, &discover, USUAL), SERVER, 0));
    let options = with(&[(code::RAPID_COMMIT, &[])]);
    assert!(client.receive(&answer(Kind::Ack, &discover, &options), SERVER, 0));
}

#[test]
fn nonsense_is_refused() {
    assert!(lease(&[]).is_some());
    let refused: [(u8, &[u8]); 8] = [
        (code::SUBNET_MASK, &[255, 0, 255, 0]),
        (code::SUBNET_MASK, &[0, 0, 0, 0]),
        (code::SUBNET_MASK, &[255, 255, 255]),
        (code::LEASE_TIME, &[0, 0, 0, 0]),
        (code::LEASE_TIME, &[0, 0, 0]),
        (code::SERVER_ID, &[255, 255, 255, 255]),
        (code::SERVER_ID, &[0, 0, 0, 0]),
        // Its own address is the broadcast address of 10.0.0.52/30.
        (code::SUBNET_MASK, &[255, 255, 255, 252]),
    ];
    for option in refused {
        assert!(lease(&[option]).is_none(), "{option:?}");
    }
    let mut client = client();
    let (discover, _) = sent(&mut client, 0).unwrap();
    let xid = Message::parse(&discover).unwrap().header().xid;
    for yours in [
        "0.0.0.0",
        "255.255.255.255",
        "127.0.0.1",
        "224.0.0.1",
        "10.0.0.0",
        "10.0.0.255",
    ] {
        let mut header = Header::new(Kind::Offer, xid, MAC);
        header.yours = ip(yours);
        client.receive(&build(&header, USUAL), SERVER, 0);
        assert!(sent(&mut client, 0).is_none(), "{yours} is not asked for");
    }
}

#[test]
fn what_comes_with_a_lease_is_checked() {
    let plain = lease(&[(code::ROUTERS, &[0, 0, 0, 0]), (code::MTU, &[0, 68])]).unwrap();
    assert_eq!((plain.gateway, plain.mtu), (None, None));
    let dns: &[u8] = &[255, 255, 255, 255, 10, 0, 0, 3, 10, 0, 0, 55, 9, 9];
    let servers = lease(&[(code::DNS_SERVERS, dns)]).unwrap().dns_servers;
    assert_eq!(servers, [ip("10.0.0.3")]);
    let domain = |bytes| lease(&[(code::DOMAIN, bytes)]).unwrap().domain;
    assert_eq!(domain(b"example.org.\0").as_deref(), Some("example.org"));
    assert_eq!(domain(b"a b"), None);
    assert_eq!(domain(b"\0"), None);
    assert_eq!(lease(&[(code::MTU, &[5, 220])]).unwrap().mtu, Some(1500));
    // A network of one address, with a router beyond it, as some clouds have.
    let alone = lease(&[(code::SUBNET_MASK, &[255; 4])]).unwrap();
    assert_eq!((alone.prefix_len, alone.gateway), (32, Some(SERVER)));
}

/// RFC 3442: classless routes replace routers.
#[test]
fn classless_routes() {
    let routes: &[u8] = &[
        0, 10, 0, 0, 9, // default
        16, 172, 16, 10, 0, 0, 8, // 172.16.0.0/16
        24, 192, 168, 7, 0, 0, 0, 0, // on the link
        9, 10, 200, 10, 0, 0, 7, // bits beyond the prefix
    ];
    let found = lease(&[(code::CLASSLESS_ROUTES, routes)]).unwrap();
    assert_eq!(found.gateway, Some(ip("10.0.0.9")));
    let route = |network: &str, prefix_len, router: &str| Route {
        network: ip(network),
        prefix_len,
        router: ip(router),
    };
    let expected = [
        route("172.16.0.0", 16, "10.0.0.8"),
        route("192.168.7.0", 24, "0.0.0.0"),
        route("10.128.0.0", 9, "10.0.0.7"),
    ];
    assert_eq!(found.routes, expected);
    let none = lease(&[(code::CLASSLESS_ROUTES, &[16, 172, 16, 10, 0, 0, 8])]).unwrap();
    assert_eq!(none.gateway, None, "the router is not looked at");
    for malformed in [
        &[33, 1, 2, 3, 4, 5, 1, 1, 1, 1][..],
        &[16, 172],
        &[8, 10, 1, 2, 3],
    ] {
        let found = lease(&[(code::CLASSLESS_ROUTES, malformed)]).unwrap();
        assert_eq!((found.gateway, found.routes.len()), (Some(SERVER), 0));
    }
}

/// Section 4.4.5: asks its server at T1, anybody at T2, and waits half of what is left between.
#[test]
fn renewing_and_rebinding() {
    let mut client = bound();
    let hour = 3600 * SECOND;
    let t1 = client.deadline().unwrap();
    assert!(t1 <= hour / 2 && t1 > hour / 2 - hour / 64 - SECOND, "{t1}");
    let mut asked = Vec::new();
    while client.lease().is_some() {
        let now = client.deadline().unwrap();
        if let Some((bytes, transmit)) = sent(&mut client, now) {
            let message = Message::parse(&bytes).unwrap();
            asked.push((now, transmit.destination, message.header().kind));
            if client.lease().is_some() {
                assert_eq!(
                    (message.header().client, transmit.source),
                    (ADDRESS, ADDRESS)
                );
                assert!(!message.has(code::SERVER_ID) && !message.has(code::REQUESTED_ADDRESS));
                assert!(!message.header().broadcast);
            }
        }
        assert!(now <= hour, "no use after the end");
    }
    assert!(client.take_changed());
    let (last, requests) = asked.split_last().unwrap();
    assert_eq!(
        (last.0, last.2),
        (hour, Kind::Discover),
        "it begins again at once"
    );
    let t2 = requests
        .iter()
        .find(|(_, destination, _)| *destination == ALL)
        .unwrap()
        .0;
    assert!(
        t2 <= hour / 8 * 7 && t2 > hour / 8 * 7 - hour / 32 - SECOND,
        "{t2}"
    );
    for (at, destination, _) in requests {
        assert_eq!(*destination, if *at < t2 { SERVER } else { ALL });
    }
    for pair in requests.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= 60 * SECOND || pair[1].0 == t2);
    }
}

/// Any server may answer a rebinding, only its own a renewal.
#[test]
fn who_may_renew() {
    let mut client = bound();
    let other = with(&[(code::SERVER_ID, &[10, 0, 0, 2])]);
    let t1 = client.deadline().unwrap();
    let (renewal, _) = sent(&mut client, t1).unwrap();
    client.receive(&answer(Kind::Ack, &renewal, &other), SERVER, t1);
    assert!(client.expires().unwrap() == 3600 * SECOND);
    let t2 = 3550 * SECOND;
    let (rebinding, _) = sent(&mut client, t2).unwrap();
    assert!(
        !client.receive(&answer(Kind::Ack, &renewal, &other), SERVER, t2),
        "of the past"
    );
    assert!(client.receive(&answer(Kind::Ack, &rebinding, &other), SERVER, t2));
    assert_eq!(client.lease().unwrap().server, ip("10.0.0.2"));
    assert_eq!(
        client.expires(),
        Some(t2 + 3600 * SECOND),
        "counts from the request"
    );
}

/// Section 4.4.5: times that are out of order are not used; no end is no end.
#[test]
fn times_of_a_lease() {
    let t1_of = |options: &[(u8, &[u8])]| {
        let (mut client, request) = requesting();
        client.receive(&answer(Kind::Ack, &request, &with(options)), SERVER, 0);
        client.deadline().map(|at| at.div_ceil(SECOND))
    };
    let near = |t1: Option<u64>, wanted: u64| {
        t1.is_some_and(|t1| t1 <= wanted && t1 >= wanted - wanted / 30)
    };
    assert!(near(t1_of(&[(code::RENEWAL_TIME, &[0, 0, 1, 0])]), 256));
    assert!(near(t1_of(&[(code::RENEWAL_TIME, &[0, 0, 255, 0])]), 1800));
    assert!(near(
        t1_of(&[(code::REBINDING_TIME, &[0, 0, 255, 0])]),
        1800
    ));
    assert!(near(t1_of(&[(code::REBINDING_TIME, &[0, 0, 2, 0])]), 512));
    assert_eq!(t1_of(&[(code::LEASE_TIME, &[255; 4])]), None);
    assert!(lease(&[(code::LEASE_TIME, &[0, 0, 0, 1])]).is_some());
}

/// Section 3.1, step 4: at once after the first refusal, with more and more patience afterwards.
#[test]
fn refusals() {
    let mut client = client();
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..5 {
        let (discover, _) = sent(&mut client, now).unwrap();
        client.receive(&answer(Kind::Offer, &discover, USUAL), SERVER, now);
        let (request, _) = sent(&mut client, now).unwrap();
        client.receive(&answer(Kind::Nak, &request, &USUAL[..1]), SERVER, now);
        waits.push(client.deadline().unwrap() - now);
        now = client.deadline().unwrap();
    }
    assert_eq!(waits[0], 0);
    assert!(waits[1] >= SECOND && waits[4] >= 15 * SECOND, "{waits:?}");

    let mut client = bound();
    let t1 = client.deadline().unwrap();
    let (renewal, _) = sent(&mut client, t1).unwrap();
    assert!(client.receive(&answer(Kind::Nak, &renewal, &USUAL[..1]), SERVER, t1));
    assert!(client.lease().is_none());
    let (next, _) = sent(&mut client, t1).unwrap();
    assert_eq!(Message::parse(&next).unwrap().header().kind, Kind::Discover);
}

/// Table 5: what a client that declines or releases says.
#[test]
fn parting_messages() {
    let mut client = bound();
    client.decline(SECOND);
    assert!(client.take_changed() && client.lease().is_none());
    let (bytes, transmit) = sent(&mut client, SECOND).unwrap();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.header().kind, Kind::Decline);
    assert_eq!((transmit.source, transmit.destination), (ANY, ALL));
    assert_eq!(message.address(code::REQUESTED_ADDRESS), Some(ADDRESS));
    assert_eq!(message.address(code::SERVER_ID), Some(SERVER));
    assert_eq!(client.deadline(), Some(11 * SECOND));

    let mut client = bound();
    client.release(SECOND);
    assert!(client.lease().is_some(), "until it was said");
    let (bytes, _) = sent(&mut client, SECOND).unwrap();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.header().kind, Kind::Release);
    assert_eq!(message.header().client, ADDRESS);
    assert_eq!(message.address(code::SERVER_ID), Some(SERVER));
    assert!(!message.has(code::REQUESTED_ADDRESS) && !message.has(code::PARAMETERS));
    assert!(client.take_changed() && client.deadline().is_none());
}

#[test]
fn a_small_buffer_delays_and_no_more() {
    let mut client = client();
    assert_eq!(client.poll(0, &mut [0; 100]), None);
    let next = client.deadline().unwrap();
    assert!(next > 0);
    assert!(sent(&mut client, next).is_some());
}

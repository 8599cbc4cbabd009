// SPDX-License-Identifier: ISC
//! Answers, rule by rule. What a reply holds as a whole is compared with NSD in
//! `tests/against_nsd.rs`; here is what no zone file shows.

use alloc::{format, vec, vec::Vec};

use crate::{Name, Policy, Server, Transport, Zone, types::Type};

const ZONE: &str = "$TTL 1h\n@ SOA ns h 7 2h 3h 4w 5m\n@ NS ns\nns A 192.0.2.1\n\
    loop CNAME pool\npool CNAME loop\n*.wild TXT wild\na.ent A 192.0.2.2\n\
    sub NS ns.sub\nns.sub A 192.0.2.3\ntree DNAME other\nx.other A 192.0.2.4\nother DS 1 8 2 00\n";

fn server() -> Server {
    let parse = |name: &str| {
        let origin: Name = name.parse().unwrap();
        Zone::parse(name, ZONE.as_bytes(), &origin).unwrap()
    };
    let policy = Policy {
        transfer: vec!["192.0.2.0/24".parse().unwrap()],
        ..Policy::default()
    };
    Server::new(
        vec![parse("example.org"), parse("other.example.org")],
        policy,
    )
    .unwrap()
}

/// A query with `flags`, for `name` and `rtype`, and `additional` at its end.
fn query(flags: u16, name: &str, rtype: u16, additional: &[u8]) -> Vec<u8> {
    let mut message = vec![0xab, 0xcd];
    message.extend_from_slice(&flags.to_be_bytes());
    message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(!additional.is_empty())]);
    message.extend_from_slice(
        Name::from_text(name.as_bytes(), &Name::ROOT)
            .unwrap()
            .as_bytes(),
    );
    message.extend_from_slice(&rtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(additional);
    message
}

fn ask_raw(message: &[u8]) -> Option<Vec<u8>> {
    let mut reply = vec![0; 4096];
    let len = server().answer(message, Transport::Udp, &mut reply)?;
    reply.truncate(len);
    Some(reply)
}

/// Flags and the counts of the answer, authority and additional sections.
fn ask(flags: u16, name: &str, rtype: u16, additional: &[u8]) -> (u16, [u8; 3]) {
    let reply = ask_raw(&query(flags, name, rtype, additional)).expect("an answer");
    assert_eq!(reply[..2], [0xab, 0xcd]);
    (
        u16::from_be_bytes([reply[2], reply[3]]),
        [reply[7], reply[9], reply[11]],
    )
}

/// An OPT record: payload size, version, and the flags behind it.
fn opt(payload: u16, version: u8, flags: u8) -> Vec<u8> {
    let [high, low] = payload.to_be_bytes();
    vec![0, 0, 41, high, low, 0, version, flags, 0, 0, 0]
}

/// RFC 1035 section 4.1.1, RFC 8906 section 3: no answer to an answer, some answer to all else.
#[test]
fn what_is_not_a_query() {
    assert!(ask_raw(&query(0x8000, "example.org", 1, &[])).is_none());
    assert!(ask_raw(&[]).is_none());
    assert!(ask_raw(&[0; 11]).is_none());
    let header_only =
        |rcode: u8, opcode: u8| Some(vec![0, 0, 0x80 | opcode, rcode, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(ask_raw(&[0; 12]), header_only(1, 0));
    let mut update = [0; 12];
    update[2] = 5 << 3;
    assert_eq!(ask_raw(&update), header_only(4, 5 << 3));
    for cut in 13..query(0, "example.org", 1, &[]).len() {
        let reply = ask_raw(&query(0, "example.org", 1, &[])[..cut]).unwrap();
        assert_eq!((reply.len(), reply[3]), (12, 1), "FORMERR for {cut} bytes");
    }
    let mut two = query(0, "example.org", 1, &[]);
    two[5] = 2;
    assert_eq!(ask_raw(&two).unwrap()[3], 1);
}

/// RFC 4343 section 4: the question comes back letter by letter.
#[test]
fn the_question_keeps_its_case() {
    let message = query(0, "nS.eXaMpLe.OrG", 1, &[]);
    let reply = ask_raw(&message).unwrap();
    assert_eq!(reply[12..message.len()], message[12..]);
    assert_eq!(reply[message.len()..][..2], [0xc0, 12]);
}

/// RFC 1035 section 4.1.1, RFC 4035 section 3.1.6: RD and CD are copied, AD and Z are not.
#[test]
fn flags_are_copied() {
    assert_eq!(ask(0x0100, "ns.example.org", 1, &[]).0, 0x8500);
    assert_eq!(ask(0x0070, "ns.example.org", 1, &[]).0, 0x8410);
    assert_eq!(ask(0, "ns.example.com", 1, &[]), (0x8005, [0, 0, 0]));
}

/// RFC 6891 section 6.1.
#[test]
fn edns() {
    let with = |opt: &[u8]| ask_raw(&query(0, "ns.example.org", 1, opt)).unwrap();
    let reply = with(&opt(4096, 0, 0x80));
    assert_eq!(
        reply[reply.len() - 11..],
        [0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0]
    );
    let reply = with(&opt(4096, 1, 0));
    assert_eq!(
        reply[reply.len() - 6..],
        [1, 0, 0, 0, 0, 0],
        "BADVERS and version 0"
    );
    assert_eq!((reply[3] & 0xf, reply[7]), (0, 0));
    let two = [opt(4096, 0, 0), opt(4096, 0, 0)].concat();
    let mut message = query(0, "ns.example.org", 1, &two);
    message[11] = 2;
    assert_eq!(ask_raw(&message).unwrap()[3], 1);
    let named = [&b"\x01a"[..], &opt(4096, 0, 0)].concat();
    assert_eq!(with(&named)[3], 1);
    // An unknown option is ignored (section 6.1.2), one that is cut off is not.
    let mut option = opt(4096, 0, 0);
    option[10] = 4;
    option.extend_from_slice(&[0xff, 0xfe, 0, 0]);
    assert_eq!(with(&option)[3], 0);
    option.pop();
    assert_eq!(with(&option)[3], 1);
}

/// RFC 1034 section 3.6.2: an alias of itself, by one step or two, ends.
#[test]
fn loops_end() {
    assert_eq!(ask(0, "loop.example.org", 1, &[]), (0x8400, [2, 0, 0]));
}

/// RFC 8020 and RFC 4592 section 2.2.2: an empty non-terminal exists.
#[test]
fn negative_answers() {
    assert_eq!(ask(0, "ent.example.org", 1, &[]), (0x8400, [0, 1, 0]));
    assert_eq!(ask(0, "wild.example.org", 1, &[]), (0x8400, [0, 1, 0]));
    assert_eq!(ask(0, "x.ent.example.org", 1, &[]), (0x8403, [0, 1, 0]));
    assert_eq!(ask(0, "x.y.wild.example.org", 16, &[]), (0x8400, [1, 0, 0]));
    // RFC 2308 section 3: the TTL of the SOA is the lesser of its own and the minimum.
    let reply = ask_raw(&query(0, "x.ent.example.org", 1, &[])).unwrap();
    let ttl = reply
        .windows(8)
        .find(|bytes| bytes[..4] == [0, 6, 0, 1])
        .unwrap();
    assert_eq!(ttl[4..], [0, 0, 1, 44]);
}

/// RFC 4035 section 3.1.4.1: DS comes from the zone above, if that is served.
#[test]
fn ds_belongs_to_the_parent() {
    assert_eq!(
        ask(0, "other.example.org", Type::DS.0, &[]),
        (0x8400, [1, 0, 0])
    );
    assert_eq!(ask(0, "example.org", Type::DS.0, &[]), (0x8400, [0, 1, 0]));
    assert_eq!(
        ask(0, "sub.example.org", Type::DS.0, &[]),
        (0x8400, [0, 1, 0])
    );
    assert_eq!(
        ask(0, "x.sub.example.org", Type::DS.0, &[]),
        (0x8000, [0, 1, 1])
    );
}

/// RFC 6672 section 2.2: a name that becomes too long is no name.
#[test]
fn dname() {
    assert_eq!(ask(0, "x.tree.example.org", 1, &[]).1[0], 2);
    let label = "a".repeat(58);
    let name = format!("{label}.{label}.{label}.a{label}.tree.example.org");
    assert_eq!(ask(0, &name, 1, &[]), (0x8406, [1, 0, 0]));
}

/// RFC 5936 section 4.2, RFC 1035 section 3.2.3.
#[test]
fn types_that_are_no_types() {
    assert_eq!(ask(0, "example.org", 252, &[]).0, 0x8001);
    assert_eq!(ask(0, "example.org", 253, &[]).0, 0x8004);
    assert_eq!(ask(0, "example.org", 41, &[]).0, 0x8001);
    // RFC 1995 section 2: over UDP, the SOA alone.
    assert_eq!(ask(0, "example.org", 251, &[]), (0x8400, [1, 0, 0]));
}

/// RFC 8945 section 5.2: nobody here knows the key.
#[test]
fn signed_queries_are_refused() {
    let tsig = [&[0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0][..]].concat();
    assert_eq!(ask(0, "ns.example.org", 1, &tsig), (0x8009, [0, 0, 0]));
}

/// RFC 1996 sections 3.7 and 3.11.
#[test]
fn notifications() {
    assert_eq!(ask(4 << 11, "example.org", 6, &[]), (0xa400, [0, 0, 0]));
    assert_eq!(ask(4 << 11, "x.example.org", 6, &[]), (0xa009, [0, 0, 0]));
    let mut message = [0; 512];
    let server = server();
    let len = server.zones()[0].notify(0x1234, &mut message).unwrap();
    assert_eq!(message[..12], [0x12, 0x34, 0x24, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    assert!(
        message[..len]
            .windows(4)
            .any(|word| word == 7_u32.to_be_bytes()),
        "the serial"
    );
}

/// RFC 5936 section 2.2 and RFC 1995 sections 2 and 4.
#[test]
fn transfers() {
    let server = server();
    let run = |message: &[u8], peer: &str| {
        let mut transfer = server
            .transfer(message, peer.parse().unwrap())
            .expect("a transfer");
        let mut reply = vec![0; 65_535];
        let mut replies = Vec::new();
        while let Some(len) = transfer.next(&mut reply) {
            replies.push(reply[..len].to_vec());
        }
        replies
    };
    let axfr = query(0, "example.org", 252, &[]);
    let replies = run(&axfr, "192.0.2.7");
    assert_eq!((replies.len(), replies[0][3], replies[0][7]), (1, 0, 13));
    assert_eq!(
        run(&axfr, "198.51.100.7"),
        [vec![0xab, 0xcd, 0x80, 5, 0, 1, 0, 0, 0, 0, 0, 0]
            .into_iter()
            .chain(axfr[12..].iter().copied())
            .collect::<Vec<u8>>()]
    );
    assert_eq!(
        run(&query(0, "x.example.org", 252, &[]), "::ffff:192.0.2.7")[0][3],
        9
    );
    // IXFR with the version that the server has, an older one, and one from the future.
    for (serial, records) in [(7, 1), (6, 13), (8, 1), (0xffff_fff0_u32, 13)] {
        let mut ixfr = query(0, "example.org", 251, &[]);
        ixfr[9] = 1;
        ixfr.extend_from_slice(&[0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0]);
        ixfr.extend_from_slice(&serial.to_be_bytes());
        ixfr.extend_from_slice(&[0; 16]);
        assert_eq!(run(&ixfr, "192.0.2.7")[0][7], records, "from {serial}");
    }
    assert!(
        server
            .transfer(
                &query(0, "example.org", 1, &[]),
                "192.0.2.7".parse().unwrap()
            )
            .is_none()
    );
}

/// The reply may be lent less room than the protocol allows.
#[test]
fn little_room() {
    let server = server();
    let message = query(0, "ns.example.org", 1, &opt(4096, 0, 0));
    for room in 0..100 {
        let mut reply = vec![0; room];
        let len = server.answer(&message, Transport::Udp, &mut reply);
        assert!(
            len.is_none_or(|len| len <= room && reply[2] & 2 != 0 || len == 59),
            "{room}: {len:?}"
        );
    }
}

#[test]
fn prefixes() {
    let prefix = |text: &str| text.parse::<crate::Prefix>();
    let has = |text: &str, address: &str| prefix(text).unwrap().contains(address.parse().unwrap());
    assert!(has("192.0.2.0/24", "192.0.2.255") && !has("192.0.2.0/24", "192.0.3.0"));
    assert!(has("192.0.2.1", "192.0.2.1") && !has("192.0.2.1", "192.0.2.2"));
    assert!(has("0.0.0.0/0", "203.0.113.1") && !has("0.0.0.0/0", "2001:db8::1"));
    assert!(has("2001:db8::/32", "2001:db8:1::1") && !has("::/0", "192.0.2.1"));
    assert!(has("192.0.2.0/24", "::ffff:192.0.2.1"));
    for wrong in ["", "192.0.2.0/33", "192.0.2.0/", "::/129", "example.org"] {
        assert!(prefix(wrong).is_err());
    }
}

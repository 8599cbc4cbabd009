// SPDX-License-Identifier: ISC
//! Messages, well formed and not.

use core::net::Ipv4Addr;
use std::{vec, vec::Vec};

use super::{Builder, Header, Kind, Message, code};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

fn built(options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut buffer = vec![0; 2000];
    let mut builder = Builder::new(&mut buffer, &Header::new(Kind::Ack, 0x1234_5678, MAC));
    for (code, value) in options {
        builder.option(*code, value);
    }
    let len = builder.finish().unwrap();
    buffer.truncate(len);
    buffer
}

#[test]
fn what_is_written_is_read() {
    let mut header = Header::new(Kind::Request, 0xdead_beef, MAC);
    header.seconds = 300;
    header.broadcast = true;
    header.client = Ipv4Addr::new(10, 0, 0, 2);
    header.yours = Ipv4Addr::new(10, 0, 0, 3);
    header.relay = Ipv4Addr::new(10, 0, 0, 4);
    let mut buffer = [0xaa; 600];
    let mut builder = Builder::new(&mut buffer, &header);
    builder.address(code::SERVER_ID, Ipv4Addr::new(10, 0, 0, 1));
    let len = builder.finish().unwrap();
    assert_eq!(len, 300, "what relays of old expect");
    let message = Message::parse(&buffer[..len]).unwrap();
    assert_eq!(*message.header(), header);
    assert_eq!(message.address(code::SERVER_ID), Some([10, 0, 0, 1].into()));
    assert_eq!(message.address(code::ROUTERS), None);
}

/// RFC 3396: long options are cut, and put together again, over all three places.
#[test]
fn long_options() {
    let long: Vec<u8> = (0..600_u32).map(|n| n as u8).collect();
    let bytes = built(&[(code::CLASSLESS_ROUTES, &long)]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.bytes(code::CLASSLESS_ROUTES).unwrap(), long);

    let mut bytes = built(&[(code::OVERLOAD, &[3]), (code::TEXT, b"options ")]);
    bytes[108..118].copy_from_slice(&[code::TEXT, 5, b'f', b'i', b'l', b'e', b' ', 255, 0, 0]);
    bytes[44..52].copy_from_slice(&[code::TEXT, 5, b's', b'n', b'a', b'm', b'e', 255]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.bytes(code::TEXT).unwrap(), b"options file sname");
    assert_eq!(message.byte(code::TEXT), None, "not of one byte");
}

#[test]
fn an_option_without_value() {
    let bytes = built(&[(code::RAPID_COMMIT, &[])]);
    let message = Message::parse(&bytes).unwrap();
    assert!(message.has(code::RAPID_COMMIT));
    assert_eq!(message.bytes(code::RAPID_COMMIT).unwrap(), b"");
}

#[test]
fn malformed_messages_are_refused() {
    let good = built(&[(code::SERVER_ID, &[10, 0, 0, 1])]);
    let is_refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Message::parse(&bytes).is_none()
    };
    assert!(!is_refused(&|_| ()));
    assert!(is_refused(&|bytes| bytes.truncate(239)));
    assert!(is_refused(&|bytes| bytes[0] = 1), "a reply of a client");
    assert!(is_refused(&|bytes| bytes[1] = 6), "not Ethernet");
    assert!(is_refused(&|bytes| bytes[2] = 16), "a longer address");
    assert!(is_refused(&|bytes| bytes[239] = 0), "no magic cookie");
    assert!(is_refused(&|bytes| bytes[242] = 9), "an unknown kind");
    assert!(is_refused(&|bytes| bytes[240] = 54), "BOOTP");
    assert!(is_refused(&|bytes| bytes.truncate(247)), "cut off");
    assert!(!is_refused(&|bytes| bytes.truncate(249)), "no end mark");
    let overloaded = built(&[(code::OVERLOAD, &[1])]);
    let mut bytes = overloaded.clone();
    bytes[108..236].fill(200);
    assert!(Message::parse(&bytes).is_none(), "an overload cut off");
}

#[test]
fn a_small_buffer_shows() {
    for len in 0..300 {
        let mut buffer = vec![0; len];
        let builder = Builder::new(&mut buffer, &Header::new(Kind::Offer, 1, MAC));
        assert_eq!(builder.finish(), None, "{len}");
    }
}

// SPDX-License-Identifier: ISC

use alloc::{vec, vec::Vec};

use super::*;

/// A frame with an IPv6 header before `rest`.
fn v6(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET];
    frame.extend([0x60, 0, 0, 0, 0, rest.len() as u8, first, 64]);
    frame.extend([0; 32]);
    frame.extend(rest);
    frame
}

fn problem(frame: &[u8]) -> (u8, usize, bool) {
    match ipv6(frame) {
        Err(Flaw::Parameter { code, at, always }) => (code, at - ETHERNET, always),
        Err(Flaw::Malformed) => panic!("malformed"),
        Ok(_) => panic!("fine"),
    }
}

/// RFC 8200, section 4.2: the high bits of an option say what to do if it is unknown.
#[test]
fn unknown_options() {
    let with = |kind| v6(60, &[17, 0, kind, 4, 0, 0, 0, 0]);
    assert!(ipv6(&with(0x1e)).is_ok());
    assert_eq!(ipv6(&with(0x5e)).err(), Some(Flaw::Malformed));
    assert_eq!(problem(&with(0x9e)), (2, 42, true));
    assert_eq!(problem(&with(0xde)), (2, 42, false));
    // Its length goes beyond the header; it ends before its length.
    let malformed = Some(Flaw::Malformed);
    assert_eq!(ipv6(&v6(60, &[17, 0, 1, 5, 0, 0, 0, 0])).err(), malformed);
    assert_eq!(ipv6(&v6(60, &[17, 0, 1, 3, 0, 0, 0, 1])).err(), malformed);
    assert!(ipv6(&v6(60, &[17, 0, 0, 0, 0, 0, 0, 0])).is_ok());
}

/// RFC 8200, sections 4.1, 4.3 and 4.4.
#[test]
fn chains() {
    let padding = [1, 4, 0, 0, 0, 0];
    let header = |next: u8| [&[next, 0][..], &padding].concat();
    let route = |left: u8| [17, 0, 253, left, 0, 0, 0, 0];
    assert_eq!(problem(&v6(43, &route(1))), (0, 43, false));
    let ended = v6(43, &route(0));
    let ended = ipv6(&ended).unwrap();
    assert_eq!((ended.protocol, ended.payload), (17, 62..62));
    // Hop-by-hop anywhere but first.
    assert_eq!(
        problem(&v6(60, &[header(0), header(17)].concat())),
        (1, 40, false)
    );
    // A chain without end.
    let endless: Vec<u8> = (0..12).flat_map(|_| header(60)).collect();
    assert_eq!(ipv6(&v6(60, &endless)).err(), Some(Flaw::Malformed));
    // Longer than the packet.
    assert_eq!(
        ipv6(&v6(60, &[17, 1, 1, 4, 0, 0, 0, 0])).err(),
        Some(Flaw::Malformed)
    );
    assert_eq!(ipv6(&v6(60, &[17])).err(), Some(Flaw::Malformed));
    let piece = v6(44, &[17, 0, 0, 9, 1, 2, 3, 4, 60]);
    let piece = ipv6(&piece).unwrap();
    let expected = Fragment {
        ident: 0x0102_0304,
        offset: 8,
        more: true,
    };
    assert_eq!((piece.fragment, piece.protocol), (Some(expected), 17));
}

/// RFC 791, section 3.1: lengths that contradict each other.
#[test]
fn ipv4_lengths() {
    let mut frame = vec![0; ETHERNET + IPV4 + 4];
    frame[14] = 0x45;
    let seal = |frame: &mut Vec<u8>| {
        frame[24..26].fill(0);
        let len = usize::from(frame[14] & 15) * 4;
        let sum = Sum::default().add(&frame[14..(14 + len).min(38)]).finish();
        frame[24..26].copy_from_slice(&sum);
    };
    for (first, total, right) in [
        (0x45, 20, true),
        (0x45, 24, true),
        (0x46, 24, true),
        (0x45, 25, false),
        (0x45, 19, false),
        (0x44, 20, false),
        (0x46, 20, false),
        (0x4f, 60, false),
        (0x65, 24, false),
    ] {
        (frame[14], frame[17]) = (first, total);
        seal(&mut frame);
        assert_eq!(ipv4(&frame).is_ok(), right, "{first:x} {total}");
    }
    for len in 0..ETHERNET + IPV4 {
        assert!(ipv4(&frame[..len]).is_err());
        assert!(ipv6(&frame[..len]).is_err());
    }
}

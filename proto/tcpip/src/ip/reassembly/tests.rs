// SPDX-License-Identifier: ISC

use alloc::{vec, vec::Vec};

use super::*;
use crate::packet;

const SOURCE: [u8; 4] = [10, 0, 0, 9];

/// A frame with `piece`, and its header.
fn frame(v6: bool, piece: &[u8]) -> (Vec<u8>, Header) {
    let headers = if v6 { ETHERNET + IPV6 } else { ETHERNET + IPV4 };
    let mut frame = vec![0; headers];
    frame[12..ETHERNET].copy_from_slice(if v6 { &[0x86, 0xdd] } else { &[8, 0] });
    frame.extend(piece);
    let (source, destination) = if v6 {
        ("fd00::9".parse().unwrap(), "fd00::2".parse().unwrap())
    } else {
        (Addr::from(SOURCE), Addr::from([10, 0, 0, 2]))
    };
    let header = Header {
        source,
        destination,
        protocol: 17,
        hop_limit: 64,
        traffic: 0,
        fragment: None,
        payload: headers..frame.len(),
        protocol_at: 0,
    };
    (frame, header)
}

fn add(
    all: &mut Reassembly,
    v6: bool,
    ident: u32,
    offset: u16,
    piece: &[u8],
    more: bool,
) -> Option<Vec<u8>> {
    let (frame, header) = frame(v6, piece);
    let fragment = Fragment {
        ident,
        offset,
        more,
    };
    all.add(&frame, &header, fragment, 0)
}

/// RFC 791, section 3.2: in whatever order they come, and twice.
#[test]
fn any_order_makes_the_whole() {
    for v6 in [false, true] {
        let whole: Vec<u8> = (0..44).collect();
        let pieces = [(0u16, 8u16), (8, 16), (16, 32), (32, 44)];
        for order in 0..24usize {
            let mut left: Vec<_> = pieces.to_vec();
            let mut all = Reassembly::default();
            let mut done = None;
            let mut state = order;
            while !left.is_empty() {
                let (start, end) = left.remove(state % left.len());
                state /= 2;
                for _ in 0..2 {
                    let piece = &whole[usize::from(start)..usize::from(end)];
                    assert!(done.is_none() || left.is_empty());
                    if done.is_none() {
                        done = add(&mut all, v6, 7, start, piece, end < 44);
                    }
                }
            }
            let frame = done.expect("all came");
            let header = if v6 {
                packet::ipv6(&frame)
            } else {
                packet::ipv4(&frame)
            };
            let header = header.expect("a packet");
            assert_eq!((header.protocol, header.fragment), (17, None));
            assert_eq!(frame[header.payload], whole[..]);
            assert!(all.0.is_empty());
        }
    }
}

/// RFC 5722, section 4: the whole packet is refused, and what comes later of it.
#[test]
fn overlaps_are_refused() {
    let overlaps: [(u16, &[u8], bool); 5] = [
        (8, &[1; 16], true),
        (16, &[1; 8], true),
        (0, &[1; 64], true),
        (24, &[1; 16], true),
        (8, &[1; 4], false),
    ];
    for (offset, piece, more) in overlaps {
        let mut all = Reassembly::default();
        assert!(add(&mut all, true, 1, 16, &[0; 16], true).is_none());
        assert!(add(&mut all, true, 1, offset, piece, more).is_none());
        assert!(add(&mut all, true, 1, 0, &[0; 16], true).is_none());
        assert!(add(&mut all, true, 1, 16, &[0; 16], true).is_none());
        assert!(
            add(&mut all, true, 1, 32, &[0; 3], false).is_none(),
            "{offset}"
        );
        assert!(all.0[0].refused && all.0[0].frame.is_empty());
    }
}

#[test]
fn two_ends_are_refused() {
    let mut all = Reassembly::default();
    assert!(add(&mut all, false, 1, 16, &[0; 4], false).is_none());
    assert!(add(&mut all, false, 1, 8, &[0; 4], false).is_none());
    assert!(all.0[0].refused);
    let mut all = Reassembly::default();
    assert!(add(&mut all, false, 1, 16, &[0; 4], false).is_none());
    assert!(add(&mut all, false, 1, 24, &[0; 8], true).is_none());
    assert!(all.0[0].refused);
}

/// RFC 8200, section 4.5: no piece but the last has a length that is no multiple of eight.
#[test]
fn impossible_pieces_are_dropped() {
    let mut all = Reassembly::default();
    assert!(add(&mut all, true, 1, 0, &[0; 7], true).is_none());
    assert!(add(&mut all, true, 1, 0, &[], true).is_none());
    assert!(add(&mut all, true, 1, 0xfff8, &[0; 8], false).is_none());
    assert!(add(&mut all, false, 1, 0xffe0, &[0; 16], false).is_none());
    assert!(all.0.is_empty());
}

#[test]
fn memory_is_bounded() {
    let mut all = Reassembly::default();
    for ident in 0..1000 {
        let offset = if ident % 2 == 0 { 0xff00 } else { 8 };
        assert!(add(&mut all, true, ident, offset, &[0; 8], true).is_none());
        assert!(all.0.len() <= MAX_PACKETS);
        let bytes: usize = all.0.iter().map(|own| own.frame.len()).sum();
        assert!(bytes <= MAX_BYTES);
    }
    // The latest is still there.
    assert!(all.0.iter().any(|own| own.ident == 999));
    let mut all = Reassembly::default();
    for piece in 0..100 {
        assert!(add(&mut all, true, 1, piece * 16, &[0; 8], true).is_none());
    }
    assert!(all.0[0].refused);
}

/// RFC 1122, section 3.3.2: what came first is quoted to the sender when time is over.
#[test]
fn time_ends() {
    let mut all = Reassembly::default();
    assert_eq!(all.deadline(), u64::MAX);
    assert!(add(&mut all, true, 1, 0, &[7; 16], true).is_none());
    assert!(add(&mut all, true, 2, 8, &[7; 16], true).is_none());
    assert_eq!(all.deadline(), TIMEOUT);
    assert_eq!(all.expired(TIMEOUT - 1), None);
    let frame = all.expired(TIMEOUT).unwrap();
    let header = packet::ipv6(&frame).unwrap();
    assert_eq!(frame[header.payload], [7; 16]);
    assert_eq!(all.expired(TIMEOUT), Some(Vec::new()));
    assert_eq!(all.expired(TIMEOUT), None);
}

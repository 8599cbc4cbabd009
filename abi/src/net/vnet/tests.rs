// SPDX-License-Identifier: ISC
//! Headers there and back, and headers that lie.

use super::*;

/// A TCP or UDP frame of `N` bytes: Ethernet, IPv4 without options, TCP with 12 bytes of options.
fn frame<const N: usize>() -> [u8; N] {
    let mut frame = [0; N];
    frame[12..15].copy_from_slice(&[8, 0, 0x45]);
    frame[46] = 8 << 4;
    frame
}

fn partial(start: u16, offset: u16) -> Checksum {
    Checksum::Partial { start, offset }
}

fn large(kind: SegmentKind, header_len: u16) -> Offload {
    Offload {
        checksum: partial(34, 16),
        segmentation: Some(Segmentation {
            kind,
            size: 1448,
            header_len,
        }),
    }
}

#[test]
fn what_is_sent_is_received() {
    let frame = frame::<4000>();
    let plain = Offload::default();
    assert_eq!(encode(&plain, &frame), [0; HEADER]);
    let checksum = Offload {
        checksum: partial(34, 6),
        segmentation: None,
    };
    for offload in [
        plain,
        checksum,
        large(SegmentKind::Tcp4, 66),
        large(SegmentKind::Tcp6, 66),
        large(SegmentKind::Udp, 42),
    ] {
        assert_eq!(decode(&encode(&offload, &frame), &frame), Some(offload));
    }
    let verified = [DATA_VALID, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        decode(&verified, &frame).unwrap().checksum,
        Checksum::Verified
    );
    // As the header stands in virtio 1.2, section 5.1.6.
    let header = encode(&large(SegmentKind::Tcp6, 66), &frame);
    assert_eq!(header, [1, 4, 66, 0, 0xa8, 5, 34, 0, 16, 0]);
}

#[test]
fn congestion_window_reduced_is_said_beside_the_kind() {
    let mut frame = frame::<4000>();
    frame[34 + TCP_FLAGS] = TCP_CWR;
    let offload = large(SegmentKind::Tcp4, 66);
    let header = encode(&offload, &frame);
    assert_eq!(header[1], GSO_TCP4 | GSO_ECN);
    assert_eq!(decode(&header, &frame), Some(offload));
    // A byte that is no TCP flags.
    assert_eq!(encode(&large(SegmentKind::Udp, 42), &frame)[1], GSO_UDP);
}

#[test]
fn headers_are_found_without_a_checksum_to_complete() {
    let kind = |kind| [0, kind, 0, 0, 100, 0, 0, 0, 0, 0];
    let length = |header: [u8; HEADER], frame: &[u8]| {
        decode(&header, frame)?.segmentation.map(|s| s.header_len)
    };
    let mut bytes = frame::<2000>();
    assert_eq!(length(kind(GSO_TCP4), &bytes), Some(66));
    assert_eq!(length(kind(GSO_UDP), &bytes), Some(42));
    bytes[14] = 0x44;
    assert_eq!(length(kind(GSO_TCP4), &bytes), None, "a short IPv4 header");
    bytes[12..14].copy_from_slice(&[0x86, 0xdd]);
    bytes[66] = 5 << 4;
    assert_eq!(length(kind(GSO_TCP6), &bytes), Some(74));
    bytes[66] = 4 << 4;
    assert_eq!(length(kind(GSO_TCP6), &bytes), None, "a short TCP header");
    bytes[12..18].copy_from_slice(&[0x81, 0, 0, 5, 0x86, 0xdd]);
    assert_eq!(length(kind(GSO_UDP), &bytes), Some(66));
    bytes[12..14].copy_from_slice(&[8, 6]);
    assert_eq!(length(kind(GSO_UDP), &bytes), None, "no IP");
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let frame = frame::<1000>();
    let header = encode(&large(SegmentKind::Tcp4, 66), &frame);
    let with = |at: usize, value: u8| {
        let mut header = header;
        header[at] = value;
        header
    };
    assert!(decode(&header, &frame).is_some());
    for (header, what) in [
        (with(1, 3), "UDP fragments"),
        (with(1, 9), "a kind that does not exist"),
        (with(6, 13), "a checksum of the Ethernet header"),
        (with(7, 4), "summing begins behind the end"),
        (with(9, 4), "the sum goes behind the end"),
    ] {
        assert_eq!(decode(&header, &frame), None, "{what}");
    }
    assert_eq!(decode(&header, &frame[..66]), None, "no payload");
    assert_eq!(decode(&header, &frame[..50]), None, "half a header");
    assert_eq!(decode(&header, &[]), None);
    let mut empty = header;
    empty[4..6].fill(0);
    assert_eq!(decode(&empty, &frame), None, "segments of nothing");
}

#[test]
fn what_is_accepted_lies_inside_the_frame_whatever_the_bytes() {
    // xorshift64*
    let mut state = 0x5eed_u64;
    let mut random = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let mut accepted = 0;
    for _ in 0..200_000 {
        let mut bytes = frame::<200>();
        let frame = &mut bytes[..random() as usize % 200];
        for _ in 0..random() % 4 {
            let at = random() as usize % 200;
            if let Some(byte) = frame.get_mut(at) {
                *byte = random() as u8;
            }
        }
        let mut header = [1, 1, 66, 0, 10, 0, 34, 0, 16, 0];
        for _ in 0..random() % 4 {
            header[random() as usize % HEADER] = random() as u8;
        }
        let Some(offload) = decode(&header, frame) else {
            continue;
        };
        accepted += 1;
        if let Checksum::Partial { start, offset } = offload.checksum {
            assert!(usize::from(start) + usize::from(offset) + 2 <= frame.len());
        }
        if let Some(segmentation) = offload.segmentation {
            assert!(usize::from(segmentation.header_len) < frame.len() && segmentation.size > 0);
        }
        encode(&offload, frame);
    }
    assert!(accepted > 10_000, "{accepted}");
}

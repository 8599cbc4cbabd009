// SPDX-License-Identifier: ISC
//! Headers of Ethernet, IPv4 and TCP without options (RFC 791, RFC 9293).

pub(crate) const HEADERS: usize = 14 + 20 + 20;
pub(crate) const SYN: u8 = 2;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;

/// What a received segment says.
pub(crate) struct Segment {
    pub(crate) sequence: u32,
    pub(crate) acknowledges: u32,
    /// SYN, FIN and RST; ACK and PSH left out.
    pub(crate) flags: u8,
    /// Where its payload begins and ends in the frame.
    pub(crate) payload: usize,
    pub(crate) end: usize,
}

impl Segment {
    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        let headers: &[u8; HEADERS] = frame.first_chunk()?;
        if headers[12..15] != [8, 0, 0x45] || headers[23] != 6 {
            return None;
        }
        let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|n| headers[at + n]));
        Some(Self {
            sequence: word(38),
            acknowledges: word(42),
            flags: headers[47] & 7,
            payload: 34 + usize::from(headers[46] >> 4) * 4,
            end: 14 + usize::from(u16::from_be_bytes([headers[16], headers[17]])),
        })
    }
}

/// The headers of what answers `frame`, addresses and ports the other way round.
pub(crate) fn answer(frame: &[u8]) -> [u8; HEADERS] {
    let mut headers = [0; HEADERS];
    for (at, from, len) in [
        (0, 6, 6),
        (6, 0, 6),
        (26, 30, 4),
        (30, 26, 4),
        (34, 36, 2),
        (36, 34, 2),
    ] {
        headers[at..at + len].copy_from_slice(&frame[from..from + len]);
    }
    headers[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    headers[22..24].copy_from_slice(&[64, 6]);
    headers
}

/// Fills in what differs from segment to segment; the checksum is the sum of the pseudo header.
pub(crate) fn fill(headers: &mut [u8], flags: u8, [sequence, next]: [u32; 2], payload: usize) {
    headers[16..18].copy_from_slice(&(40 + payload as u16).to_be_bytes());
    headers[24..26].fill(0);
    let header = !sum(&headers[14..34], 0);
    headers[24..26].copy_from_slice(&header.to_be_bytes());
    headers[38..42].copy_from_slice(&sequence.to_be_bytes());
    headers[42..46].copy_from_slice(&next.to_be_bytes());
    headers[46..50].copy_from_slice(&[5 << 4, flags, 0xff, 0xff]);
    let pseudo = sum(&headers[26..34], 6 + 20 + payload as u32);
    headers[50..52].copy_from_slice(&pseudo.to_be_bytes());
}

/// Completes the checksum of a frame that has its payload in it, or else behind it.
pub(crate) fn complete(frame: &mut [u8], payload: &[u8]) {
    let behind = if frame.len() == HEADERS { payload } else { &[] };
    let start = sum(behind, 0).into();
    let checksum = !sum(&frame[34..], start);
    frame[50..52].copy_from_slice(&checksum.to_be_bytes());
}

/// RFC 1071.
fn sum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

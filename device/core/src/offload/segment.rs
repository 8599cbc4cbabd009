// SPDX-License-Identifier: ISC
//! From one large frame to those that a link carries, and checksums that were left to do.
//!
//! Every segment has the headers of the whole, changed where they must differ: lengths, sequence
//! number, checksums; the identification of IPv4 counts up (RFC 6864 asks for no more); FIN and PSH
//! are the last segment's alone (RFC 9293, sections 3.4 and 3.9.1), CWR the first's (RFC 3168,
//! section 6.1.2). Read first: virtio 1.2, section 5.1.6.2; Linux
//! `Documentation/networking/segmentation-offloads.rst`.

use crate::net::{Checksum, Offload, SegmentKind, Segmentation};

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP_SEQUENCE: usize = 4;
const TCP_LENGTH: usize = 12;
const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
const TCP_FIN: u8 = 0x01;
const TCP_PSH: u8 = 0x08;
const TCP_CWR: u8 = 0x80;
const UDP_LENGTH: usize = 4;
const UDP_CHECKSUM: usize = 6;

/// A frame whose bytes lie in up to three places. The headers are all in the first.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a>(pub [&'a [u8]; 3]);

impl Parts<'_> {
    fn len(&self) -> usize {
        self.0.iter().map(|part| part.len()).sum()
    }

    /// Copies the bytes from `from` on, as many as `into` has or there are.
    fn copy(&self, mut from: usize, mut into: &mut [u8]) {
        for part in self.0 {
            let rest = part.get(from..).unwrap_or(&[]);
            from = from.saturating_sub(part.len());
            let count = rest.len().min(into.len());
            let (front, back) = into.split_at_mut(count);
            front.copy_from_slice(&rest[..count]);
            into = back;
        }
    }
}

/// What is still to be made of a frame: one that is the same, or its segments.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Bytes of the whole frame.
    total: usize,
    checksum: Checksum,
    cut: Option<Cut>,
    /// Where in the frame the payload of the next one begins.
    at: usize,
    /// How many there were.
    count: u16,
}

/// How to cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    kind: SegmentKind,
    size: usize,
    /// Where the headers of IP, of TCP or UDP, and the payload begin.
    network: usize,
    transport: usize,
    payload: usize,
}

impl Plan {
    /// A plan for `parts`, or `None` where `offload` does not fit them, or what it asks for would be
    /// longer than `longest`.
    pub fn new(parts: Parts<'_>, offload: Offload, longest: usize) -> Option<Self> {
        let total = parts.len();
        let cut = match offload.segmentation {
            Some(segmentation) => {
                let cut = Cut::new(parts.0[0], offload.checksum, segmentation)?;
                (cut.payload < total && cut.payload + cut.size <= longest).then_some(cut)?;
                // The length in the pseudo header has 16 bits.
                u16::try_from(total - cut.network).ok()?;
                Some(cut)
            }
            None => {
                let fits = match offload.checksum {
                    Checksum::Partial { start, offset } => {
                        usize::from(start) + usize::from(offset) + 2 <= total
                    }
                    _ => true,
                };
                (fits && total <= longest).then_some(None)?
            }
        };
        Some(Self {
            total,
            checksum: offload.checksum,
            cut,
            at: cut.map_or(0, |cut| cut.payload),
            count: 0,
        })
    }

    /// Bytes of the next frame; `None` when there is none left to make.
    pub fn next_len(&self) -> Option<usize> {
        let left = self.total.checked_sub(self.at).filter(|&left| left > 0)?;
        Some(match &self.cut {
            Some(cut) => cut.payload + left.min(cut.size),
            None => self.total,
        })
    }

    /// Writes the next frame into `into`, which has [`next_len`](Self::next_len) bytes. `parts` are
    /// those that the plan was made for, or the same bytes elsewhere.
    pub fn write_next(&mut self, parts: Parts<'_>, into: &mut [u8]) {
        match self.cut {
            Some(cut) => {
                let Some((headers, payload)) = into.split_at_mut_checked(cut.payload) else {
                    return;
                };
                parts.copy(0, headers);
                parts.copy(self.at, payload);
                let before = self.at - cut.payload;
                self.at += payload.len().max(1);
                let last = self.at >= self.total;
                cut.change_headers(into, self.total, before, self.count, last);
                self.count = self.count.wrapping_add(1);
            }
            None => {
                parts.copy(0, into);
                let _ = complete(into, self.checksum);
                self.at = self.total;
            }
        }
    }
}

impl Cut {
    fn new(headers: &[u8], checksum: Checksum, segmentation: Segmentation) -> Option<Self> {
        let Checksum::Partial { start, offset } = checksum else {
            return None;
        };
        let Segmentation {
            kind,
            size,
            header_len,
        } = segmentation;
        let transport = usize::from(start);
        let payload = usize::from(header_len);
        headers.get(..payload)?;
        let (length, field) = match kind {
            SegmentKind::Udp => (8, UDP_CHECKSUM),
            _ => {
                let words = headers.get(transport + TCP_LENGTH)? >> 4;
                (usize::from(words) * 4, TCP_CHECKSUM)
            }
        };
        let least = field + 2;
        let right =
            usize::from(offset) == field && length >= least && transport + length == payload;
        let (network, version) = network(headers)?;
        let ends = match version {
            4 => network + IPV4,
            _ => network + IPV6,
        };
        let agrees = match kind {
            SegmentKind::Tcp4 => version == 4,
            SegmentKind::Tcp6 => version == 6,
            SegmentKind::Udp => true,
        };
        (right && agrees && ends <= transport && size > 0).then_some(Self {
            kind,
            size: size.into(),
            network,
            transport,
            payload,
        })
    }

    /// Makes headers that were copied from the whole, of `total` bytes, those of segment number
    /// `count`, before whose payload lie `before` bytes of it. All positions were checked by `new`.
    fn change_headers(
        &self,
        frame: &mut [u8],
        total: usize,
        before: usize,
        count: u16,
        last: bool,
    ) {
        let len = frame.len();
        let (_, ip) = frame.split_at_mut(self.network);
        if ip[0] >> 4 == 4 {
            put(ip, 2, (len - self.network) as u16);
            put(ip, 4, get(ip, 4).wrapping_add(count));
            put(ip, 10, 0);
            let header = self.transport - self.network;
            let sum = !fold(sum(&ip[..header]));
            put(ip, 10, sum);
        } else {
            put(ip, 4, (len - self.network - IPV6) as u16);
        }
        let (_, segment) = frame.split_at_mut(self.transport);
        let field = match self.kind {
            SegmentKind::Udp => {
                put(segment, UDP_LENGTH, (len - self.transport) as u16);
                UDP_CHECKSUM
            }
            SegmentKind::Tcp4 | SegmentKind::Tcp6 => {
                let (high, low) = (get(segment, TCP_SEQUENCE), get(segment, TCP_SEQUENCE + 2));
                let sequence = (u32::from(high) << 16 | u32::from(low)).wrapping_add(before as u32);
                put(segment, TCP_SEQUENCE, (sequence >> 16) as u16);
                put(segment, TCP_SEQUENCE + 2, sequence as u16);
                if !last {
                    segment[TCP_FLAGS] &= !(TCP_FIN | TCP_PSH);
                }
                if count != 0 {
                    segment[TCP_FLAGS] &= !TCP_CWR;
                }
                TCP_CHECKSUM
            }
        };
        // The sum of the pseudo header, with another length in it.
        let of_whole = (total - self.transport) as u16;
        let pseudo =
            u64::from(get(segment, field)) + u64::from(!of_whole) + (len - self.transport) as u64;
        put(segment, field, fold(pseudo));
        store(segment, field);
    }
}

/// Where the header of IP begins, behind VLAN tags if there are any, and its version.
fn network(frame: &[u8]) -> Option<(usize, u8)> {
    let mut at = ETHERNET;
    loop {
        let version = match frame.get(at - 2..at)? {
            [0x81, 0] | [0x88, 0xa8] => {
                at += 4;
                continue;
            }
            [8, 0] => 4,
            [0x86, 0xdd] => 6,
            _ => return None,
        };
        return (frame.get(at)? >> 4 == version).then_some((at, version));
    }
}

/// Completes the checksum of a frame, if that was left to do. `None`: it is not inside the frame.
pub fn complete(frame: &mut [u8], checksum: Checksum) -> Option<()> {
    if let Checksum::Partial { start, offset } = checksum {
        let segment = frame.get_mut(start.into()..)?;
        segment.get(offset.into()..usize::from(offset) + 2)?;
        store(segment, offset.into());
    }
    Some(())
}

/// Stores the checksum of `segment` at `field`, where the sum of the pseudo header is. Zero is stored
/// as its other form, since in UDP it would mean that there is none (RFC 768), and elsewhere it is
/// all the same.
fn store(segment: &mut [u8], field: usize) {
    let sum = match !fold(sum(segment)) {
        0 => 0xffff,
        sum => sum,
    };
    put(segment, field, sum);
}

fn get(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// The sum of the 16-bit words of `bytes` (RFC 1071), not yet folded.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = words
        .iter()
        .map(|&word| u64::from(u32::from_be_bytes(word)))
        .sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum += u64::from(u32::from_be_bytes(last));
    sum
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

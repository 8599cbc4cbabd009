// SPDX-License-Identifier: ISC
//! The virtio-net header: what a frame means beyond its bytes, as ten bytes before it.
//!
//! It is read from whoever is on the other side of a tap or a ring, so nothing in it is believed
//! until it fits the frame. Read first: virtio 1.2, section 5.1.6; Linux
//! `include/uapi/linux/virtio_net.h`. It is the legacy form, without `num_buffers`, in which a Linux
//! tap carries it unless told otherwise; behind ten bytes and an Ethernet header an IP packet is
//! aligned to 8.

use super::{Checksum, ETHERNET_HEADER, Offload, SegmentKind, Segmentation};

/// Bytes of the header.
pub const HEADER: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_TCP4: u8 = 1;
const GSO_TCP6: u8 = 4;
const GSO_UDP: u8 = 5;
/// Beside one of TCP: the first segment has the flag CWR, the others shall not.
const GSO_ECN: u8 = 0x80;
const TCP_FLAGS: usize = 13;
const TCP_CWR: u8 = 0x80;

/// The header of a frame to send, of which `frame` has at least the protocol headers.
pub fn encode(offload: &Offload, frame: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let Checksum::Partial { start, offset } = offload.checksum else {
        return header;
    };
    header[0] = NEEDS_CHECKSUM;
    header[6..8].copy_from_slice(&start.to_le_bytes());
    header[8..10].copy_from_slice(&offset.to_le_bytes());
    if let Some(Segmentation {
        kind,
        size,
        header_len,
    }) = offload.segmentation
    {
        let flags = frame.get(usize::from(start) + TCP_FLAGS);
        let ecn = match flags {
            Some(flags) if flags & TCP_CWR != 0 => GSO_ECN,
            _ => 0,
        };
        header[1] = match kind {
            SegmentKind::Tcp4 => GSO_TCP4 | ecn,
            SegmentKind::Tcp6 => GSO_TCP6 | ecn,
            SegmentKind::Udp => GSO_UDP,
        };
        header[2..4].copy_from_slice(&header_len.to_le_bytes());
        header[4..6].copy_from_slice(&size.to_le_bytes());
    }
    header
}

/// What the header of a received frame says, or `None` if that does not fit the frame, or is
/// something nobody asked for. What it returns does: positions lie inside the frame, a segment has
/// payload, and its headers are as long as those in the frame say.
pub fn decode(header: &[u8; HEADER], frame: &[u8]) -> Option<Offload> {
    let [flags, kind, _, _, s0, s1, a0, a1, b0, b1] = *header;
    let checksum = if flags & NEEDS_CHECKSUM != 0 {
        let start = u16::from_le_bytes([a0, a1]);
        let offset = u16::from_le_bytes([b0, b1]);
        let end = usize::from(start) + usize::from(offset) + 2;
        if usize::from(start) < ETHERNET_HEADER || end > frame.len() {
            return None;
        }
        Checksum::Partial { start, offset }
    } else if flags & DATA_VALID != 0 {
        Checksum::Verified
    } else {
        Checksum::Unverified
    };
    let kind = match kind & !GSO_ECN {
        0 => {
            return Some(Offload {
                checksum,
                segmentation: None,
            });
        }
        GSO_TCP4 => SegmentKind::Tcp4,
        GSO_TCP6 => SegmentKind::Tcp6,
        GSO_UDP => SegmentKind::Udp,
        _ => return None,
    };
    let size = u16::from_le_bytes([s0, s1]);
    // The header has a length of headers too, but it is a hint of how a buffer may be laid out.
    let header_len = header_len(kind, checksum, frame)?;
    if size == 0 || usize::from(header_len) >= frame.len() {
        return None;
    }
    Some(Offload {
        checksum,
        segmentation: Some(Segmentation {
            kind,
            size,
            header_len,
        }),
    })
}

/// Bytes of all headers of a frame that carries TCP or UDP.
fn header_len(kind: SegmentKind, checksum: Checksum, frame: &[u8]) -> Option<u16> {
    let transport = match checksum {
        Checksum::Partial { start, .. } => start.into(),
        _ => transport(frame)?,
    };
    let len = match kind {
        SegmentKind::Udp => 8,
        SegmentKind::Tcp4 | SegmentKind::Tcp6 => {
            let len = usize::from(frame.get(transport + 12)? >> 4) * 4;
            (len >= 20).then_some(len)?
        }
    };
    u16::try_from(transport + len).ok()
}

/// Where the header behind that of IP begins, in a frame whose sender left no checksum to complete
/// by which to tell. Extension headers of IPv6 are not looked through.
fn transport(frame: &[u8]) -> Option<usize> {
    let mut at = 12;
    loop {
        match frame.get(at..at + 2)? {
            // VLAN tags.
            [0x81, 0] | [0x88, 0xa8] => at += 4,
            [8, 0] => {
                let len = usize::from(frame.get(at + 2)? & 15) * 4;
                return (len >= 20).then_some(at + 2 + len);
            }
            [0x86, 0xdd] => return Some(at + 2 + 40),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;

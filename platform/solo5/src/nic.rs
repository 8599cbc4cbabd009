// SPDX-License-Identifier: ISC
//! A network device, as far as it is the same whatever carries its frames: what it can do, which
//! frames it takes, and the virtio-net header that stands before each where the tender says so.
//!
//! Every buffer has room for that header before its frame, so that both cross in one piece.

use fata_abi::{
    Error, Frame, NetInfo,
    net::{Capabilities, LONGEST_FRAME, vnet},
};

use crate::pool::Pool;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// An attached network device.
#[derive(Clone, Copy, Debug)]
pub struct Nic {
    /// The host's descriptor, by which spt's calls name the device; hvt's do by its handle.
    pub fd: i32,
    /// Ethernet address.
    pub mac: [u8; 6],
    /// Largest IP packet that the link carries.
    pub mtu: u16,
    /// Whether a header stands before each frame.
    pub vnet: bool,
    /// What may be left to the device.
    pub offload: Capabilities,
    /// Large frames that may be kept.
    pub keep: u16,
}

impl Nic {
    /// A device of plain frames.
    pub(crate) const fn plain(fd: i32, mac: [u8; 6], mtu: u16) -> Self {
        Self {
            fd,
            mac,
            mtu,
            vnet: false,
            offload: Capabilities::NONE,
            keep: 0,
        }
    }

    /// The device as the waist describes it.
    pub fn info(self) -> NetInfo {
        NetInfo {
            mac: self.mac,
            mtu: self.mtu,
            max_frame: if self.offload.tcp4 {
                LONGEST_FRAME
            } else {
                self.longest_on_wire()
            },
            keep: self.keep,
            offload: self.offload,
        }
    }

    fn longest_on_wire(self) -> usize {
        self.mtu as usize + ETHERNET
    }

    /// Whether there is a buffer to receive into.
    pub fn can_receive(self, pool: &Pool) -> bool {
        pool.can_receive(self.offload.receive_large)
    }

    /// The frame out of what was received, which is nothing where its header does not fit it.
    pub fn unwrap(self, mut frame: Frame) -> Option<Frame> {
        if self.vnet {
            let header = *frame.first_chunk::<{ vnet::HEADER }>()?;
            frame.advance(vnet::HEADER);
            frame.offload = vnet::decode(&header, &frame)?;
            if frame.is_empty() {
                return None;
            }
        }
        Some(frame)
    }

    /// Does what [`Platform::net_reserve`](fata_abi::Platform::net_reserve) says.
    pub fn reserve(self, pool: &Pool, len: usize) -> Result<Frame, Error> {
        let large = len > self.longest_on_wire();
        if len > self.info().max_frame || large && !pool.has_large() {
            return Err(Error::Invalid);
        }
        let mut frame = pool.take(large).ok_or(Error::Again)?;
        frame.advance(vnet::HEADER);
        frame.set_len(len);
        Ok(frame)
    }

    /// Whether the device takes `frame` with this tail.
    #[inline(always)]
    pub fn takes(self, frame: &Frame, tail: [&[u8]; 2]) -> bool {
        let [first, second] = tail;
        let tailed = !first.is_empty() || !second.is_empty();
        let len = frame.len() + first.len() + second.len();
        let longest = match frame.offload.segmentation {
            Some(_) => LONGEST_FRAME,
            None => self.longest_on_wire(),
        };
        !frame.is_empty()
            && len <= longest
            && (!tailed || self.offload.gather)
            && self.offload.include(&frame.offload)
    }

    /// Puts `header`, which is that of `frame`, before it, unless the device has none. False where
    /// there is no room, as in a frame from elsewhere: it then has to be sent before it.
    #[inline(always)]
    pub fn wrap(self, frame: &mut Frame, header: &[u8; vnet::HEADER]) -> bool {
        if !self.vnet {
            return true;
        }
        if frame.retreat(vnet::HEADER)
            && let Some(room) = frame.first_chunk_mut()
        {
            *room = *header;
            return true;
        }
        false
    }
}

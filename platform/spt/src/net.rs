// SPDX-License-Identifier: ISC
//! Network devices: one system call a frame on a descriptor that the tender opened, a tap or a
//! socket that keeps message boundaries.
//!
//! Where the tender says so, a virtio-net header stands before each frame on the descriptor. It is
//! read and written in one piece with the frame, for which every buffer has room before the frame;
//! only for a frame from elsewhere it is written as a part of its own.

use fata_abi::{
    Error, Frame, NetInfo,
    net::{Capabilities, LONGEST_FRAME, vnet},
};

use crate::{
    pool::Pool,
    syscall::{self, EAGAIN, EINTR},
};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Frames that are discarded at a time.
const DISCARD: usize = 64;

/// An attached network device.
#[derive(Clone, Copy)]
pub(crate) struct Nic {
    pub(crate) fd: i32,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u16,
    /// Whether a header stands before each frame.
    pub(crate) vnet: bool,
    pub(crate) offload: Capabilities,
    /// Large frames that may be kept.
    pub(crate) keep: u16,
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

    pub(crate) fn info(self) -> NetInfo {
        NetInfo {
            mac: self.mac,
            mtu: self.mtu,
            max_frame: if self.vnet {
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
    pub(crate) fn can_receive(self, pool: &Pool) -> bool {
        pool.can_receive(self.offload.receive_large)
    }

    pub(crate) fn receive(self, pool: &Pool) -> Result<Frame, Error> {
        loop {
            let large = self.offload.receive_large;
            let mut frame = pool.take_to_receive(large).ok_or(Error::Again)?;
            match syscall::read(self.fd, &mut frame) {
                Ok(0) => return Err(Error::Unspecified),
                // It filled the buffer, so its end may be missing: not a frame of this link.
                Ok(len) if len >= frame.capacity() => {}
                Ok(len) => {
                    frame.set_len(len);
                    if let Some(frame) = self.unwrap(frame) {
                        return Ok(if large { pool.fit(frame) } else { frame });
                    }
                }
                Err(EINTR) => {}
                Err(EAGAIN) => return Err(Error::Again),
                Err(_) => return Err(Error::Unspecified),
            }
        }
    }

    /// The frame out of what was read, which is nothing where its header does not fit it.
    fn unwrap(self, mut frame: Frame) -> Option<Frame> {
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

    /// Reads and forgets some of what has come.
    pub(crate) fn discard(self) {
        // The rest of a frame goes with its first bytes. Whoever floods the device does not keep the
        // image here.
        for _ in 0..DISCARD {
            if !matches!(syscall::read(self.fd, &mut [0; 16]), Ok(1..)) {
                return;
            }
        }
    }

    pub(crate) fn reserve(self, pool: &Pool, len: usize) -> Result<Frame, Error> {
        let large = len > self.longest_on_wire();
        if len > self.info().max_frame || large && !pool.has_large() {
            return Err(Error::Invalid);
        }
        let mut frame = pool.take(large).ok_or(Error::Again)?;
        frame.advance(vnet::HEADER);
        frame.set_len(len);
        Ok(frame)
    }

    pub(crate) fn send(self, mut frame: Frame, tail: [&[u8]; 2]) -> Result<(), Error> {
        let [first, second] = tail;
        let tailed = !first.is_empty() || !second.is_empty();
        let len = frame.len() + first.len() + second.len();
        let longest = match frame.offload.segmentation {
            Some(_) => LONGEST_FRAME,
            None => self.longest_on_wire(),
        };
        let offers = self.offload;
        if frame.is_empty()
            || len > longest
            || tailed && !offers.gather
            || !offers.include(&frame.offload)
        {
            return Err(Error::Invalid);
        }
        let header = vnet::encode(&frame.offload, &frame);
        let mut apart: &[u8] = &[];
        if self.vnet {
            if frame.retreat(vnet::HEADER)
                && let Some(room) = frame.first_chunk_mut()
            {
                *room = header;
            } else {
                apart = &header;
            }
        }
        // A queue that is full, or a link that is down, loses the frame as a wire would.
        let _ = if tailed || !apart.is_empty() {
            syscall::writev(self.fd, [apart, &frame, first, second])
        } else {
            syscall::write(self.fd, &frame)
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: ISC
//! Network devices: one system call a frame on a descriptor that the tender opened, a tap or a
//! socket that keeps message boundaries.

use fata_abi::{
    Error, Frame, NetInfo,
    net::{Capabilities, Checksum},
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
}

impl Nic {
    pub(crate) fn info(self) -> NetInfo {
        NetInfo {
            mac: self.mac,
            mtu: self.mtu,
            max_frame: self.max_frame(),
            offload: Capabilities::default(),
        }
    }

    fn max_frame(self) -> usize {
        self.mtu as usize + ETHERNET
    }

    pub(crate) fn receive(self, pool: &Pool) -> Result<Frame, Error> {
        loop {
            let mut frame = pool.take_to_receive().ok_or(Error::Again)?;
            match syscall::read(self.fd, &mut frame) {
                Ok(0) => return Err(Error::Unspecified),
                // It filled the buffer, so its end may be missing: not a frame of this link.
                Ok(len) if len >= frame.capacity() => {}
                Ok(len) => {
                    frame.set_len(len);
                    return Ok(frame);
                }
                Err(EINTR) => {}
                Err(EAGAIN) => return Err(Error::Again),
                Err(_) => return Err(Error::Unspecified),
            }
        }
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
        if len > self.max_frame() {
            return Err(Error::Invalid);
        }
        let mut frame = pool.take().ok_or(Error::Again)?;
        frame.set_len(len);
        Ok(frame)
    }

    pub(crate) fn send(self, frame: &Frame) -> Result<(), Error> {
        let plain = !matches!(frame.offload.checksum, Checksum::Partial { .. })
            && frame.offload.segmentation.is_none();
        if frame.is_empty() || frame.len() > self.max_frame() || !plain {
            return Err(Error::Invalid);
        }
        // A queue that is full, or a link that is down, loses the frame as a wire would.
        let _ = syscall::write(self.fd, frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: ISC
//! Network devices: one system call a frame on a descriptor that the tender opened, a tap or a
//! socket that keeps message boundaries.
//!
//! Where the tender says so, a virtio-net header stands before each frame on the descriptor. It is
//! read and written in one piece with the frame, for which every buffer has room before the frame;
//! only for a frame from elsewhere it is written as a part of its own.

use fata_abi::{Error, Frame, net::vnet};
use fata_platform_solo5::{nic::Nic, pool::Pool};

use crate::syscall::{self, EAGAIN, EINTR};

/// Frames that are discarded at a time.
const DISCARD: usize = 64;

/// Does what [`Platform::net_receive`](fata_abi::Platform::net_receive) says.
pub(crate) fn receive(nic: Nic, pool: &Pool) -> Result<Frame, Error> {
    loop {
        let large = nic.offload.receive_large;
        let mut frame = pool.take_to_receive(large).ok_or(Error::Again)?;
        match syscall::read(nic.fd, &mut frame) {
            Ok(0) => return Err(Error::Unspecified),
            // It filled the buffer, so its end may be missing: not a frame of this link.
            Ok(len) if len >= frame.capacity() => {}
            Ok(len) => {
                frame.set_len(len);
                if let Some(frame) = nic.unwrap(frame) {
                    return Ok(if large { pool.fit(frame) } else { frame });
                }
            }
            Err(EINTR) => {}
            Err(EAGAIN) => return Err(Error::Again),
            Err(_) => return Err(Error::Unspecified),
        }
    }
}

/// Reads and forgets some of what has come.
pub(crate) fn discard(nic: Nic) {
    // The rest of a frame goes with its first bytes. Whoever floods the device does not keep the
    // image here.
    for _ in 0..DISCARD {
        if !matches!(syscall::read(nic.fd, &mut [0; 16]), Ok(1..)) {
            return;
        }
    }
}

/// Does what [`Platform::net_send`](fata_abi::Platform::net_send) says.
pub(crate) fn send(nic: Nic, mut frame: Frame, tail: [&[u8]; 2]) -> Result<(), Error> {
    if !nic.takes(&frame, tail) {
        return Err(Error::Invalid);
    }
    let [first, second] = tail;
    let header = vnet::encode(&frame.offload, &frame);
    let apart: &[u8] = if nic.wrap(&mut frame, &header) {
        &[]
    } else {
        &header
    };
    // A queue that is full, or a link that is down, loses the frame as a wire would.
    let _ = if apart.is_empty() && first.is_empty() && second.is_empty() {
        syscall::write(nic.fd, &frame)
    } else {
        syscall::writev(nic.fd, [apart, &frame, first, second])
    };
    Ok(())
}

#[cfg(test)]
mod tests;

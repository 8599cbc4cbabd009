// SPDX-License-Identifier: ISC
//! Network devices by hypercalls, one a frame, which works under every tender.

use fata_abi::{Error, Frame, Handle};
use fata_platform_solo5::{nic::Nic, pool::Pool};

use crate::hypercall;

/// Frames that are discarded at a time.
const DISCARD: usize = 64;

/// Does what [`Platform::net_receive`](fata_abi::Platform::net_receive) says.
pub(crate) fn receive(handle: Handle, nic: Nic, pool: &Pool) -> Result<Frame, Error> {
    loop {
        let large = nic.offload.receive_large;
        let mut frame = pool.take_to_receive(large).ok_or(Error::Again)?;
        let len = hypercall::net_read(handle.index(), &mut frame)?;
        // If it filled the buffer, its end may be missing: not a frame of this link.
        if len >= frame.capacity() {
            continue;
        }
        frame.set_len(len);
        if let Some(frame) = nic.unwrap(frame) {
            return Ok(if large { pool.fit(frame) } else { frame });
        }
    }
}

/// Reads and forgets some of what has come.
pub(crate) fn discard(handle: Handle) {
    // The rest of a frame goes with its first bytes. Whoever floods the device does not keep the
    // image here.
    for _ in 0..DISCARD {
        if hypercall::net_read(handle.index(), &mut [0; 16]).is_err() {
            return;
        }
    }
}

/// Does what [`Platform::net_send`](fata_abi::Platform::net_send) says.
pub(crate) fn send(handle: Handle, nic: Nic, frame: &Frame, tail: [&[u8]; 2]) -> Result<(), Error> {
    if !nic.takes(frame, tail) {
        return Err(Error::Invalid);
    }
    // A device that does not take it loses the frame as a wire would.
    let _ = hypercall::net_write(handle.index(), frame);
    Ok(())
}

// SPDX-License-Identifier: ISC
//! Network devices: one system call a frame on a tap, or on a socket that keeps message boundaries.

use std::{
    os::fd::OwnedFd,
    ptr::{self, NonNull},
    sync::atomic::{AtomicUsize, Ordering},
};

use fata_abi::{
    Error, Frame, NetInfo, Offload,
    frame::Release,
    net::{Capabilities, Checksum},
};
use rustix::io::Errno;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Bytes beyond the MTU that a buffer has: header, VLAN tag, and one that no frame reaches, by which
/// a frame that was cut short is told.
const OVERHEAD: usize = ETHERNET + 4 + 1;
/// Buffers lent at most, by all devices together. Memory would serve for more; the limit is there so
/// that a program which keeps its frames fails here as it would where they are few.
const BUFFERS: usize = 256;
/// Buffers that only sending may take: a program that keeps every frame that it receives can still
/// answer.
const RESERVED: usize = 64;

/// Buffers lent now.
static LENT: AtomicUsize = AtomicUsize::new(0);

/// An attached network device.
#[derive(Debug)]
pub(crate) struct Nic {
    pub(crate) descriptor: OwnedFd,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u16,
}

impl Nic {
    pub(crate) fn info(&self) -> NetInfo {
        NetInfo {
            mac: self.mac,
            mtu: self.mtu,
            max_frame: self.max_frame(),
            offload: Capabilities::default(),
        }
    }

    fn max_frame(&self) -> usize {
        usize::from(self.mtu) + ETHERNET
    }

    fn buffer_size(&self) -> usize {
        usize::from(self.mtu) + OVERHEAD
    }

    pub(crate) fn receive(&self) -> Result<Frame, Error> {
        loop {
            let mut frame = lend(self.buffer_size(), BUFFERS - RESERVED).ok_or(Error::Again)?;
            match rustix::io::read(&self.descriptor, &mut frame[..]) {
                // The other end of a socket is gone.
                Ok(0) => return Err(Error::Unspecified),
                // It filled the buffer, so its end may be missing: not a frame of this link.
                Ok(len) if len == frame.capacity() => {}
                Ok(len) => {
                    frame.set_len(len);
                    return Ok(frame);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(Error::Again),
                Err(_) => return Err(Error::Unspecified),
            }
        }
    }

    pub(crate) fn reserve(&self, len: usize) -> Result<Frame, Error> {
        if len > self.max_frame() {
            return Err(Error::Invalid);
        }
        let mut frame = lend(self.buffer_size(), BUFFERS).ok_or(Error::Again)?;
        frame.set_len(len);
        Ok(frame)
    }

    pub(crate) fn send(&self, frame: &Frame) -> Result<(), Error> {
        let plain = !matches!(frame.offload.checksum, Checksum::Partial { .. })
            && frame.offload.segmentation.is_none();
        if frame.is_empty() || frame.len() > self.max_frame() || !plain {
            return Err(Error::Invalid);
        }
        // A queue that is full, or a link that is down, loses the frame as a wire would.
        let _ = rustix::io::write(&self.descriptor, frame);
        Ok(())
    }
}

/// Whether a buffer to receive into would be lent.
pub(crate) fn can_receive() -> bool {
    LENT.load(Ordering::Relaxed) < BUFFERS - RESERVED
}

/// Lends a buffer of `size` bytes as a frame that fills it, unless `limit` of them are lent.
fn lend(size: usize, limit: usize) -> Option<Frame> {
    if LENT.load(Ordering::Relaxed) >= limit {
        return None;
    }
    LENT.fetch_add(1, Ordering::Relaxed);
    // Boxed twice, because the token that comes back is one word and a slice is two.
    let mut buffer: Box<Box<[u8]>> = Box::new(vec![0; size].into_boxed_slice());
    let data = NonNull::from(&mut buffer[..]).cast();
    let release = Release {
        call: give_back,
        token: Box::into_raw(buffer).expose_provenance(),
    };
    let size = size as u32;
    // SAFETY: 1. `data` leads to `size` initialised bytes of a box that nobody has until `give_back`
    // makes one of the token again; 2. `size <= size`.
    Some(unsafe { Frame::from_raw(data, size, size, Offload::default(), release) })
}

fn give_back(token: usize) {
    let buffer: *mut Box<[u8]> = ptr::with_exposed_provenance_mut(token);
    // SAFETY: the token was made of a box by `lend`, for one frame, which comes here once.
    drop(unsafe { Box::from_raw(buffer) });
    LENT.fetch_sub(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn wire() -> (Nic, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let nic = Nic {
            descriptor: ours.into(),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
        };
        (nic, theirs)
    }

    // One test, because the count of what is lent is that of the process.
    #[test]
    fn frames_pass_and_buffers_come_back() {
        let (nic, theirs) = wire();
        let mut frame = nic.reserve(60).unwrap();
        frame.fill(7);
        nic.send(&frame).unwrap();
        let mut buffer = [0; 2000];
        assert_eq!(theirs.recv(&mut buffer).unwrap(), 60);
        assert_eq!(buffer[..60], [7; 60]);
        assert_eq!(nic.receive().unwrap_err(), Error::Again);
        // Too long for the link, so dropped; the next is whole.
        theirs.send(&[1; 1600]).unwrap();
        theirs.send(&[2; 1514]).unwrap();
        assert_eq!(nic.receive().unwrap()[..], [2; 1514]);

        frame.set_len(0);
        assert_eq!(nic.send(&frame), Err(Error::Invalid));
        frame.set_len(1515);
        assert_eq!(nic.send(&frame), Err(Error::Invalid));
        assert_eq!(nic.reserve(1515).unwrap_err(), Error::Invalid);
        drop(frame);

        let kept: Vec<Frame> = std::iter::from_fn(|| nic.reserve(60).ok()).collect();
        assert_eq!(kept.len(), BUFFERS);
        drop(kept);
        assert_eq!(LENT.load(Ordering::Relaxed), 0);
        let mut kept = Vec::new();
        loop {
            theirs.send(&[3; 60]).unwrap();
            match nic.receive() {
                Ok(frame) => kept.push(frame),
                Err(error) => break assert_eq!(error, Error::Again),
            }
        }
        assert_eq!(kept.len(), BUFFERS - RESERVED);
        assert!(nic.reserve(60).is_ok());
    }
}

// SPDX-License-Identifier: ISC
//! Network devices: one system call a frame on a tap, or on a socket that keeps message boundaries.
//!
//! On a tap a virtio-net header stands before each frame (`fata_abi::net::vnet`). It is read in one
//! piece with the frame, and written as a part of its own.

use std::{
    cell::RefCell,
    io::IoSlice,
    os::fd::OwnedFd,
    ptr::{self, NonNull},
    sync::atomic::{AtomicUsize, Ordering},
};

use fata_abi::{
    Error, Frame, NetInfo, Offload,
    frame::Release,
    net::{Capabilities, LONGEST_FRAME, vnet},
    offer::LARGE_BUFFER,
};
use fata_tender::attach::Vnet;
use rustix::io::Errno;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Bytes beyond the MTU that a received frame has at most: what is before it, its header, a VLAN tag,
/// and one that no frame reaches, by which a frame that was cut short is told.
const OVERHEAD: usize = vnet::HEADER + ETHERNET + 4 + 1;
/// Buffers lent at most, by all devices together. Memory would serve for more; the limit is there so
/// that a program which keeps its frames fails here as it would where they are few.
const BUFFERS: usize = 256;
/// Buffers that only sending may take: a program that keeps every frame that it receives can still
/// answer.
const RESERVED: usize = 64;

/// Large frames that may be kept.
const KEEP: u16 = 16;

/// Buffers lent now.
static LENT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// What is read into, until its length is known.
    static LANDING: RefCell<Vec<u8>> = RefCell::new(vec![0; LARGE_BUFFER]);
}

/// An attached network device.
#[derive(Debug)]
pub(crate) struct Nic {
    pub(crate) descriptor: OwnedFd,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u16,
    pub(crate) vnet: Option<Vnet>,
}

impl Nic {
    pub(crate) fn info(&self) -> NetInfo {
        let any = self.vnet.is_some();
        NetInfo {
            mac: self.mac,
            mtu: self.mtu,
            max_frame: if any {
                LONGEST_FRAME
            } else {
                usize::from(self.mtu) + ETHERNET
            },
            keep: if self.vnet.is_some_and(|vnet| vnet.large) {
                KEEP
            } else {
                0
            },
            offload: Capabilities {
                checksum: any,
                tcp4: any,
                tcp6: any,
                udp: self.vnet.is_some_and(|vnet| vnet.udp),
                receive_large: self.vnet.is_some_and(|vnet| vnet.large),
                gather: true,
            },
        }
    }

    /// Bytes of the longest frame that can arrive, and more.
    fn longest_read(&self) -> usize {
        match self.vnet {
            Some(Vnet { large: true, .. }) => LARGE_BUFFER,
            _ => usize::from(self.mtu) + OVERHEAD,
        }
    }

    pub(crate) fn receive(&self) -> Result<Frame, Error> {
        if !can_receive() {
            return Err(Error::Again);
        }
        LANDING.with_borrow_mut(|landing| {
            landing.resize(landing.len().max(self.longest_read()), 0);
            let landing = &mut landing[..self.longest_read()];
            loop {
                match rustix::io::read(&self.descriptor, &mut *landing) {
                    // The other end of a socket is gone.
                    Ok(0) => return Err(Error::Unspecified),
                    // It filled the buffer, so its end may be missing: not a frame of this link.
                    Ok(len) if len == landing.len() => {}
                    Ok(len) => {
                        if let Some((bytes, offload)) = self.unwrap(&landing[..len]) {
                            let limit = BUFFERS - RESERVED;
                            let mut frame = self.lend(bytes.len(), limit).ok_or(Error::Again)?;
                            frame.set_len(bytes.len());
                            frame.copy_from_slice(bytes);
                            frame.offload = offload;
                            return Ok(frame);
                        }
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return Err(Error::Again),
                    Err(_) => return Err(Error::Unspecified),
                }
            }
        })
    }

    /// The frame in what was read, which is nothing where its header does not fit it.
    fn unwrap<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], Offload)> {
        if self.vnet.is_none() {
            return Some((bytes, Offload::default()));
        }
        let (header, frame) = bytes.split_first_chunk()?;
        let offload = vnet::decode(header, frame)?;
        (!frame.is_empty()).then_some((frame, offload))
    }

    /// Lends a buffer for a frame of `len` bytes or whatever the link carries, whichever is longer.
    fn lend(&self, len: usize, limit: usize) -> Option<Frame> {
        lend(len.max(usize::from(self.mtu) + OVERHEAD), limit)
    }

    pub(crate) fn reserve(&self, len: usize) -> Result<Frame, Error> {
        let info = self.info();
        if len > info.max_frame {
            return Err(Error::Invalid);
        }
        let mut frame = self.lend(len, BUFFERS).ok_or(Error::Again)?;
        frame.set_len(len);
        Ok(frame)
    }

    pub(crate) fn send(&self, frame: &Frame, tail: [&[u8]; 2]) -> Result<(), Error> {
        let info = self.info();
        let len = frame.len() + tail[0].len() + tail[1].len();
        let longest = match frame.offload.segmentation {
            Some(_) => info.max_frame,
            None => info.longest_on_wire(),
        };
        if frame.is_empty() || len > longest || !info.offload.include(&frame.offload) {
            return Err(Error::Invalid);
        }
        let header = vnet::encode(&frame.offload, frame);
        let header = match self.vnet {
            Some(_) => &header[..],
            None => &[],
        };
        let parts = [header, frame, tail[0], tail[1]].map(IoSlice::new);
        // A queue that is full, or a link that is down, loses the frame as a wire would.
        let _ = rustix::io::writev(&self.descriptor, &parts);
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
mod on_a_tap;

#[cfg(test)]
pub(crate) mod tests {
    use std::{os::unix::net::UnixDatagram, sync::Mutex};

    use super::*;

    fn wire() -> (Nic, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let nic = Nic {
            descriptor: ours.into(),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            vnet: None,
        };
        (nic, theirs)
    }

    /// Held by who lends buffers or counts them: the count is that of the process.
    pub(crate) static COUNT: Mutex<()> = Mutex::new(());

    #[test]
    fn frames_pass_and_buffers_come_back() {
        let _alone = COUNT.lock();
        let (nic, theirs) = wire();
        let mut frame = nic.reserve(60).unwrap();
        frame.fill(7);
        nic.send(&frame, [&[]; 2]).unwrap();
        let mut buffer = [0; 2000];
        assert_eq!(theirs.recv(&mut buffer).unwrap(), 60);
        assert_eq!(buffer[..60], [7; 60]);
        assert_eq!(nic.receive().unwrap_err(), Error::Again);
        // Too long for the link, so dropped; the next is whole.
        theirs.send(&[1; 1600]).unwrap();
        theirs.send(&[2; 1514]).unwrap();
        assert_eq!(nic.receive().unwrap()[..], [2; 1514]);

        frame.set_len(0);
        assert_eq!(nic.send(&frame, [&[]; 2]), Err(Error::Invalid));
        frame.set_len(1515);
        assert_eq!(nic.send(&frame, [&[]; 2]), Err(Error::Invalid));
        assert_eq!(nic.reserve(1515).unwrap_err(), Error::Invalid);
        frame.set_len(2);
        nic.send(&frame, [b"ab", b"c"]).unwrap();
        assert_eq!(theirs.recv(&mut buffer).unwrap(), 5);
        assert_eq!(buffer[..5], [7, 7, b'a', b'b', b'c']);
        let refused = nic.send(&frame, [&[0; 1513], b""]);
        assert_eq!(refused, Err(Error::Invalid));
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

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
mod tests {
    use std::{os::fd::AsRawFd, os::unix::net::UnixDatagram, vec};

    use fata_abi::net::{SegmentKind, Segmentation};

    use super::*;
    use crate::pool::tests::pool;

    /// A device, and the other end of its wire.
    fn wire() -> (Nic, UnixDatagram, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let nic = Nic {
            fd: ours.as_raw_fd(),
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
        };
        (nic, ours, theirs)
    }

    #[test]
    fn frames_pass_both_ways_and_keep_their_length() {
        let pool = pool(1500);
        let (nic, _ours, theirs) = wire();
        for len in [1, 60, 1514] {
            let mut frame = nic.reserve(pool, len).unwrap();
            assert_eq!(frame.len(), len);
            frame.fill(7);
            nic.send(&frame).unwrap();
            let mut buffer = [0; 2000];
            assert_eq!(theirs.recv(&mut buffer).unwrap(), len);
            assert!(buffer[..len].iter().all(|&byte| byte == 7));
            theirs.send(&vec![9; len]).unwrap();
            assert_eq!(nic.receive(pool).unwrap()[..], vec![9; len]);
        }
        assert_eq!(nic.receive(pool).unwrap_err(), Error::Again);
    }

    #[test]
    fn a_frame_that_may_be_cut_short_is_dropped() {
        let pool = pool(1500);
        let (nic, _ours, theirs) = wire();
        theirs.send(&[1; 3000]).unwrap();
        theirs.send(&[2; 60]).unwrap();
        assert_eq!(nic.receive(pool).unwrap()[..], [2; 60]);
    }

    #[test]
    fn misuse_is_refused_and_sends_nothing() {
        let pool = pool(1500);
        let (nic, _ours, theirs) = wire();
        assert_eq!(nic.reserve(pool, 1515).unwrap_err(), Error::Invalid);
        let mut frame = nic.reserve(pool, 0).unwrap();
        assert_eq!(nic.send(&frame), Err(Error::Invalid));
        frame.set_len(1515);
        assert_eq!(nic.send(&frame), Err(Error::Invalid));
        frame.set_len(60);
        frame.offload.checksum = Checksum::Partial {
            start: 34,
            offset: 6,
        };
        assert_eq!(nic.send(&frame), Err(Error::Invalid));
        frame.offload.checksum = Checksum::Verified;
        frame.offload.segmentation = Some(Segmentation {
            kind: SegmentKind::Udp,
            size: 1000,
            header_len: 42,
        });
        assert_eq!(nic.send(&frame), Err(Error::Invalid));
        assert!(theirs.recv(&mut [0; 2000]).is_err());
    }

    #[test]
    fn a_full_queue_loses_the_frame() {
        let pool = pool(1500);
        let (nic, _ours, _theirs) = wire();
        let frame = nic.reserve(pool, 1514).unwrap();
        for _ in 0..10_000 {
            nic.send(&frame).unwrap();
        }
    }
}

// SPDX-License-Identifier: ISC
//! Network devices over a socket pair that stands for the wire.

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

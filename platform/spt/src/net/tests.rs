// SPDX-License-Identifier: ISC
//! Network devices over a socket pair that stands for the wire.

use core::ptr::NonNull;
use std::{os::fd::AsRawFd, os::unix::net::UnixDatagram, vec};

use fata_abi::{
    frame::Release,
    net::{Capabilities, Checksum, Offload, SegmentKind, Segmentation},
};
use fata_platform_solo5::pool::Sizes;

use super::*;

#[path = "../../../solo5/src/pool/tests/fixture.rs"]
mod fixture;

use fixture::{pool, pool_of};

/// A device, and the other end of its wire.
fn wire() -> (Nic, UnixDatagram, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let nic = Nic {
        fd: ours.as_raw_fd(),
        mac: [2, 0, 0, 0, 0, 1],
        mtu: 1500,
        vnet: false,
        offload: Capabilities::default(),
        keep: 0,
    };
    (nic, ours, theirs)
}

/// A device with a header before each frame, that cuts and hands in large frames.
fn vnet_wire() -> (Nic, UnixDatagram, UnixDatagram) {
    let (mut nic, ours, theirs) = wire();
    nic.vnet = true;
    nic.offload = Capabilities {
        checksum: true,
        tcp4: true,
        receive_large: true,
        gather: true,
        ..Capabilities::default()
    };
    (nic, ours, theirs)
}

/// A frame with the same content, from elsewhere: nothing is before it.
fn again(frame: &Frame) -> Frame {
    let copy: &'static mut [u8] = frame.to_vec().leak();
    let release = Release {
        call: |_| (),
        token: 0,
    };
    let (data, len) = (NonNull::from(&mut *copy).cast(), copy.len() as u32);
    // SAFETY: the memory is leaked for this frame.
    unsafe { Frame::from_raw(data, len, len, frame.offload, release) }
}

/// Offload of a TCP segment without options that stands for several.
const LARGE: Offload = Offload {
    checksum: Checksum::Partial {
        start: 34,
        offset: 16,
    },
    segmentation: Some(Segmentation {
        kind: SegmentKind::Tcp4,
        size: 1460,
        header_len: 54,
    }),
};

#[test]
fn frames_pass_both_ways_and_keep_their_length() {
    let pool = pool(1500);
    let (nic, _ours, theirs) = wire();
    for len in [1, 60, 1514] {
        let mut frame = nic.reserve(pool, len).unwrap();
        assert_eq!(frame.len(), len);
        frame.fill(7);
        send(nic, again(&frame), [&[]; 2]).unwrap();
        let mut buffer = [0; 2000];
        assert_eq!(theirs.recv(&mut buffer).unwrap(), len);
        assert!(buffer[..len].iter().all(|&byte| byte == 7));
        theirs.send(&vec![9; len]).unwrap();
        assert_eq!(receive(nic, pool).unwrap()[..], vec![9; len]);
    }
    assert_eq!(receive(nic, pool).unwrap_err(), Error::Again);
}

#[test]
fn a_frame_that_may_be_cut_short_is_dropped() {
    let pool = pool(1500);
    let (nic, _ours, theirs) = wire();
    theirs.send(&[1; 3000]).unwrap();
    theirs.send(&[2; 60]).unwrap();
    assert_eq!(receive(nic, pool).unwrap()[..], [2; 60]);
}

#[test]
fn misuse_is_refused_and_sends_nothing() {
    let pool = pool(1500);
    let (nic, _ours, theirs) = wire();
    assert_eq!(nic.reserve(pool, 1515).unwrap_err(), Error::Invalid);
    let mut frame = nic.reserve(pool, 0).unwrap();
    assert_eq!(send(nic, again(&frame), [&[]; 2]), Err(Error::Invalid));
    frame.set_len(1515);
    assert_eq!(send(nic, again(&frame), [&[]; 2]), Err(Error::Invalid));
    frame.set_len(60);
    frame.offload.checksum = Checksum::Partial {
        start: 34,
        offset: 6,
    };
    assert_eq!(send(nic, again(&frame), [&[]; 2]), Err(Error::Invalid));
    frame.offload.checksum = Checksum::Verified;
    frame.offload.segmentation = Some(Segmentation {
        kind: SegmentKind::Udp,
        size: 1000,
        header_len: 42,
    });
    assert_eq!(send(nic, again(&frame), [&[]; 2]), Err(Error::Invalid));
    assert!(theirs.recv(&mut [0; 2000]).is_err());
}

#[test]
fn a_full_queue_loses_the_frame() {
    let pool = pool(1500);
    let (nic, _ours, _theirs) = wire();
    let frame = nic.reserve(pool, 1514).unwrap();
    for _ in 0..10_000 {
        send(nic, again(&frame), [&[]; 2]).unwrap();
    }
}

#[test]
fn a_tail_is_sent_behind_its_frame() {
    let pool = pool(1500);
    let (mut nic, _ours, theirs) = wire();
    let mut frame = nic.reserve(pool, 20).unwrap();
    frame.fill(1);
    let refused = send(nic, again(&frame), [b"abc", b""]);
    assert_eq!(refused, Err(Error::Invalid), "without gathering");
    nic.offload.gather = true;
    let expected = [&[1; 20][..], b"abc", b"de"].concat();
    send(nic, again(&frame), [b"abc", b"de"]).unwrap();
    let mut buffer = [0; 2000];
    let len = theirs.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..len], expected);
    // The length that counts is that of all together.
    assert_eq!(send(nic, again(&frame), [&[0; 1494], b""]), Ok(()));
    let refused = send(nic, again(&frame), [&[0; 1494], b"x"]);
    assert_eq!(refused, Err(Error::Invalid));
}

#[test]
fn what_a_frame_means_goes_before_it() {
    let pool = pool(1500);
    let (nic, _ours, theirs) = vnet_wire();
    let mut buffer = vec![0; 70_000];
    let mut frame = nic.reserve(pool, 54).unwrap();
    frame.fill(3);
    send(nic, again(&frame), [&[]; 2]).unwrap();
    assert_eq!(theirs.recv(&mut buffer).unwrap(), 64);
    assert_eq!(buffer[..64], [&[0; 10][..], &[3; 54]].concat());
    frame.offload = LARGE;
    send(nic, again(&frame), [&[4; 60_000], &[5; 100]]).unwrap();
    assert_eq!(theirs.recv(&mut buffer).unwrap(), 10 + 54 + 60_100);
    assert_eq!(buffer[..10], [1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0]);
    assert_eq!(buffer[63..65], [3, 4]);
    assert_eq!(buffer[60_063..60_066], [4, 5, 5]);
    let refused = send(nic, again(&frame), [&[0; 65_496], b""]);
    assert_eq!(refused, Err(Error::Invalid), "longer than IP knows");
    // The same from a buffer of the device, which has room before the frame.
    let mut own = nic.reserve(pool, 54).unwrap();
    own.fill(3);
    own.offload = LARGE;
    send(nic, own, [&[4; 60_000], b""]).unwrap();
    assert_eq!(theirs.recv(&mut buffer).unwrap(), 10 + 54 + 60_000);
    assert_eq!(buffer[..11], [1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 3]);
    let own = nic.reserve(pool, 20).unwrap();
    send(nic, own, [&[]; 2]).unwrap();
    assert_eq!(theirs.recv(&mut buffer).unwrap(), 30);
    assert_eq!(buffer[..10], [0; 10]);
    frame.offload.segmentation = None;
    let refused = send(nic, again(&frame), [&[0; 1461], b""]);
    assert_eq!(refused, Err(Error::Invalid), "nothing to cut");
}

#[test]
fn large_frames_arrive_whole_and_small_ones_in_small_buffers() {
    let pool = pool_of(Sizes {
        mtu: 1500,
        large: 4,
    });
    let (nic, _ours, theirs) = vnet_wire();
    let mut bytes = vec![0; 10 + 40_000];
    bytes[..10].copy_from_slice(&vnet::encode(&LARGE, &[]));
    bytes[10 + 46] = 5 << 4;
    theirs.send(&bytes).unwrap();
    let frame = receive(nic, pool).unwrap();
    assert_eq!((frame.len(), frame.offload), (40_000, LARGE));
    assert_eq!(frame[..], bytes[10..]);
    theirs.send(&bytes[..10 + 60]).unwrap();
    let frame = receive(nic, pool).unwrap();
    assert!(frame.len() == 60 && frame.capacity() < 2000);
    assert_eq!(frame.offload, LARGE);
    // What reserving a large one takes is there too.
    assert_eq!(nic.reserve(pool, 65_549).unwrap().len(), 65_549);
    assert_eq!(nic.reserve(pool, 65_550).unwrap_err(), Error::Invalid);
}

#[test]
fn large_frames_wait_for_a_large_buffer() {
    let pool = pool_of(Sizes {
        mtu: 1500,
        large: 4,
    });
    let (nic, _ours, theirs) = vnet_wire();
    for _ in 0..5 {
        theirs.send(&vec![0; 10 + 5000]).unwrap();
    }
    let kept: vec::Vec<_> = core::iter::from_fn(|| receive(nic, pool).ok()).collect();
    assert!(kept.len() == 4 && !nic.can_receive(pool));
    drop(kept);
    assert!(nic.can_receive(pool));
    assert_eq!(receive(nic, pool).unwrap().len(), 5000);
}

#[test]
fn headers_that_do_not_fit_their_frame_lose_it() {
    let pool = pool_of(Sizes {
        mtu: 1500,
        large: 4,
    });
    let (nic, _ours, theirs) = vnet_wire();
    theirs.send(&[0; 9]).unwrap();
    theirs.send(&[0; 10]).unwrap();
    let mut lies = vnet::encode(&LARGE, &[]).to_vec();
    lies.resize(50, 0);
    theirs.send(&lies).unwrap();
    theirs.send(&[[0; 10], [7; 10]].concat()).unwrap();
    assert_eq!(receive(nic, pool).unwrap()[..], [7; 10]);
    assert_eq!(receive(nic, pool).unwrap_err(), Error::Again);
}

#[test]
fn without_large_buffers_none_is_reserved() {
    let pool = pool(1500);
    let (nic, _ours, _theirs) = vnet_wire();
    assert_eq!(nic.reserve(pool, 1514).unwrap().len(), 1514);
    assert_eq!(nic.reserve(pool, 1515).unwrap_err(), Error::Invalid);
}

// SPDX-License-Identifier: ISC
//! Two network cards joined by a wire.

use alloc::{collections::VecDeque, rc::Rc, vec, vec::Vec};
use core::{
    cell::RefCell,
    mem,
    ops::{Deref, DerefMut},
    task::{Context, Poll, Waker},
};

use crate::net::{self, Capabilities, LONGEST_FRAME, Net, NetError, NetInfo, Offload};

/// Two cards; what one sends the other receives, unchanged and in order, offload included.
///
/// Each lends at most `buffers` frames at a time, and holds at most `buffers` that nobody has
/// received yet: further ones are lost, as on a real wire.
pub fn link(infos: [NetInfo; 2], buffers: usize) -> (Nic, Nic) {
    let [a, b] = infos;
    let stations = [Station::new(buffers), Station::new(buffers)];
    let nic = |info, own: &Rc<RefCell<Station>>, peer: &Rc<RefCell<Station>>| Nic {
        info,
        own: Rc::clone(own),
        peer: Rc::clone(peer),
    };
    (
        nic(a, &stations[0], &stations[1]),
        nic(b, &stations[1], &stations[0]),
    )
}

/// A card without offloads, MTU 1500, with the address 02:00:00:00:00:`last`.
pub fn plain_info(last: u8) -> NetInfo {
    NetInfo {
        mac: [2, 0, 0, 0, 0, last],
        mtu: 1500,
        max_frame: 1514,
        keep: 0,
        offload: Capabilities::default(),
    }
}

/// A card that is left checksums and segmentation, gathers, and receives large frames: large ones
/// cross a link whole. The address is that of [`plain_info`].
pub fn offload_info(last: u8) -> NetInfo {
    NetInfo {
        max_frame: LONGEST_FRAME,
        keep: 16,
        offload: Capabilities {
            checksum: true,
            tcp4: true,
            tcp6: true,
            udp: true,
            receive_large: true,
            gather: true,
        },
        ..plain_info(last)
    }
}

/// One end of a [`link`].
pub struct Nic {
    info: NetInfo,
    own: Rc<RefCell<Station>>,
    peer: Rc<RefCell<Station>>,
}

/// What belongs to one card.
struct Station {
    inbox: VecDeque<(Vec<u8>, Offload)>,
    /// `lent <= buffers`
    lent: usize,
    buffers: usize,
    receiver: Option<Waker>,
    reserver: Option<Waker>,
}

impl Station {
    fn new(buffers: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            inbox: VecDeque::new(),
            lent: 0,
            buffers,
            receiver: None,
            reserver: None,
        }))
    }
}

/// A frame of a memory [`Nic`].
pub struct Frame {
    bytes: Vec<u8>,
    /// `len <= bytes.len()`
    len: usize,
    offload: Offload,
    /// Whose buffer it is.
    home: Rc<RefCell<Station>>,
}

impl Net for Nic {
    type Frame = Frame;

    fn info(&self) -> NetInfo {
        self.info
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, NetError>> {
        let mut own = self.own.borrow_mut();
        if own.lent < own.buffers
            && let Some((bytes, offload)) = own.inbox.pop_front()
        {
            own.lent += 1;
            return Poll::Ready(Ok(Frame {
                len: bytes.len(),
                bytes,
                offload,
                home: Rc::clone(&self.own),
            }));
        }
        own.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_reserve(&mut self, cx: &mut Context<'_>, len: usize) -> Poll<Result<Frame, NetError>> {
        if len > self.info.max_frame {
            return Poll::Ready(Err(NetError::TooLong {
                len,
                max: self.info.max_frame,
            }));
        }
        let mut own = self.own.borrow_mut();
        if own.lent == own.buffers {
            own.reserver = Some(cx.waker().clone());
            return Poll::Pending;
        }
        own.lent += 1;
        Poll::Ready(Ok(Frame {
            bytes: vec![0; len],
            len,
            offload: Offload::default(),
            home: Rc::clone(&self.own),
        }))
    }

    fn send(&mut self, mut frame: Frame) -> Result<(), NetError> {
        net::check(&self.info, frame.len, frame.offload)?;
        self.deliver(&mut frame, [&[]; 2]);
        Ok(())
    }

    fn send_gather(&mut self, mut frame: Frame, tail: [&[u8]; 2]) -> Result<(), NetError> {
        net::check_gather(&self.info, frame.len, tail, frame.offload)?;
        self.deliver(&mut frame, tail);
        Ok(())
    }

    fn flush(&mut self) {}
}

impl Nic {
    fn deliver(&mut self, frame: &mut Frame, tail: [&[u8]; 2]) {
        let mut bytes = mem::take(&mut frame.bytes);
        bytes.truncate(frame.len);
        tail.iter().for_each(|part| bytes.extend_from_slice(part));
        let receiver = {
            let mut peer = self.peer.borrow_mut();
            if peer.inbox.len() < peer.buffers {
                peer.inbox.push_back((bytes, frame.offload));
            }
            peer.receiver.take()
        };
        receiver.into_iter().for_each(Waker::wake);
    }
}

impl net::Frame for Frame {
    fn offload(&self) -> Offload {
        self.offload
    }

    fn set_offload(&mut self, offload: Offload) {
        self.offload = offload;
    }

    fn set_len(&mut self, len: usize) {
        assert!(len <= self.bytes.len(), "frame longer than its buffer");
        self.len = len;
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl DerefMut for Frame {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // A waker may run code that comes back here, so it is called when nothing is borrowed.
        let wakers = {
            let mut home = self.home.borrow_mut();
            home.lent -= 1;
            [home.receiver.take(), home.reserver.take()]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

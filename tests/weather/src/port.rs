// SPDX-License-Identifier: ISC
//! A tap as a network device.
//!
//! Buffers are the process's own and come back to a pool, so that many thousand frames can wait on
//! a slow link. Facts: Linux `Documentation/networking/tuntap.rst`.

use std::{
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
    task::{Context, Poll},
};

use fata_device::{
    Net, NetError, NetInfo,
    net::{self, Capabilities, Offload},
};
use rustix::io::Errno;

/// Longest frame that a tap without offloads carries: the largest MTU and an Ethernet header.
const MAX_FRAME: usize = 65535 + 14;
/// Frames that are read before the other direction has its turn.
const TURN: u32 = 64;

/// A tap. Clones are the same tap: one is read, another is written.
#[derive(Clone)]
pub struct Port(Rc<Inner>);

struct Inner {
    tap: OwnedFd,
    pool: Pool,
    scratch: RefCell<Vec<u8>>,
    /// Whether reading may find something, and how often before others have their turn.
    readable: Cell<bool>,
    turns: Cell<u32>,
    received: Cell<u64>,
    refused: Cell<u64>,
}

/// Buffers that nobody uses.
type Pool = Rc<RefCell<Vec<Vec<u8>>>>;

/// A frame in memory of the process.
pub struct Frame {
    bytes: Vec<u8>,
    pool: Pool,
}

impl Port {
    /// Takes a tap that does not block and puts nothing before frames.
    pub fn new(tap: OwnedFd) -> Self {
        Self(Rc::new(Inner {
            tap,
            pool: Pool::default(),
            scratch: RefCell::new(vec![0; MAX_FRAME]),
            readable: Cell::new(true),
            turns: Cell::new(TURN),
            received: Cell::new(0),
            refused: Cell::new(0),
        }))
    }

    /// What to wait for until it is [`ready`](Self::ready).
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.tap.as_fd()
    }

    /// Begins a turn; `readable` if a frame may have come.
    pub fn ready(&self, readable: bool) {
        self.0.turns.set(TURN);
        self.0.readable.set(self.0.readable.get() || readable);
    }

    /// Whether there may be frames that its turn was too short for.
    pub fn has_more(&self) -> bool {
        self.0.readable.get()
    }

    /// Frames read.
    pub fn received(&self) -> u64 {
        self.0.received.get()
    }

    /// Frames that the host did not take, because the interface was down or out of memory.
    pub fn refused(&self) -> u64 {
        self.0.refused.get()
    }

    fn frame(&self, bytes: &[u8]) -> Frame {
        let mut buffer = self.0.pool.borrow_mut().pop().unwrap_or_default();
        buffer.extend_from_slice(bytes);
        Frame {
            bytes: buffer,
            pool: Rc::clone(&self.0.pool),
        }
    }

    fn read(&self) -> Result<Option<Frame>, NetError> {
        let mut scratch = self.0.scratch.borrow_mut();
        match rustix::io::read(&self.0.tap, &mut scratch[..]) {
            Ok(len) => {
                self.0.received.set(self.0.received.get() + 1);
                Ok(Some(self.frame(&scratch[..len])))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            // The interface was deleted.
            Err(_) => Err(NetError::Failed),
        }
    }
}

impl Net for Port {
    type Frame = Frame;

    fn info(&self) -> NetInfo {
        NetInfo {
            mac: [0; 6],
            mtu: u16::MAX,
            max_frame: MAX_FRAME,
            keep: 0,
            offload: Capabilities::default(),
        }
    }

    /// Registers no waker: whoever has this port waits for its descriptor.
    fn poll_receive(&mut self, _: &mut Context<'_>) -> Poll<Result<Frame, NetError>> {
        let turns = self.0.turns.get();
        if turns == 0 || !self.0.readable.get() {
            return Poll::Pending;
        }
        self.0.turns.set(turns - 1);
        match self.read() {
            Ok(Some(frame)) => Poll::Ready(Ok(frame)),
            Ok(None) => {
                self.0.readable.set(false);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_reserve(&mut self, _: &mut Context<'_>, len: usize) -> Poll<Result<Frame, NetError>> {
        let max = MAX_FRAME;
        if len > max {
            return Poll::Ready(Err(NetError::TooLong { len, max }));
        }
        let mut frame = self.frame(&[]);
        frame.bytes.resize(len, 0);
        Poll::Ready(Ok(frame))
    }

    fn send(&mut self, frame: Frame) -> Result<(), NetError> {
        net::check(&self.info(), frame.len(), Offload::default())?;
        match rustix::io::write(&self.0.tap, &frame) {
            Ok(_) => Ok(()),
            Err(Errno::BADFD) => Err(NetError::Failed),
            // Too short for an Ethernet header, the interface is down, or there is no memory: lost.
            Err(_) => {
                self.0.refused.set(self.0.refused.get() + 1);
                Ok(())
            }
        }
    }

    fn flush(&mut self) {}
}

impl net::Frame for Frame {
    fn offload(&self) -> Offload {
        Offload::default()
    }

    fn set_offload(&mut self, _: Offload) {}

    fn set_len(&mut self, len: usize) {
        assert!(len <= self.bytes.capacity(), "frame longer than its buffer");
        self.bytes.resize(len, 0);
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Frame {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.pool.borrow_mut().push(bytes);
    }
}

// SPDX-License-Identifier: ISC
//! What the engine asks of a device, without knowing its type: sending, and keeping received frames
//! while somebody still reads them.
//!
//! The device is generic, the engine is not: one copy of the protocols serves every device, and the
//! handles that programs hold stay free of type parameters. `port.rs` implements all three traits
//! over a [`fata_device::Net`].

use alloc::vec::Vec;
use core::ops::Range;

use fata_device::{
    NetInfo,
    net::{Checksum, Offload},
};

/// Where frames are sent.
pub(crate) trait Link {
    /// What the device is like.
    fn info(&self) -> &NetInfo;

    /// Sends one frame: `headers`, Ethernet header first, then both parts of `payload`, which are
    /// copied at most once. Says whether the device took it; if not, it has no buffer now, and the
    /// engine is polled again when it has.
    fn send(&mut self, headers: &[u8], payload: [&[u8]; 2], offload: Offload) -> bool;
}

/// A received frame, which is lent by the device or kept by a [`Shelf`].
pub(crate) trait Received {
    /// The whole frame, Ethernet header first. Empty once it was kept.
    fn bytes(&self) -> &[u8];

    /// What the frame means beyond its bytes.
    fn offload(&self) -> Offload;

    /// Moves the frame to the shelf where that is worth it: it is large, and the device has buffers
    /// enough. Otherwise the caller copies what it needs.
    fn keep(&mut self) -> Option<Slot>;
}

/// A packet put together from fragments, or sent by this stack to itself.
impl Received for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn offload(&self) -> Offload {
        Offload {
            checksum: Checksum::Verified,
            segmentation: None,
        }
    }

    fn keep(&mut self) -> Option<Slot> {
        None
    }
}

/// Received frames that connections have not passed on yet.
pub(crate) trait Shelf {
    /// The bytes of a kept frame.
    fn with(&self, slot: &Slot, read: &mut dyn FnMut(&[u8]));

    /// Gives a kept frame back to the device.
    fn release(&self, slot: Slot);
}

/// A place on a [`Shelf`]. Whoever holds it releases it once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u16);

/// A part of a received frame on its way to a connection.
pub(crate) struct Payload<'a> {
    frame: &'a mut dyn Received,
    range: Range<usize>,
}

impl<'a> Payload<'a> {
    /// The bytes `range` of `frame`; what lies beyond its end is left out.
    pub(crate) fn new(frame: &'a mut dyn Received, range: Range<usize>) -> Self {
        let end = range.end.min(frame.bytes().len());
        let start = range.start.min(end);
        let range = start..end;
        Self { frame, range }
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.frame.bytes().get(self.range.clone()).unwrap_or(&[])
    }

    /// Leaves out the first `count` bytes, or all.
    pub(crate) fn trim_front(&mut self, count: usize) {
        self.range.start += count.min(self.range.len());
    }

    /// Leaves out all but the first `count` bytes.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.range.end = self.range.start + count.min(self.range.len());
    }

    /// Keeps the frame instead of copying: its slot, and where in it the bytes are.
    pub(crate) fn keep(&mut self) -> Option<(Slot, Range<usize>)> {
        let slot = self.frame.keep()?;
        Some((slot, self.range.clone()))
    }
}

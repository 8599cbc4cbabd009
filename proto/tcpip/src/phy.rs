// SPDX-License-Identifier: ISC
//! A [`Net`] as the engine wants to see it: tokens for one frame each.
//!
//! The engine takes a send token before it knows whether it will send, and asserts that a token can
//! be used; so a reserved frame is kept at hand between calls. When the device has no buffer, a send
//! on the engine's own initiative waits; an answer to a received frame is lost, as on a busy link.

use alloc::vec;
use core::task::{Context, Poll};

use fata_device::{Frame, Net};
use smoltcp::{
    phy::{self, Checksum, ChecksumCapabilities, DeviceCapabilities, Medium},
    time::Instant,
};

use crate::packet::ETHERNET;

/// A device and its frame at hand.
pub(crate) struct Port<N: Net> {
    pub(crate) net: N,
    /// Reserved with the length of the longest frame.
    spare: Option<N::Frame>,
    /// Frame length that the MTU allows.
    pub(crate) longest: usize,
    /// Whether something was sent since the last flush.
    pub(crate) sent: bool,
    /// Whether sending had to wait for a buffer in this round.
    pub(crate) starved: bool,
}

impl<N: Net> Port<N> {
    pub(crate) fn new(net: N) -> Self {
        let longest = ETHERNET + usize::from(net.info().mtu);
        Self {
            net,
            spare: None,
            longest,
            sent: false,
            starved: false,
        }
    }

    /// A frame to write into, as long as the longest one. `None` when the device has none now: `cx`
    /// is woken when it has.
    pub(crate) fn take(&mut self, cx: &mut Context<'_>) -> Option<N::Frame> {
        if let Some(spare) = self.spare.take() {
            return Some(spare);
        }
        match self.net.poll_reserve(cx, self.longest) {
            Poll::Ready(frame) => frame.ok(),
            Poll::Pending => {
                self.starved = true;
                None
            }
        }
    }

    /// Gives back a frame that was taken and not used.
    pub(crate) fn put_back(&mut self, frame: N::Frame) {
        self.spare = Some(frame);
    }

    /// Sends the first `len` bytes of a frame that was taken. A device that refuses it loses it.
    pub(crate) fn send(&mut self, mut frame: N::Frame, len: usize) {
        frame.set_len(len);
        self.sent |= self.net.send(frame).is_ok();
    }

    /// Sends what was queued since the last call.
    pub(crate) fn flush(&mut self) {
        if self.sent {
            self.sent = false;
            self.net.flush();
        }
    }
}

/// A [`Port`] for one call into the engine, with the frame that it shall receive.
pub(crate) struct Phy<'a, 'b, N: Net> {
    pub(crate) port: &'a mut Port<N>,
    pub(crate) cx: &'a mut Context<'b>,
    pub(crate) received: Option<&'a [u8]>,
}

impl<N: Net> phy::Device for Phy<'_, '_, N> {
    type RxToken<'t>
        = Received<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Send<'t, N>
    where
        Self: 't;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Send<'_, N>)> {
        let frame = self.received.take()?;
        let reserved = self.port.take(self.cx);
        let port = &mut *self.port;
        Some((Received(frame), Send { port, reserved }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Send<'_, N>> {
        let reserved = Some(self.port.take(self.cx)?);
        let port = &mut *self.port;
        Some(Send { port, reserved })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut checksum = ChecksumCapabilities::default();
        // Of received TCP segments the driver looks at the checksum, because a frame may say that
        // its device has done so.
        checksum.tcp = Checksum::Tx;
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.port.longest;
        capabilities.checksum = checksum;
        capabilities
    }
}

/// The frame to receive.
pub(crate) struct Received<'t>(&'t [u8]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Leave to send one frame.
pub(crate) struct Send<'t, N: Net> {
    port: &'t mut Port<N>,
    reserved: Option<N::Frame>,
}

impl<N: Net> phy::TxToken for Send<'_, N> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, f: F) -> R {
        match self.reserved.take() {
            Some(mut frame) if len <= self.port.longest => {
                let result = f(&mut frame[..len]);
                self.port.send(frame, len);
                result
            }
            unusable => {
                self.reserved = unusable;
                f(&mut vec![0; len])
            }
        }
    }
}

impl<N: Net> Drop for Send<'_, N> {
    fn drop(&mut self) {
        if let Some(frame) = self.reserved.take() {
            self.port.put_back(frame);
        }
    }
}

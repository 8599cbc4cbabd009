// SPDX-License-Identifier: ISC
//! The network card as smoltcp wants to see it: tokens for one frame each.

use core::task::{Context, Poll};

use fata::prelude::*;
use smoltcp::{
    phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken},
    time::Instant,
};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

type Frame = <Nic as Net>::Frame;

/// The card for one call into smoltcp.
pub(crate) struct Phy<'a, 'b> {
    pub(crate) nic: &'a mut Nic,
    pub(crate) cx: &'a mut Context<'b>,
}

impl Phy<'_, '_> {
    /// A buffer to send from; without one the task is woken when there is.
    fn reserve(&mut self) -> Option<Frame> {
        let longest = ETHERNET + usize::from(self.nic.info().mtu);
        match self.nic.poll_reserve(self.cx, longest) {
            Poll::Ready(frame) => frame.ok(),
            Poll::Pending => None,
        }
    }
}

impl Device for Phy<'_, '_> {
    type RxToken<'t>
        = Received
    where
        Self: 't;
    type TxToken<'t>
        = Send<'t>
    where
        Self: 't;

    fn receive(&mut self, _: Instant) -> Option<(Received, Send<'_>)> {
        let frame = self.reserve()?;
        match self.nic.poll_receive(self.cx) {
            Poll::Ready(Ok(received)) => Some((
                Received(received),
                Send {
                    nic: self.nic,
                    frame,
                },
            )),
            _ => None,
        }
    }

    fn transmit(&mut self, _: Instant) -> Option<Send<'_>> {
        let frame = self.reserve()?;
        Some(Send {
            nic: self.nic,
            frame,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = ETHERNET + usize::from(self.nic.info().mtu);
        if self.nic.info().offload.checksum {
            // Peers on this host leave theirs to such a device too, and it passes them on as they
            // are. Smoltcp is measured without.
            capabilities.checksum.tcp = Checksum::Tx;
        }
        capabilities
    }
}

/// A frame that was received.
pub(crate) struct Received(Frame);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Leave to send one frame.
pub(crate) struct Send<'a> {
    nic: &'a mut Nic,
    frame: Frame,
}

impl TxToken for Send<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, f: F) -> R {
        // Smoltcp asks for no more than the MTU that it was told.
        self.frame.set_len(len);
        let result = f(&mut self.frame);
        // A device that refuses a frame loses it.
        let _ = self.nic.send(self.frame);
        result
    }
}

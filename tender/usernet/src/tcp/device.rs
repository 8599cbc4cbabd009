// SPDX-License-Identifier: ISC
//! The guest's wire as smoltcp sees it: IP packets, one in hand at most.

use smoltcp::{
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    time::Instant,
};

use crate::{MTU, guest::Guest};

/// The wire for one call of smoltcp.
pub(super) struct Wire<'a> {
    guest: Option<&'a mut Guest>,
    packet: Option<&'a [u8]>,
}

impl<'a> Wire<'a> {
    /// The wire with a received packet on it, if any.
    pub(super) fn new(guest: &'a mut Guest, packet: Option<&'a [u8]>) -> Self {
        Self {
            guest: Some(guest),
            packet,
        }
    }

    /// A wire on which nothing can be sent.
    pub(super) fn closed() -> Self {
        Self {
            guest: None,
            packet: None,
        }
    }
}

impl Device for Wire<'_> {
    type RxToken<'b>
        = Received<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Sender<'b>
    where
        Self: 'b;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Sender<'_>)> {
        let guest = self.guest.as_deref_mut()?;
        Some((Received(self.packet.take()?), Sender(guest)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sender<'_>> {
        let guest = self.guest.as_deref_mut()?;
        // smoltcp keeps what it has until the guest takes frames again.
        (!guest.is_behind()).then_some(Sender(guest))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

pub(super) struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub(super) struct Sender<'a>(&'a mut Guest);

impl TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        self.0.send_packet(length, f)
    }
}

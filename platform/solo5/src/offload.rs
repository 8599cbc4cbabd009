// SPDX-License-Identifier: ISC
//! What the tender offers for network devices beyond plain frames.

use fata_abi::{
    net::Capabilities,
    offer::{OFFER_GATHER, OFFER_VNET, Offer, large_buffers},
};

use crate::nic::Nic;

/// The offer, as far as it is about network devices. A device learns of its part when it is opened:
/// an image without one is not to contain what works it out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offload {
    gather: bool,
    /// Devices with a header before each frame, and of those the ones that cut datagrams and the ones
    /// that may hand in large frames.
    vnet: u64,
    udp: u64,
    large: u64,
    /// Large buffers, if any device has use for them.
    pub(crate) buffers: usize,
}

impl Offload {
    pub(crate) const NONE: Self = Self {
        gather: false,
        vnet: 0,
        udp: 0,
        large: 0,
        buffers: 0,
    };

    /// What is offered to a platform that needs the features `vnet_needs` to send and receive
    /// headers, and whose guest memory ends at `memory`.
    pub(crate) fn new(offer: &Offer, vnet_needs: u32, memory: u64) -> Self {
        let needs = OFFER_VNET | vnet_needs;
        let vnet = if offer.features & needs == needs {
            offer.vnet
        } else {
            0
        };
        let large = vnet & offer.vnet_large;
        Self {
            gather: offer.features & OFFER_GATHER != 0,
            vnet,
            udp: vnet & offer.vnet_udp,
            large,
            buffers: if large == 0 { 0 } else { large_buffers(memory) },
        }
    }

    /// Tells the device at `index` of its part.
    pub(crate) fn apply(&self, nic: &mut Nic, index: usize) {
        let has = |set: u64| set >> index & 1 != 0;
        nic.vnet = has(self.vnet);
        // What is longer than the link carries is put together by the device or in a large buffer.
        let long = self.gather || self.buffers != 0;
        nic.offload = Capabilities {
            checksum: nic.vnet,
            tcp4: nic.vnet && long,
            tcp6: nic.vnet && long,
            udp: has(self.udp) && long,
            receive_large: has(self.large),
            gather: self.gather,
        };
        // Half of the buffers, shared fairly, are always there to receive into.
        if nic.offload.receive_large {
            let shares = 2 * self.large.count_ones() as usize;
            nic.keep = self.buffers.checked_div(shares).unwrap_or(0) as u16;
        }
    }
}

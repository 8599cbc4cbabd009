// SPDX-License-Identifier: ISC
//! What our tenders and our images agree on beyond Solo5's ABIs, and neither assumes of the other.
//!
//! An [`Offer`] is the same for every target of Solo5's; each feature says where it means something
//! else.

/// What a Fata tender offers a Fata image beyond Solo5's ABI.
///
/// The image holds a zeroed `Offer` in writable memory and names its address in a note
/// ([`TYPE_OFFER`](crate::note::TYPE_OFFER)). A tender that knows the note fills it in before the
/// image starts; under any other it stays zero, which means: nothing offered.
///
/// It may grow at its end. The remark of the note says in its lower half how long the image's is,
/// where zero means [`FIRST_SIZE`](Self::FIRST_SIZE); a tender fills in as much of what it knows as
/// fits, and offers nothing that the image has no place to hear of. The upper half says what the
/// image wants before it can be offered: [`WANT_LARGE`], [`WANT_LARGE_UDP`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Which of the features below the tender offers.
    pub features: u32,
    /// With [`OFFER_TRANSFER`]: most bytes of one `pread64` or `pwrite64`. A request longer than a
    /// block must start at least this far from the end of the device.
    pub max_transfer: u32,
    /// With [`OFFER_SEED`]: random bytes for this run alone.
    pub seed: [u8; 64],
    /// Network devices, bit `n` standing for manifest entry `n`, on which a
    /// [virtio-net header](crate::net::vnet) of [`vnet::HEADER`](crate::net::vnet::HEADER) bytes
    /// comes before each frame, both ways. They complete checksums and cut TCP.
    pub vnet: u64,
    /// Those of [`vnet`](Self::vnet) that cut UDP too.
    pub vnet_udp: u64,
    /// Those of [`vnet`](Self::vnet) that may hand in frames larger than the MTU: only if
    /// [`large_buffers`] says that the guest's memory has room for them.
    pub vnet_large: u64,
}

impl Offer {
    /// Bytes of an offer as it was at first: as far as the seed.
    pub const FIRST_SIZE: usize = 72;

    /// Nothing offered: what an image holds before a tender fills it in.
    pub const NOTHING: Self = Self {
        features: 0,
        max_transfer: 0,
        seed: [0; 64],
        vnet: 0,
        vnet_udp: 0,
        vnet_large: 0,
    };

    /// The remark of a note that leads to an offer of this size, for an image that wants this.
    pub const fn remark(wants: u16) -> u32 {
        size_of::<Self>() as u32 | (wants as u32) << 16
    }
}

/// The image takes TCP segments that the host has put together to frames larger than the MTU.
pub const WANT_LARGE: u16 = 1 << 0;
/// The image takes datagrams that the host has put together to frames larger than the MTU: it cuts
/// them apart again, since where one ends means something.
pub const WANT_LARGE_UDP: u16 = 1 << 1;

/// How many buffers for frames larger than the MTU guest memory of `memory` bytes has room for: an
/// eighth of it, or none if that is too few to be of use. Tender and image both ask here.
pub const fn large_buffers(memory: u64) -> usize {
    const LEAST: u64 = 4;
    const MOST: u64 = 48;
    let fit = memory / 8 / LARGE_BUFFER as u64;
    if fit < LEAST {
        0
    } else if fit < MOST {
        fit as usize
    } else {
        MOST as usize
    }
}

/// Bytes of a buffer that holds the longest frame: with a virtio-net header before it, a VLAN tag in
/// it, and one byte that no frame reaches, by which a frame that was cut short is told.
pub const LARGE_BUFFER: usize =
    (crate::net::vnet::HEADER + crate::net::LONGEST_FRAME + 4 + 1).next_multiple_of(64);

/// [`Offer::seed`] is filled in.
pub const OFFER_SEED: u32 = 1 << 0;
/// `mprotect` of guest memory to `PROT_NONE` is allowed.
pub const OFFER_GUARD: u32 = 1 << 1;
/// Block requests may be longer than a block.
pub const OFFER_TRANSFER: u32 = 1 << 2;
/// `fdatasync` of block devices is allowed.
pub const OFFER_FLUSH: u32 = 1 << 3;
/// Network devices are edge-triggered in the epoll set: the image is told of a frame when it arrives
/// and of an end once, and reads until the device has nothing more before it waits. A device that
/// nobody reads, or that is gone, then costs nothing. Without it, as Solo5 has it, a device is ready
/// as long as something is to be read, and an image that does not read cannot sleep.
pub const OFFER_EDGE: u32 = 1 << 4;
/// `writev` of at most [`GATHER_PARTS`] parts to network devices is allowed.
pub const OFFER_GATHER: u32 = 1 << 5;
/// [`Offer::vnet`] and what follows it are filled in.
pub const OFFER_VNET: u32 = 1 << 6;
/// On hvt: the network ring and the ring of block devices work as
/// [`ring`](crate::hvt::ring) says. Offered only with [`FEATURE_RING`](crate::hvt::FEATURE_RING), and to
/// an image that has a device.
pub const OFFER_RINGS: u32 = 1 << 7;
/// With [`OFFER_GATHER`]: a header, a frame, and two places that its payload comes from.
pub const GATHER_PARTS: usize = 4;

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Offer>() == 96);
    assert!(offset_of!(Offer, vnet) == Offer::FIRST_SIZE);
    assert!(offset_of!(Offer, vnet_udp) == 80);
    assert!(offset_of!(Offer, vnet_large) == 88);
    assert!(offset_of!(Offer, max_transfer) == 4);
    assert!(offset_of!(Offer, seed) == 8);
};

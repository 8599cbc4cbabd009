// SPDX-License-Identifier: ISC
//! A block device, as far as it is the same whatever carries its blocks, and the transfers that a
//! tender allows.
//!
//! Solo5's ABI allows one block a call. A tender that offers longer transfers can still check, with
//! a filter that compares but does not add, that none goes beyond the device: a long one must start
//! at least the longest length before its end. The last blocks therefore go one by one
//! ([`Disk::step`]).

use fata_abi::{
    BlockInfo,
    offer::{OFFER_FLUSH, OFFER_TRANSFER, Offer},
};

use crate::completions::QUEUE_DEPTH;

/// An attached block device.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// The host's descriptor, by which spt's calls name the device; hvt's do by its handle.
    pub fd: i32,
    /// Bytes on the device.
    pub capacity: u64,
    /// Bytes in a block.
    pub block_size: u32,
    /// Most bytes of one call; a multiple of the block size.
    pub max_transfer: usize,
    /// Whether what was written can be made durable.
    pub flush: bool,
}

impl Disk {
    pub(crate) fn new(fd: i32, capacity: u64, block_size: u16, offer: &Offer) -> Self {
        Self {
            fd,
            capacity,
            block_size: block_size.into(),
            max_transfer: max_transfer(block_size, offer),
            flush: offer.features & OFFER_FLUSH != 0,
        }
    }

    /// The device as the waist describes it.
    pub fn info(self) -> BlockInfo {
        BlockInfo {
            block_size: self.block_size,
            capacity: self.capacity,
            max_transfer: self.max_transfer,
            queue_depth: QUEUE_DEPTH,
            read_only: false,
            flush: self.flush,
        }
    }

    /// Whether a transfer is whole blocks inside the device and not too long.
    pub fn accepts(self, offset: u64, len: usize) -> bool {
        let mask = u64::from(self.block_size) - 1;
        let end = offset.checked_add(len as u64);
        len != 0
            && len <= self.max_transfer
            && (offset | len as u64) & mask == 0
            && end.is_some_and(|end| end <= self.capacity)
    }

    /// How many of `len` bytes the next call at `offset` may transfer.
    pub fn step(self, offset: u64, len: usize) -> usize {
        let long = self.capacity.checked_sub(self.max_transfer as u64);
        if long.is_some_and(|last| offset <= last) {
            len
        } else {
            self.block_size as usize
        }
    }
}

fn max_transfer(block_size: u16, offer: &Offer) -> usize {
    let block_size = usize::from(block_size);
    let offered = offer.max_transfer as usize & !(block_size - 1);
    if offer.features & OFFER_TRANSFER != 0 && offered > block_size {
        offered
    } else {
        block_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: usize = 64 << 10;
    const CAPACITY: u64 = 1 << 20;

    fn disk(max_transfer: usize) -> Disk {
        Disk {
            fd: -1,
            capacity: CAPACITY,
            block_size: 512,
            max_transfer,
            flush: true,
        }
    }

    #[test]
    fn only_whole_blocks_inside_are_accepted() {
        let disk = disk(LONG);
        for (offset, len) in [(0, 512), (0, LONG), (CAPACITY - 512, 512), (1024, 1024)] {
            assert!(disk.accepts(offset, len), "{offset} {len}");
        }
        for (offset, len) in [
            (0, 0),
            (0, 511),
            (1, 512),
            (0, LONG + 512),
            (CAPACITY, 512),
            (CAPACITY - 512, 1024),
            (u64::MAX - 511, 512),
            (u64::MAX - 511, 1024),
        ] {
            assert!(!disk.accepts(offset, len), "{offset} {len}");
        }
    }

    #[test]
    fn no_call_breaks_the_rule_of_the_filter() {
        for max_transfer in [512, LONG, 2 * CAPACITY as usize] {
            let disk = disk(max_transfer);
            for offset in (0..CAPACITY).step_by(512) {
                for len in [512, 1024, LONG] {
                    let step = disk.step(offset, len) as u64;
                    let long = offset + max_transfer as u64 <= CAPACITY;
                    assert!(step == 512 || long && step == len as u64, "{offset} {len}");
                    assert!(step <= len as u64);
                }
            }
        }
    }
}

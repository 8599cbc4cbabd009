// SPDX-License-Identifier: ISC
//! Block devices by hypercalls, finished when submitted, which works under every tender.

use fata_abi::{
    Error, Handle,
    block::{Operation, Request},
    hvt::Hypercall,
};
use fata_platform_solo5::{block::Calls, disk::Disk};

use crate::hypercall;

/// The hypercalls of block devices.
pub(crate) struct Hypercalls;

impl Calls for Hypercalls {
    unsafe fn transfer(handle: Handle, _disk: Disk, part: &Request) -> Result<(), Error> {
        let number = match part.operation {
            Operation::Read => Hypercall::BlockRead,
            _ => Hypercall::BlockWrite,
        };
        // SAFETY: the caller lends the memory of the request for what the operation does.
        unsafe { hypercall::block(number, handle.index(), part.offset, part.data, part.len) }
    }

    fn flush(_handle: Handle, _disk: Disk) -> Result<(), Error> {
        // No hypercall does.
        Err(Error::Unspecified)
    }
}

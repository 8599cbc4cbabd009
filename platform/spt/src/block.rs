// SPDX-License-Identifier: ISC
//! Block devices: transfers on a descriptor that the tender opened, finished when submitted.

use fata_abi::{
    Error, Handle,
    block::{Operation, Request},
};
use fata_platform_solo5::{block::Calls, disk::Disk};

use crate::syscall;

/// The system calls on descriptors of block devices.
pub(crate) struct SystemCalls;

impl Calls for SystemCalls {
    unsafe fn transfer(_handle: Handle, disk: Disk, part: &Request) -> Result<(), Error> {
        loop {
            let result = if part.operation == Operation::Read {
                // SAFETY: the caller lends the memory of the request for writing.
                unsafe { syscall::pread(disk.fd, part.data, part.len, part.offset) }
            } else {
                // SAFETY: the caller lends the memory of the request for reading.
                unsafe { syscall::pwrite(disk.fd, part.data, part.len, part.offset) }
            };
            match result {
                Ok(moved) if moved == part.len => return Ok(()),
                Err(syscall::EINTR) => {}
                _ => return Err(Error::Unspecified),
            }
        }
    }

    fn flush(_handle: Handle, disk: Disk) -> Result<(), Error> {
        syscall::fdatasync(disk.fd).map_or(Err(Error::Unspecified), |_| Ok(()))
    }
}

#[cfg(test)]
mod tests;

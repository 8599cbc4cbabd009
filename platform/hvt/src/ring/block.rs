// SPDX-License-Identifier: ISC
//! Block devices over their ring: requests are in flight, and end in any order.
//!
//! Only where `OFFER_RINGS` is offered. A request is one entry; its number on the ring says which
//! device it is of, and which of its requests.

use fata_abi::{
    Error, Handle,
    block::{Operation, Request},
    hvt::{
        OK,
        ring::{self, BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE, SLOTS},
    },
};
use fata_platform_solo5::{
    completions::{Completions, QUEUE_DEPTH},
    disk::Disk,
};

use super::Guest;

/// Takes what has ended.
pub(crate) fn collect(ring: &Guest, completions: &Completions) {
    ring.retire(|_, _| ());
    while let Some(commit) = ring.take() {
        let id = commit.id as usize;
        if let Some(handle) = Handle::new(id / QUEUE_DEPTH) {
            let result = if commit.result == OK {
                Ok(())
            } else {
                Err(Error::Unspecified)
            };
            completions.end(handle, id % QUEUE_DEPTH, result);
        }
    }
}

/// Does what [`Platform::block_submit`](fata_abi::Platform::block_submit) says.
///
/// # Safety
///
/// As stated there.
pub(crate) unsafe fn submit(
    ring: &Guest,
    completions: &Completions,
    handle: Handle,
    disk: Disk,
    request: Request,
) -> Result<(), Error> {
    let operation = match request.operation {
        Operation::Read => BLOCK_READ,
        Operation::Write => BLOCK_WRITE,
        Operation::Flush => BLOCK_FLUSH,
    };
    let flush = operation == BLOCK_FLUSH;
    if !flush && !disk.accepts(request.offset, request.len) {
        return Err(Error::Invalid);
    }
    let number = completions.begin(handle, request.tag)?;
    if flush && !disk.flush {
        completions.end(handle, number, Ok(()));
        return Ok(());
    }
    let entry = ring::Request {
        operation,
        handle: handle.index() as u32,
        // The memory is lent to the host until the commit comes: the caller's promise.
        data: request.data.expose_provenance() as u64,
        len: request.len as u32,
        id: (handle.index() * QUEUE_DEPTH + number) as u32,
        offset: request.offset,
    };
    // More devices than any image has could have more in flight than fits.
    while completions.in_flight() > SLOTS as usize || !ring.push(&entry) {
        ring.wait_for(|| {
            collect(ring, completions);
            completions.in_flight() <= SLOTS as usize
        });
    }
    ring.submit();
    Ok(())
}

// SPDX-License-Identifier: ISC
//! Requests to block devices whose calls are synchronous: they have ended when they were submitted.

use fata_abi::{
    Error, Handle,
    block::{Operation, Request},
};

use crate::{completions::Completions, disk::Disk};

/// The calls by which a target moves blocks.
pub trait Calls {
    /// Transfers `part` of a request, which [`Disk::step`] says is as long as a call may be.
    ///
    /// # Safety
    ///
    /// `data..data + len` of the part is valid memory, for writing where it reads, until the call
    /// returns.
    ///
    /// # Errors
    ///
    /// Any, for whatever was not transferred whole.
    unsafe fn transfer(handle: Handle, disk: Disk, part: &Request) -> Result<(), Error>;

    /// Makes what was written durable, where [`Disk::flush`] says that this is offered.
    ///
    /// # Errors
    ///
    /// Any, where it may not be.
    fn flush(handle: Handle, disk: Disk) -> Result<(), Error>;
}

/// Carries out `request` on `disk`, which is the device `handle`.
///
/// # Safety
///
/// That of [`Platform::block_submit`](fata_abi::Platform::block_submit).
///
/// # Errors
///
/// Those of [`Platform::block_submit`](fata_abi::Platform::block_submit).
pub unsafe fn submit<C: Calls>(
    completions: &Completions,
    handle: Handle,
    disk: Disk,
    request: Request,
) -> Result<(), Error> {
    let number = completions.begin(handle, request.tag)?;
    let result = match request.operation {
        Operation::Flush if disk.flush => C::flush(handle, disk),
        Operation::Flush => Ok(()),
        _ if disk.accepts(request.offset, request.len) => {
            // SAFETY: the caller's promise is passed on, and `accepts` was asked.
            unsafe { transfer::<C>(handle, disk, &request) }
        }
        _ => {
            completions.cancel(handle, number);
            return Err(Error::Invalid);
        }
    };
    completions.end(handle, number, result);
    Ok(())
}

/// # Safety
///
/// That of [`Platform::block_submit`](fata_abi::Platform::block_submit); and
/// [`accepts`](Disk::accepts) has accepted the request.
unsafe fn transfer<C: Calls>(handle: Handle, disk: Disk, request: &Request) -> Result<(), Error> {
    let mut done = 0;
    while done < request.len {
        let offset = request.offset + done as u64;
        let len = disk.step(offset, request.len - done);
        // SAFETY: `done < request.len`, so this stays inside the memory of the request.
        let data = unsafe { request.data.add(done) };
        let part = Request {
            offset,
            data,
            len,
            ..*request
        };
        // SAFETY: `step` never exceeds what it is given, so the part is in the memory of the request,
        // which the caller lends for what the operation does.
        unsafe { C::transfer(handle, disk, &part) }?;
        done += len;
    }
    Ok(())
}

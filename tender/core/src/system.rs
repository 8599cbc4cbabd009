// SPDX-License-Identifier: ISC
//! Calls of the kernel that have no safe wrapper elsewhere, and random bytes.

use std::{ffi::c_long, io};

use rustix::{
    io::Errno,
    rand::{GetRandomFlags, getrandom},
};

use crate::Error;

/// Random bytes, up to 256.
///
/// # Errors
///
/// The host has none.
pub(crate) fn random<const SIZE: usize>() -> Result<[u8; SIZE], Error> {
    let mut bytes = [0; SIZE];
    // So many come whole or not at all.
    let got = getrandom(&mut bytes, GetRandomFlags::empty());
    got.map(|_| bytes)
        .map_err(Error::cannot("get random bytes"))
}

/// Ends the process, all its threads, without anything that is usually done before.
pub fn exit(status: u8) -> ! {
    // SAFETY: nothing of this process runs after the call.
    unsafe { libc::_exit(status.into()) }
}

/// Makes the system call `number` (`libc::SYS_...`).
///
/// # Safety
///
/// The call must be sound with these arguments: pointers among them must be valid for what the
/// kernel does with them, and nothing that safe code relies on may change.
///
/// # Errors
///
/// The kernel's.
pub unsafe fn call(number: c_long, arguments: [usize; 5]) -> Result<usize, Errno> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the caller answers for what the call does.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    usize::try_from(result).map_err(|_| {
        let error = io::Error::last_os_error();
        Errno::from_io_error(&error).unwrap_or(Errno::IO)
    })
}

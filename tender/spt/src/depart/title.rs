// SPDX-License-Identifier: ISC
//! Keeps the command line of the process visible to `ps` when the stack that holds it goes.
//!
//! The kernel shows the bytes at two addresses that it noted at the start. They are moved to low
//! memory of the guest, without the environment that followed them. Where the kernel does not allow
//! that, `ps` shows the name of the program only. Read first: PR_SET_MM(2const).

use std::os::unix::ffi::OsStrExt;

use fata_abi::solo5::LOAD_MIN;
use fata_tender::system;

use crate::memory::GuestMemory;

/// Bytes that are kept at most.
pub(super) const MAX_SIZE: usize = 16 << 10;

const PR_SET_MM: usize = 35;
const PR_SET_MM_MAP: usize = 14;
const NO_FILE: u64 = 0xffff_ffff;

/// Copies the command line to `free`, and returns what is free after it.
pub(super) fn keep(memory: &mut GuestMemory, free: u64) -> u64 {
    let mut line = Vec::new();
    for word in std::env::args_os() {
        line.extend(word.as_bytes());
        line.push(0);
    }
    line.truncate(MAX_SIZE - 1);
    line.push(0);
    let end = free + line.len() as u64;
    let into = memory.bytes(free, line.len() as u64);
    into.expect("low memory has room for the command line")
        .copy_from_slice(&line);
    // Linux's `struct prctl_mm_map`: code, data, heap, stack, arguments, environment; no auxiliary
    // vector, its size and the file left as they are. None but the arguments mean anything.
    let map = [
        LOAD_MIN,
        memory.end(),
        LOAD_MIN,
        LOAD_MIN,
        LOAD_MIN,
        LOAD_MIN,
        memory.end() - 8,
        free,
        end - 1,
        end - 1,
        end - 1,
        0,
        NO_FILE << 32,
    ];
    let address = (&raw const map).expose_provenance();
    let arguments = [PR_SET_MM, PR_SET_MM_MAP, address, size_of_val(&map), 0];
    // SAFETY: the call reads the array; it changes what is told about the process, and the heap's
    // bounds as the kernel knows them: should the C library want more of it, it falls back to `mmap`.
    let _ = unsafe { system::call(libc::SYS_prctl, arguments) };
    end
}

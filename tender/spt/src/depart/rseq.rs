// SPDX-License-Identifier: ISC
//! Takes back the C library's registration of restartable sequences.
//!
//! glibc gives the kernel a few bytes of each thread to write to whenever it is scheduled. When the
//! tender's memory goes, the kernel would fault on them and kill the process, so the registration
//! must go first. Read first: Linux `kernel/rseq.c`; glibc manual, "Restartable Sequences".

use std::{
    arch::asm,
    ffi::{CStr, c_char, c_void},
    ptr,
};

use fata_tender::{Error, system};
use rustix::io::Errno;

use super::getauxval;

const UNREGISTER: usize = 1;
/// What glibc registers with, on x86.
const SIGNATURE: usize = 0x5305_3053;
/// Size of the first version of the structure.
const SIZE: usize = 32;
const AUXV_RSEQ_FEATURE_SIZE: usize = 27;
const AUXV_RSEQ_ALIGN: usize = 28;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *const c_void;
}

/// Leaves this thread without a registration.
pub(super) fn leave() -> Result<(), Error> {
    if let Some(area) = registered_area() {
        let align = getauxval(AUXV_RSEQ_ALIGN).max(1);
        let large = getauxval(AUXV_RSEQ_FEATURE_SIZE).next_multiple_of(align);
        for size in [SIZE, large] {
            if call(area, size, UNREGISTER).is_ok() {
                return Ok(());
            }
        }
    }
    // There was no registration if one can be made.
    #[repr(align(64))]
    struct Area([u8; SIZE]);
    let area = Area([0; SIZE]);
    let area = (&raw const area.0).expose_provenance();
    match call(area, SIZE, 0) {
        Ok(()) => call(area, SIZE, UNREGISTER).map_err(cannot),
        Err(Errno::NOSYS) => Ok(()),
        Err(error) => Err(cannot(error)),
    }
}

fn cannot(error: Errno) -> Error {
    Error::new(format!(
        "cannot take back the C library's restartable sequences: {error}"
    ))
    .hint("start this with GLIBC_TUNABLES=glibc.pthread.rseq=0 in the environment")
}

/// Where the C library says that this thread's area is, if it is one that says so.
fn registered_area() -> Option<usize> {
    // SAFETY: the call looks the name up in what is loaded.
    let symbol = |name: &CStr| unsafe { dlsym(ptr::null_mut(), name.as_ptr()) };
    let offset = symbol(c"__rseq_offset").cast::<isize>();
    if offset.is_null() {
        return None;
    }
    // SAFETY: the C library documents a constant `ptrdiff_t` of this name.
    let offset = unsafe { offset.read() };
    let thread: usize;
    // SAFETY: the first word of a thread's control block is its own address (ELF TLS ABI, x86-64).
    unsafe {
        asm!("mov {}, fs:0", out(reg) thread, options(nostack, readonly, preserves_flags));
    }
    Some(thread.wrapping_add_signed(offset))
}

fn call(area: usize, size: usize, flags: usize) -> Result<(), Errno> {
    // SAFETY: 1. To unregister changes nothing but that the kernel stops writing there. 2. Areas are
    // registered in `leave` alone, which unregisters them before they go.
    unsafe { system::call(libc::SYS_rseq, [area, size, flags, SIGNATURE, 0]) }.map(drop)
}

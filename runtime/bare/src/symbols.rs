// SPDX-License-Identifier: ISC
//! The symbols that compiled Rust expects to find: C's memory functions, and what unwinding would
//! need if anything unwound.

use core::ffi::{c_char, c_int};

use crate::memory;

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    // SAFETY: C's contract for `memcpy`, by which the ranges do not overlap.
    unsafe { memory::copy_forward(to, from, n) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    if memory::goes_forward(to, from, n) {
        // SAFETY: C's contract for `memmove`, and `goes_forward` says that `copy_forward`, which is
        // all of `memcpy`, may do it.
        return unsafe { memcpy(to, from, n) };
    }
    // SAFETY: C's contract for `memmove`; what does not go forward is long, and goes backward.
    unsafe { memory::copy_backward(to, from, n) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: c_int, n: usize) -> *mut u8 {
    // SAFETY: C's contract for `memset`.
    unsafe { memory::fill(to, byte as u8, n) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> c_int {
    // SAFETY: C's contract for `memcmp`.
    unsafe { memory::compare(a, b, n) as c_int }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> c_int {
    // SAFETY: C's contract for `bcmp`, of which `memcmp` does more than is asked.
    unsafe { memcmp(a, b, n) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    // SAFETY: C's contract for `strlen`.
    unsafe { memory::length(text.cast()) }
}

/// Named by the unwind tables of the precompiled `core`; never called, since a panic aborts.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Called where a landing pad of the precompiled `core` would go on unwinding; never reached.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    fata_abi::platform::abort()
}

// SPDX-License-Identifier: ISC
//! Data cannot be executed.

#![no_std]
#![no_main]

use core::{mem, sync::atomic::AtomicU8};

use fata::prelude::*;

/// `ret`: a function that does nothing, if it can be called.
static CODE: AtomicU8 = AtomicU8::new(0xc3);

#[fata::main]
async fn main() {
    let address: *const AtomicU8 = core::hint::black_box(&CODE);
    // SAFETY: the byte is a whole function of this type; that calling it faults is the test.
    let function = unsafe { mem::transmute::<*const AtomicU8, extern "C" fn()>(address) };
    function();
    println!("REACHED");
}

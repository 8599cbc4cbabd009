// SPDX-License-Identifier: ISC
//! Constants cannot be executed.

#![no_std]
#![no_main]

use core::mem;

use fata::prelude::*;

/// `ret`: a function that does nothing, if it can be called.
static CODE: [u8; 64] = [0xc3; 64];

#[fata::main]
async fn main() {
    let address: *const u8 = core::hint::black_box(&CODE).as_ptr();
    // SAFETY: the byte is a whole function of this type; that calling it faults is the test.
    let function = unsafe { mem::transmute::<*const u8, extern "C" fn()>(address) };
    function();
    println!("REACHED");
}

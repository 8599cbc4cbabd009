// SPDX-License-Identifier: ISC
//! The stack cannot be executed.

#![no_std]
#![no_main]

use core::mem;

use fata::prelude::*;

#[fata::main]
async fn main() {
    run();
    println!("REACHED");
}

#[inline(never)]
fn run() {
    // `ret`: a function that does nothing, if it can be called.
    let code = core::hint::black_box([0xc3_u8; 64]);
    // SAFETY: the byte is a whole function of this type; that calling it faults is the test.
    let function = unsafe { mem::transmute::<*const u8, extern "C" fn()>(code.as_ptr()) };
    function();
}

// SPDX-License-Identifier: ISC
//! The heap cannot be executed.

#![no_std]
#![no_main]

use core::mem;

use fata::prelude::*;

#[fata::main]
async fn main() {
    // `ret`: a function that does nothing, if it can be called.
    let code: Box<[u8]> = core::hint::black_box(vec![0xc3; 64].into());
    // SAFETY: the byte is a whole function of this type; that calling it faults is the test.
    let function = unsafe { mem::transmute::<*const u8, extern "C" fn()>(code.as_ptr()) };
    function();
    println!("REACHED");
}

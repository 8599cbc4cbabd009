// SPDX-License-Identifier: ISC
//! Nothing but the program prints.

#![no_std]
#![no_main]

use fata::prelude::*;

#[fata::main]
async fn main() {
    println!("SUCCESS");
}

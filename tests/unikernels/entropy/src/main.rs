// SPDX-License-Identifier: ISC
//! Random numbers are not all alike, and differ from run to run.

#![no_std]
#![no_main]

use fata::{prelude::*, random};

#[fata::main]
async fn main() {
    let mut bytes = [0_u8; 4096];
    random::fill(&mut bytes);
    let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
    // Half of 32768 bits, six standard deviations to either side.
    assert!((15_841..=16_927).contains(&ones), "{ones} ones");
    assert_ne!(random::u64(), random::u64());
    println!("{:x} {:x}", random::u64(), random::u64());
    println!("SUCCESS");
}

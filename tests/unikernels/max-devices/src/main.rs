// SPDX-License-Identifier: ISC
//! As many devices as a manifest can name are attached, each to its own file.

#![no_std]
#![no_main]

use fata::prelude::*;

#[derive(fata::Devices)]
struct Devices {
    d1: Disk,
    d2: Disk,
    d3: Disk,
    d4: Disk,
    d5: Disk,
    d6: Disk,
    d7: Disk,
    d8: Disk,
    d9: Disk,
    d10: Disk,
    d11: Disk,
    d12: Disk,
    d13: Disk,
    d14: Disk,
    d15: Disk,
    d16: Disk,
    d17: Disk,
    d18: Disk,
    d19: Disk,
    d20: Disk,
    d21: Disk,
    d22: Disk,
    d23: Disk,
    d24: Disk,
    d25: Disk,
    d26: Disk,
    d27: Disk,
    d28: Disk,
    d29: Disk,
    d30: Disk,
    d31: Disk,
    d32: Disk,
    d33: Disk,
    d34: Disk,
    d35: Disk,
    d36: Disk,
    d37: Disk,
    d38: Disk,
    d39: Disk,
    d40: Disk,
    d41: Disk,
    d42: Disk,
    d43: Disk,
    d44: Disk,
    d45: Disk,
    d46: Disk,
    d47: Disk,
    d48: Disk,
    d49: Disk,
    d50: Disk,
    d51: Disk,
    d52: Disk,
    d53: Disk,
    d54: Disk,
    d55: Disk,
    d56: Disk,
    d57: Disk,
    d58: Disk,
    d59: Disk,
    d60: Disk,
    d61: Disk,
    d62: Disk,
    d63: Disk,
}

#[fata::main]
async fn main(devices: Devices) -> Result<(), Error> {
    for (n, disk) in (1_u8..).zip(devices.into_array()) {
        assert_eq!(disk.info().capacity, 512);
        let (block, result) = disk.read(0, Buffer::zeroed(512)).await;
        result?;
        assert!(block.iter().all(|&byte| byte == n), "disk {n}");
    }
    println!("SUCCESS");
    Ok(())
}

impl Devices {
    #[rustfmt::skip]
    fn into_array(self) -> [Disk; 63] {
        [
            self.d1, self.d2, self.d3, self.d4, self.d5, self.d6, self.d7, self.d8, self.d9,
            self.d10, self.d11, self.d12, self.d13, self.d14, self.d15, self.d16, self.d17, self.d18,
            self.d19, self.d20, self.d21, self.d22, self.d23, self.d24, self.d25, self.d26, self.d27,
            self.d28, self.d29, self.d30, self.d31, self.d32, self.d33, self.d34, self.d35, self.d36,
            self.d37, self.d38, self.d39, self.d40, self.d41, self.d42, self.d43, self.d44, self.d45,
            self.d46, self.d47, self.d48, self.d49, self.d50, self.d51, self.d52, self.d53, self.d54,
            self.d55, self.d56, self.d57, self.d58, self.d59, self.d60, self.d61, self.d62, self.d63,
        ]
    }
}

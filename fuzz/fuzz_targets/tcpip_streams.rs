// SPDX-License-Identifier: ISC
//! One TCP connection whose peer says anything; each byte that is read or sent is checked.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fata_tcpip::fuzz::streams(data));

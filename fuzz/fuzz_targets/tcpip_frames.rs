// SPDX-License-Identifier: ISC
//! A stack with a UDP and a TCP port, sent frames in any state of its connections.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fata_tcpip::fuzz::frames(data));

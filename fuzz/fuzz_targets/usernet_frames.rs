// SPDX-License-Identifier: ISC
//! The user-mode network, sent frames by a hostile guest. It reaches nobody.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fata_usernet::answer_frames(data));

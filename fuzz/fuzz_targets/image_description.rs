// SPDX-License-Identifier: ISC
//! A file that `cargo fata describe` is asked about.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| cargo_fata::image::read_everything(data));

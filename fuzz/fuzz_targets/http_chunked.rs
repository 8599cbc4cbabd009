// SPDX-License-Identifier: ISC
//! A chunked body, cut anywhere, read by two readers.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((&cut, input)) = data.split_first() {
        fata_http::fuzz::chunked(cut, input);
    }
});

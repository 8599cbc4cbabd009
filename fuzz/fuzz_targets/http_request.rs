// SPDX-License-Identifier: ISC
//! The head of an HTTP request, and its body where it is chunked, read by two readers.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((&cut, input)) = data.split_first() {
        fata_http::fuzz::request(cut, input);
    }
});

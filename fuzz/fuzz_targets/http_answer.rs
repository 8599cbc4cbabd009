// SPDX-License-Identifier: ISC
//! The head of an HTTP response, as the client reads it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fata_http::fuzz::answer(data));

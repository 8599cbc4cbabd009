// SPDX-License-Identifier: ISC
//! The command line of a tender: words with NUL between them.

#![no_main]

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use fata_tender::options::{Command, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let words = || {
        data.split(|&byte| byte == 0)
            .map(|word| OsString::from_vec(word.to_vec()))
    };
    let _ = Command::parse(words());
    let _ = Options::split(words());
});

// SPDX-License-Identifier: ISC
//! The command line of an image: words, quoting, and values of every type.

#![no_main]

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use fata_runtime::args::{Size, Value, Words, unquote};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(line) = std::str::from_utf8(data) else {
        return;
    };
    let mut length = 0;
    for word in Words::new(line) {
        length += word.len();
        let Ok(text) = unquote(word) else {
            continue;
        };
        let _ = u16::parse(&text);
        let _ = i64::parse(&text);
        let _ = bool::parse(&text);
        let _ = Size::parse(&text);
        let _ = Duration::parse(&text);
        let _ = IpAddr::parse(&text);
        let _ = SocketAddr::parse(&text);
    }
    assert!(length <= line.len(), "words overlap");
});

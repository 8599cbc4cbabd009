// SPDX-License-Identifier: ISC
//! What a client of the iperf3 example sends: parameters in JSON, and headers of datagrams.

#![no_main]

use iperf3::{
    json,
    wire::{Header, Parameters},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let length: usize = json::members(data).map(|(key, _)| key.len()).sum();
    assert!(length <= data.len(), "keys overlap");
    if let Some(parameters) = Parameters::parse(data) {
        assert!((1..=128).contains(&parameters.streams));
        assert!((1..=1 << 20).contains(&parameters.block));
        assert!(parameters.send || parameters.receive);
    }
    for wide in [false, true] {
        if let Some(header) = Header::parse(data, wide) {
            let mut again = [0; 16];
            header.emit(&mut again, wide);
            let number = Header::parse(&again, wide).map(|again| again.number);
            assert_eq!(number, Some(header.number));
        }
    }
});

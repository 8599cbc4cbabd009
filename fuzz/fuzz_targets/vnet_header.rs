// SPDX-License-Identifier: ISC
//! A virtio-net header and its frame as a tap hands them in, and requests for offload as a stack may
//! make them of a device that does them in software.

#![no_main]

use fata_abi::net::{
    Checksum,
    vnet::{HEADER, decode, encode},
};
use fata_device::offload::segment::{Parts, Plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((header, frame)) = data.split_first_chunk::<HEADER>() else {
        return;
    };
    let Some(offload) = decode(header, frame) else {
        return;
    };
    // What a header that was accepted proves.
    if let Checksum::Partial { start, offset } = offload.checksum {
        assert!(usize::from(start) + usize::from(offset) + 2 <= frame.len());
    }
    if let Some(segmentation) = offload.segmentation {
        assert!(segmentation.size > 0 && usize::from(segmentation.header_len) < frame.len());
    }
    assert!(decode(&encode(&offload, frame), frame).is_some());
    let parts = Parts([frame, &[], &[]]);
    let mut plan = Plan::new(parts, offload, 1514);
    while let Some(plan) = &mut plan
        && let Some(len) = plan.next_len()
    {
        assert!(len <= 1514);
        plan.write_next(parts, &mut vec![0; len]);
    }
});

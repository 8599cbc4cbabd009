// SPDX-License-Identifier: ISC
//! A block device on a temporary file.

use std::{fs::File, io::Read, os::fd::AsRawFd, vec::Vec};

use fata_abi::{
    block::Completion,
    manifest::{Attachment, Properties},
    offer::{OFFER_FLUSH, OFFER_TRANSFER, Offer},
};

use super::*;
use crate::machine::{
    Machine,
    tests::{manifest, start},
};

const LONG: usize = 64 << 10;
const CAPACITY: u64 = 1 << 20;

/// A machine whose first device is a block device at `fd`.
fn machine(fd: i32, features: u32) -> &'static Machine {
    let properties = Properties::Block {
        capacity: CAPACITY,
        block_size: 512,
    };
    let offer = Offer {
        features,
        max_transfer: LONG as u32,
        ..Offer::NOTHING
    };
    start(
        manifest(Some(Attachment { fd, properties })),
        &offer,
        (-1, -1),
    )
    .0
}

/// Carries out a request whose tag is its offset.
fn carry_out(
    machine: &Machine,
    operation: Operation,
    offset: u64,
    data: &mut [u8],
) -> Result<Completion, Error> {
    let request = Request {
        operation,
        offset,
        data: data.as_mut_ptr(),
        len: data.len(),
        tag: offset,
    };
    let handle = Handle::new(1).unwrap();
    // SAFETY: the memory is ours, and the device is done with it when the call returns.
    unsafe { machine.shared.block_submit::<SystemCalls>(handle, request) }?;
    machine.shared.block_complete(handle)
}

#[test]
fn data_goes_where_it_should() {
    let mut file =
        File::from(rustix::fs::memfd_create("disk", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
    file.set_len(CAPACITY).unwrap();
    let machine = machine(file.as_raw_fd(), OFFER_TRANSFER | OFFER_FLUSH);
    let last_long = CAPACITY - LONG as u64;
    for offset in [0, 512, last_long - 512, last_long + 1024] {
        let len = LONG.min((CAPACITY - offset) as usize);
        let mut data: Vec<u8> = (0..len)
            .map(|i| (i / 512) as u8 ^ (offset / 512) as u8)
            .collect();
        let written = data.clone();
        let done = Completion {
            tag: offset,
            result: Ok(()),
        };
        let found = carry_out(machine, Operation::Write, offset, &mut data);
        assert_eq!(found, Ok(done));
        data.fill(0);
        let found = carry_out(machine, Operation::Read, offset, &mut data);
        assert_eq!(found, Ok(done));
        assert!(
            data == written,
            "what was written at {offset} reads otherwise"
        );
    }
    let mut all = Vec::new();
    file.read_to_end(&mut all).unwrap();
    assert_eq!(all.len() as u64, CAPACITY, "the file grew");
}

#[test]
fn failures_are_completions_and_misuse_is_refused() {
    let closed = machine(-1, OFFER_FLUSH);
    let failed = Completion {
        tag: 0,
        result: Err(Error::Unspecified),
    };
    let mut data = [0; 512];
    let found = carry_out(closed, Operation::Read, 0, &mut data);
    assert_eq!(found, Ok(failed));
    let beyond = carry_out(closed, Operation::Read, CAPACITY, &mut data);
    assert_eq!(beyond, Err(Error::Invalid));
    let none = closed.shared.block_complete(Handle::new(1).unwrap());
    assert_eq!(none, Err(Error::Again));
    let found = carry_out(closed, Operation::Flush, 0, &mut []);
    assert_eq!(found, Ok(failed));
    let found = carry_out(machine(-1, 0), Operation::Flush, 0, &mut []);
    assert!(found.unwrap().result.is_ok(), "nothing to flush with");
}

// SPDX-License-Identifier: ISC
//! Hypercalls: a structure anywhere, that leads anywhere.

use fata::prelude::*;

use crate::{
    Args,
    machine::{self, load, store},
    places::{self, place},
};

pub(crate) const WALL_TIME: u64 = 1;
pub(crate) const PUTS: u64 = 2;
pub(crate) const POLL: u64 = 3;
pub(crate) const BLOCK_WRITE: u64 = 4;
pub(crate) const BLOCK_READ: u64 = 5;
pub(crate) const NET_WRITE: u64 = 6;
pub(crate) const NET_READ: u64 = 7;
pub(crate) const HALT: u64 = 8;

/// Devices, by handle.
pub(crate) const SERVICE: u64 = 1;
pub(crate) const STORAGE: u64 = 2;

/// What a call is asked to do; each takes of it what it knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) handle: u64,
    pub(crate) offset: u64,
    pub(crate) data: u64,
    pub(crate) len: u64,
}

impl Request {
    /// The words of the structure of a call.
    fn words(self, number: u64) -> [u64; 5] {
        let Self {
            handle,
            offset,
            data,
            len,
        } = self;
        match number {
            PUTS => [data, len, 0, 0, 0],
            POLL => [len, 0, 0, 0, 0],
            BLOCK_READ | BLOCK_WRITE => [handle, offset, data, len, 77],
            NET_READ | NET_WRITE => [handle, data, len, 77, 0],
            HALT => [data, 0, 0, 0, 0],
            _ => [0; 5],
        }
    }
}

/// Makes a call with its structure `at` a place that the image can write to, and returns the result
/// that it has, if it has one.
pub(crate) fn make(number: u64, at: u64, request: Request) -> i32 {
    for (address, word) in (at..).step_by(8).zip(request.words(number)) {
        store(address, word);
    }
    machine::call(number, at);
    match number {
        BLOCK_READ | BLOCK_WRITE => load(at + 32) as i32,
        NET_READ | NET_WRITE => load(at + 24) as i32,
        POLL => load(at + 16) as i32,
        _ => 0,
    }
}

/// One call, which should end the guest.
pub(crate) fn attack(args: &Args) {
    machine::seize();
    let request = Request {
        handle: args.handle,
        offset: args.offset,
        data: place(&args.data),
        len: args.len,
    };
    let before = places::digest();
    let result = match args.at.as_str() {
        "call" => make(args.number, places::call(), request),
        // As it is there.
        at => {
            machine::call(args.number, place(at));
            0
        }
    };
    let kept = places::digest() == before;
    println!("REACHED: result {result}, read-only memory kept: {kept}");
}

/// Ends the guest.
pub(crate) fn halt(status: u64) -> ! {
    loop {
        let at = places::call();
        store(at, 0);
        store(at + 8, status);
        machine::call(HALT, at);
    }
}

// SPDX-License-Identifier: ISC
//! Works and counts until a debugger says with which status to end. The debugger finds the places
//! that it needs in [`PLACES`], in the file too.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fata::prelude::*;

/// What a debugger looks for, and what it finds behind that.
#[repr(C)]
struct Places {
    mark: [u8; 16],
    work: extern "C" fn(),
    count: &'static AtomicU64,
    status: &'static AtomicU64,
}

#[used]
static PLACES: Places = Places {
    mark: *b"places to debug:",
    work,
    count: &COUNT,
    status: &STATUS,
};

static COUNT: AtomicU64 = AtomicU64::new(0);
/// No status as yet.
static STATUS: AtomicU64 = AtomicU64::new(u64::MAX);

#[fata::main]
async fn main() -> u8 {
    loop {
        if let Ok(status) = u8::try_from(STATUS.load(Relaxed)) {
            println!("worked {} times", COUNT.load(Relaxed));
            return status;
        }
        sleep(Duration::from_millis(5)).await;
        work();
    }
}

#[inline(never)]
extern "C" fn work() {
    COUNT.fetch_add(1, Relaxed);
}

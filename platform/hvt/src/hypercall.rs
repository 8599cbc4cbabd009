// SPDX-License-Identifier: ISC
//! The hypercalls.
//!
//! A hypercall is an `out` of the address of its arguments, which must lie below 4 GiB. The stack may
//! lie above, so arguments are copied to a place of their own in the image, and results from there.
//! Should an exception come between, its report overwrites them, but it never returns.

use core::cell::UnsafeCell;

use fata_abi::{
    Error,
    hvt::{AGAIN, BlockTransfer, Halt, Hypercall, INVALID, NetTransfer, OK, Poll, Puts, WallTime},
};

use crate::port;

/// Room for the arguments of any hypercall.
#[repr(C, align(64))]
struct Place(UnsafeCell<[u64; 5]>);

// SAFETY: the image has one thread, and only `call` refers to it, for the time of a call.
unsafe impl Sync for Place {}

static PLACE: Place = Place(UnsafeCell::new([0; 5]));

/// Makes a hypercall, and returns its arguments as the tender leaves them.
///
/// # Safety
///
/// `T` is the structure of this hypercall, and memory that its addresses lead to is valid for what
/// the tender does with it, with no Rust reference that says otherwise.
#[inline(always)]
unsafe fn call<T: Copy>(number: Hypercall, arguments: T) -> T {
    const { assert!(size_of::<T>() <= size_of::<[u64; 5]>() && align_of::<T>() <= 64) };
    let place = PLACE.0.get().cast::<T>();
    // SAFETY: the place is large enough and aligned, and nobody else refers to it.
    unsafe { place.write_volatile(arguments) };
    // SAFETY: the arguments are at the place, which is in the image and so below 4 GiB; the rest is
    // the caller's promise.
    unsafe { port::call(number, place.cast()) };
    // SAFETY: as above; every structure is made of integers, for which all bytes are valid.
    unsafe { place.read_volatile() }
}

/// Tells the host that the ring of this number has new entries.
pub(crate) fn kick(number: u32) {
    port::kick(number);
}

/// Writes to the console.
pub(crate) fn puts(bytes: &[u8]) {
    let arguments = Puts {
        data: address(bytes),
        len: bytes.len() as u64,
    };
    // SAFETY: the tender only reads `bytes`.
    unsafe { call(Hypercall::Puts, arguments) };
}

/// Nanoseconds since 1970.
pub(crate) fn wall_time() -> u64 {
    // SAFETY: no other memory is involved.
    unsafe { call(Hypercall::WallTime, WallTime::default()) }.nanoseconds
}

/// Waits for `timeout` nanoseconds, or until a network device has something to read, and returns
/// the set of those.
pub(crate) fn poll(timeout: u64) -> u64 {
    let arguments = Poll {
        timeout,
        ..Poll::default()
    };
    // SAFETY: no other memory is involved.
    unsafe { call(Hypercall::Poll, arguments) }.ready_set
}

/// Reads or writes a block of the device `handle`.
///
/// # Safety
///
/// `data..data + len` is valid memory, for writing where `number` reads, and nothing else refers to
/// it.
pub(crate) unsafe fn block(
    number: Hypercall,
    handle: usize,
    offset: u64,
    data: *mut u8,
    len: usize,
) -> Result<(), Error> {
    let arguments = BlockTransfer {
        handle: handle as u64,
        offset,
        data: data.expose_provenance() as u64,
        len: len as u64,
        ..BlockTransfer::default()
    };
    // SAFETY: the caller's promise.
    result(unsafe { call(number, arguments) }.result)
}

/// Sends a frame on the device `handle`.
pub(crate) fn net_write(handle: usize, frame: &[u8]) -> Result<(), Error> {
    let arguments = NetTransfer {
        handle: handle as u64,
        data: address(frame),
        len: frame.len() as u64,
        ..NetTransfer::default()
    };
    // SAFETY: the tender only reads `frame`.
    result(unsafe { call(Hypercall::NetWrite, arguments) }.result)
}

/// Receives a frame on the device `handle`, as much of it as there is room for, and returns its
/// length.
pub(crate) fn net_read(handle: usize, into: &mut [u8]) -> Result<usize, Error> {
    let arguments = NetTransfer {
        handle: handle as u64,
        data: into.as_mut_ptr().expose_provenance() as u64,
        len: into.len() as u64,
        ..NetTransfer::default()
    };
    // SAFETY: the tender writes at most `into.len()` bytes to `into`, which is ours to write.
    let done = unsafe { call(Hypercall::NetRead, arguments) };
    result(done.result)?;
    Ok(done.len as usize)
}

/// Ends the image with `status`. `cookie` is the address of a trap frame, or zero.
pub(crate) fn halt(status: u8, cookie: usize) -> ! {
    let arguments = Halt {
        cookie: cookie as u64,
        exit_status: status.into(),
        ..Halt::default()
    };
    loop {
        // SAFETY: the tender reads at most the trap frame, and nothing runs afterwards.
        unsafe { call(Hypercall::Halt, arguments) };
    }
}

fn address(bytes: &[u8]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

/// What a tender says of a call.
fn result(number: i32) -> Result<(), Error> {
    match number {
        OK => Ok(()),
        AGAIN => Err(Error::Again),
        INVALID => Err(Error::Invalid),
        _ => Err(Error::Unspecified),
    }
}

// SPDX-License-Identifier: ISC
//! The platform of a unikernel on a virtual CPU, under a tender.
//!
//! A tender (`fata-hvt` or Solo5's `solo5-hvt`) lays the image into the memory of a virtual machine
//! and starts its one CPU at [`entry`]. The image is alone there, at the highest privilege: it gives
//! itself page tables and takes exceptions ([`memory`], [`fata_platform_x86`]), and asks the tender
//! for all else by hypercalls, or by rings in memory where the tender has them. There are no
//! interrupts; waiting is a hypercall too.
//!
//! Read first: [`fata_abi::platform`], the contract that is implemented here, and [`fata_abi::hvt`],
//! the ABI below; what spt does the same way is in [`fata_platform_solo5`]. Modules: [`entry`] (first
//! instruction, notes), [`memory`], [`mod@machine`] (all state), [`net`], [`block`], [`ring`],
//! [`hypercall`].

#![no_std]

#[cfg(test)]
extern crate std;

mod block;
#[cfg(not(test))]
mod entry;
mod hypercall;
mod machine;
#[cfg(not(test))]
mod memory;
mod net;
#[cfg_attr(test, path = "tests/tender.rs")]
mod port;
mod ring;
#[cfg(test)]
mod tests;

use fata_abi::{
    BlockInfo, Error, Frame, Handle, HandleSet, Memory, NetInfo, Platform,
    block::{Completion, Request},
};

use machine::machine;

/// The hvt platform.
#[derive(Debug)]
pub struct Hvt;

fata_abi::export_platform!(Hvt);

impl Platform for Hvt {
    const NAME: &'static str = "hvt";

    fn command_line() -> &'static str {
        machine().shared.command_line()
    }

    fn memory() -> Memory {
        machine().shared.memory()
    }

    fn guard(start: usize, len: usize) -> Result<(), Error> {
        machine().guard(start, len)
    }

    fn exit(status: u8) -> ! {
        machine().exit(status)
    }

    fn abort() -> ! {
        // No trap frame: the registers of the CPU, as they are, tell where it was.
        hypercall::halt(255, 0)
    }

    fn console_write(bytes: &[u8]) {
        hypercall::puts(bytes);
    }

    fn clock_monotonic() -> u64 {
        machine().clock.now()
    }

    fn clock_wall() -> u64 {
        hypercall::wall_time()
    }

    fn entropy(seed: &mut [u8]) -> usize {
        machine().shared.seed.take(seed)
    }

    fn wait(deadline: u64) -> HandleSet {
        machine().wait(deadline)
    }

    fn net_open(handle: Handle) -> Result<NetInfo, Error> {
        machine().net_open(handle)
    }

    fn net_receive(handle: Handle) -> Result<Frame, Error> {
        machine().net_receive(handle)
    }

    fn net_reserve(handle: Handle, len: usize) -> Result<Frame, Error> {
        machine().net_reserve(handle, len)
    }

    fn net_send(handle: Handle, frame: Frame, tail: [&[u8]; 2]) -> Result<(), Error> {
        machine().net_send(handle, frame, tail)
    }

    fn net_flush(_handle: Handle) {
        machine().net_flush();
    }

    fn block_open(handle: Handle) -> Result<BlockInfo, Error> {
        machine().block_open(handle)
    }

    unsafe fn block_submit(handle: Handle, request: Request) -> Result<(), Error> {
        // SAFETY: the caller's promise about the request is passed on.
        unsafe { machine().block_submit(handle, request) }
    }

    fn block_complete(handle: Handle) -> Result<Completion, Error> {
        machine().block_complete(handle)
    }
}

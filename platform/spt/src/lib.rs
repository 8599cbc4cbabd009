// SPDX-License-Identifier: ISC
//! The platform of a unikernel in a sandboxed Linux process.
//!
//! A tender (`fata-spt` or Solo5's `solo5-spt`) maps the image into its own process, opens what the
//! manifest declares, gives up every system call but a handful and jumps to [`entry`]. From there on
//! the image makes those calls itself, so everything here is a thin shell around them: no threads,
//! no signals, no C library.
//!
//! Read first: [`fata_abi::platform`], the contract that is implemented here, and
//! [`fata_abi::spt`], the ABI below; what hvt does the same way is in [`fata_platform_solo5`].
//! Modules: [`entry`] (first instruction, notes), [`mod@machine`] (all state), [`wait`], [`net`],
//! [`block`], [`syscall`] (the only assembly).

#![no_std]

#[cfg(test)]
extern crate std;

mod block;
#[cfg(not(test))]
mod entry;
mod machine;
mod net;
mod syscall;
mod wait;

use block::SystemCalls;
use fata_abi::{
    BlockInfo, Error, Frame, Handle, HandleSet, Memory, NetInfo, Platform,
    block::{Completion, Request},
};
use machine::machine;

/// The spt platform.
#[derive(Debug)]
pub struct Spt;

fata_abi::export_platform!(Spt);

impl Platform for Spt {
    const NAME: &'static str = "spt";

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
        syscall::exit_group(status)
    }

    fn abort() -> ! {
        syscall::exit_group(255)
    }

    fn console_write(mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match syscall::write(syscall::STDOUT, bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or(&[]),
                Err(syscall::EINTR) => {}
                // Nobody reads, or not fast enough: the console never holds up the image.
                Err(_) => return,
            }
        }
    }

    fn clock_monotonic() -> u64 {
        syscall::clock_gettime(syscall::CLOCK_MONOTONIC)
    }

    fn clock_wall() -> u64 {
        syscall::clock_gettime(syscall::CLOCK_REALTIME)
    }

    fn entropy(seed: &mut [u8]) -> usize {
        machine().shared.seed.take(seed)
    }

    fn wait(deadline: u64) -> HandleSet {
        machine().wait(deadline)
    }

    fn net_open(handle: Handle) -> Result<NetInfo, Error> {
        machine().shared.net_open(handle)
    }

    fn net_receive(handle: Handle) -> Result<Frame, Error> {
        machine().net_receive(handle)
    }

    fn net_reserve(handle: Handle, len: usize) -> Result<Frame, Error> {
        machine().shared.net_reserve(handle, len)
    }

    fn net_send(handle: Handle, frame: Frame, tail: [&[u8]; 2]) -> Result<(), Error> {
        net::send(machine().shared.net(handle)?, frame, tail)
    }

    fn net_flush(_handle: Handle) {
        // Every frame went out by itself.
    }

    fn block_open(handle: Handle) -> Result<BlockInfo, Error> {
        machine().shared.block_open(handle)
    }

    unsafe fn block_submit(handle: Handle, request: Request) -> Result<(), Error> {
        // SAFETY: the caller's promise about the request is passed on.
        unsafe {
            machine()
                .shared
                .block_submit::<SystemCalls>(handle, request)
        }
    }

    fn block_complete(handle: Handle) -> Result<Completion, Error> {
        machine().shared.block_complete(handle)
    }
}

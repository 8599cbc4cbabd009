// SPDX-License-Identifier: ISC
//! The platform of a unikernel that is an ordinary process: for development, with debugger, tests
//! and everything else a host has.
//!
//! The process is its own tender. It takes the tender's options before the program's arguments,
//! connects the devices of the manifest with the tender's own code (`fata-tender`), and then is to
//! the program what a sandbox would be, less the walls: Linux system calls, one for a frame or a
//! block request. It starts in `start`; where that never ran, as in a test, there are no devices
//! and everything else works.
//!
//! Read first: [`fata_abi::platform`], the contract that is implemented here.

mod block;
mod command_line;
mod machine;
mod memory;
mod net;
pub mod report;
mod start;

use fata_abi::{
    BlockInfo, Error, Frame, Handle, HandleSet, Memory, NetInfo, Platform,
    block::{Completion, Request},
};
use machine::machine;
use rustix::{io::Errno, time::ClockId};

/// The unix platform.
#[derive(Debug)]
pub struct Unix;

fata_abi::export_platform!(Unix);

impl Platform for Unix {
    const NAME: &'static str = "unix";

    fn command_line() -> &'static str {
        &machine().command_line
    }

    fn memory() -> Memory {
        memory::region()
    }

    fn guard(start: usize, len: usize) -> Result<(), Error> {
        memory::guard(start, len)
    }

    fn exit(status: u8) -> ! {
        std::process::exit(status.into())
    }

    fn abort() -> ! {
        std::process::exit(255)
    }

    fn console_write(mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match rustix::io::write(rustix::stdio::stdout(), bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::INTR) => {}
                // Nobody reads, or not fast enough: the console never holds up the program.
                Err(_) => return,
            }
        }
    }

    fn clock_monotonic() -> u64 {
        clock(ClockId::Monotonic)
    }

    fn clock_wall() -> u64 {
        clock(ClockId::Realtime)
    }

    fn entropy(seed: &mut [u8]) -> usize {
        let flags = rustix::rand::GetRandomFlags::empty();
        rustix::rand::getrandom(seed, flags).unwrap_or(0)
    }

    fn wait(deadline: u64) -> HandleSet {
        machine().wait(deadline)
    }

    fn net_open(handle: Handle) -> Result<NetInfo, Error> {
        Ok(machine().net(handle)?.info())
    }

    fn net_receive(handle: Handle) -> Result<Frame, Error> {
        machine().net_receive(handle)
    }

    fn net_reserve(handle: Handle, len: usize) -> Result<Frame, Error> {
        machine().net(handle)?.reserve(len)
    }

    fn net_send(handle: Handle, frame: Frame, tail: [&[u8]; 2]) -> Result<(), Error> {
        machine().net(handle)?.send(&frame, tail)
    }

    fn net_flush(_handle: Handle) {
        // Every frame went out by itself.
    }

    fn block_open(handle: Handle) -> Result<BlockInfo, Error> {
        Ok(machine().block(handle)?.info())
    }

    unsafe fn block_submit(handle: Handle, request: Request) -> Result<(), Error> {
        let disk = machine().block(handle)?;
        // SAFETY: the caller's promise about the request is passed on.
        unsafe { disk.submit(request) }
    }

    fn block_complete(handle: Handle) -> Result<Completion, Error> {
        machine().block(handle)?.complete()
    }
}

fn clock(clock: ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

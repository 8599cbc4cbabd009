// SPDX-License-Identifier: ISC
//! What becomes of a guest that has stopped, without a hypervisor.

use std::os::fd::{BorrowedFd, RawFd};

use fata_tender_debug::{
    Registers,
    watch::{Point, SLOTS},
};

use super::*;
use crate::{cpu::PROBE, hypervisor::Failure};

/// A virtual CPU that stands at an address, and does nothing else.
struct Toy(u64);

impl Hypervisor for Toy {
    fn map(&mut self, _: &'static Memory) -> Result<(), Error> {
        unreachable!()
    }

    fn tsc_frequency(&self) -> Result<u64, Error> {
        unreachable!()
    }

    fn has_gigabyte_pages(&self) -> bool {
        unreachable!()
    }

    fn start(&mut self, _: u64, _: u64) -> Result<(), Error> {
        unreachable!()
    }

    fn kick(&mut self, _: u16, _: u32, _: BorrowedFd<'_>) -> Result<(), Error> {
        unreachable!()
    }

    fn descriptors(&self) -> Vec<RawFd> {
        unreachable!()
    }

    fn requests(&self) -> &'static [u64] {
        unreachable!()
    }

    fn debug_requests(&self) -> &'static [u64] {
        unreachable!()
    }

    fn run(&mut self) -> Exit {
        unreachable!()
    }

    fn instruction(&self) -> u64 {
        self.0
    }

    fn registers(&self) -> Result<Registers, Error> {
        unreachable!()
    }

    fn set_registers(&mut self, _: &Registers) -> Result<(), Error> {
        unreachable!()
    }

    fn translate(&self, _: u64) -> Option<u64> {
        unreachable!()
    }

    fn debug(&mut self, _: bool, _: &[Option<Point>; SLOTS]) -> Result<(), Error> {
        unreachable!()
    }
}

#[test]
fn the_cpu_is_to_blame_only_before_the_guest_has_called() {
    let halted = Exit::Failed(Failure::Halted);
    let call = |_, _| Ok(Outcome::Continue);
    let no_cpu = Turn::Ended {
        status: FAILURE,
        cookie: 0,
    };
    let (probe, elsewhere) = (Toy(PROBE + 8), Toy(0x10_0000));
    let mut called = false;
    assert_eq!(answer(halted, &mut called, &elsewhere, call), Turn::Stopped);
    assert_eq!(
        answer(Exit::Interrupted, &mut called, &probe, call),
        Turn::Again
    );
    assert_eq!(answer(halted, &mut called, &probe, call), no_cpu);
    let out = Exit::Out { port: 1, value: 2 };
    assert_eq!(answer(out, &mut called, &elsewhere, call), Turn::Again);
    assert_eq!(answer(halted, &mut called, &probe, call), Turn::Stopped);
}

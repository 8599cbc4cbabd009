// SPDX-License-Identifier: ISC
//! A guest on a virtual CPU that is a list of turns.

use std::{collections::VecDeque, fs};

use super::*;

/// What its memory holds, one page that its page tables have at [`MAPPED`].
const MAPPED: u64 = 0x40_0000;
const COOKIE: u64 = 0x200;

struct Toy {
    turns: VecDeque<(bool, Turn)>,
    memory: Vec<u8>,
    registers: Registers,
    /// What it was told last.
    steps: Option<bool>,
}

impl Toy {
    /// Turns, and whether each is expected to be one with a debugger.
    fn new(turns: &[(bool, Turn)]) -> Self {
        Self {
            turns: turns.iter().copied().collect(),
            memory: vec![0x90; PAGE_SIZE as usize],
            registers: Registers::default(),
            steps: None,
        }
    }
}

impl Machine for Toy {
    fn registers(&self) -> io::Result<Registers> {
        Ok(self.registers)
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        self.registers = *registers;
        Ok(())
    }

    fn debug(&mut self, step: bool, _: &[Option<Point>; SLOTS]) -> io::Result<()> {
        self.steps = Some(step);
        Ok(())
    }

    fn translate(&self, address: u64) -> Option<u64> {
        address.checked_sub(MAPPED).filter(|&at| at < PAGE_SIZE)
    }

    fn read(&self, place: u64, into: &mut [u8]) -> Option<()> {
        let bytes = self.memory.get(place as usize..)?.get(..into.len())?;
        into.copy_from_slice(bytes);
        Some(())
    }

    fn write(&mut self, place: u64, bytes: &[u8]) -> Option<()> {
        let place = self.memory.get_mut(place as usize..)?;
        place.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    fn regions(&self) -> Vec<Region> {
        vec![Region {
            start: 0,
            end: PAGE_SIZE,
            rights: 7,
        }]
    }

    fn turn(&mut self, attached: bool) -> Turn {
        let (expected, turn) = self.turns.pop_front().expect("a turn");
        assert_eq!(attached, expected);
        turn
    }
}

fn stop(guest: &mut Guest<Toy>) -> Stop {
    match guest.wait(None).unwrap() {
        Event::Stopped(stop) => stop,
        Event::Readable => panic!("there is no connection"),
    }
}

fn ended(status: u8, cookie: u64) -> Turn {
    Turn::Ended { status, cookie }
}

#[test]
fn memory_is_found_through_page_tables() {
    let mut guest = Guest::new(Toy::new(&[]), None);
    let mut bytes = [0; 16];
    assert_eq!(guest.read(MAPPED + PAGE_SIZE - 4, &mut bytes), 4);
    assert_eq!(bytes[..5], [0x90, 0x90, 0x90, 0x90, 0]);
    assert_eq!(guest.read(0, &mut bytes), 0);
    assert_eq!(guest.read(u64::MAX - 3, &mut bytes), 0);
    guest.write(MAPPED + 5, &[1, 2]).unwrap();
    assert_eq!(guest.machine.memory[4..8], [0x90, 1, 2, 0x90]);
    assert!(guest.write(MAPPED + PAGE_SIZE - 1, &[1, 2]).is_err());
}

#[test]
fn turns_become_stops() {
    let step = 1 << 14;
    let turns = [
        Turn::Again,
        Turn::Debug(step),
        Turn::Debug(0b100),
        ended(3, 0),
    ];
    let mut guest = Guest::new(Toy::new(&turns.map(|turn| (false, turn))), None);
    assert_eq!(stop(&mut guest), Stop::Step);
    assert_eq!(stop(&mut guest), Stop::Watch(2));
    assert_eq!(stop(&mut guest), Stop::Exited(3));
    assert_eq!(stop(&mut guest), Stop::Exited(3), "for good");
}

#[test]
fn who_was_made_to_step_runs_on_when_the_debugger_is_gone() {
    let mut guest = Guest::new(Toy::new(&[]), None);
    guest.resume(false, None).unwrap();
    assert_eq!(guest.machine.steps, None, "a host need not be able to");
    guest.attached = true;
    guest.resume(true, None).unwrap();
    assert_eq!(guest.machine.steps, Some(true));
    guest.attached = false;
    guest.resume(false, None).unwrap();
    assert_eq!(guest.machine.steps, Some(false));
}

#[test]
fn a_halt_of_its_own_is_what_it_is_without_a_debugger() {
    let again = (false, Turn::Again);
    let turns = [(true, Turn::Breakpoint), again, (false, Turn::Stopped)];
    let mut guest = Guest::new(Toy::new(&turns), None);
    guest.attached = true;
    guest.machine.registers.rip = 0x1001;
    assert_eq!(stop(&mut guest), Stop::Breakpoint(0x1000));
    let stopped = guest.own_breakpoint().unwrap();
    assert_eq!(stopped, Stop::Signal(SEGMENTATION_FAULT));
    assert_eq!(guest.machine.registers.rip, 0x1000, "it is made again");
    assert_eq!(stop(&mut guest), Stop::Exited(ABORTED));
}

#[test]
fn the_registers_of_a_fault_are_those_of_the_trap_frame() {
    let mut toy = Toy::new(&[(true, ended(ABORTED, COOKIE))]);
    // rip is the third word from the cookie on.
    toy.memory[COOKIE as usize + 16..][..8].copy_from_slice(&0x1234u64.to_le_bytes());
    let mut guest = Guest::new(toy, None);
    guest.attached = true;
    assert_eq!(stop(&mut guest), Stop::Signal(SEGMENTATION_FAULT));
    assert_eq!(guest.registers().unwrap().rip, 0x1234);
    assert_eq!(stop(&mut guest), Stop::Exited(ABORTED));

    for cookie in [0, 8, u64::MAX, PAGE_SIZE - 8] {
        let mut guest = Guest::new(Toy::new(&[(true, ended(ABORTED, cookie))]), None);
        guest.attached = true;
        assert_eq!(stop(&mut guest), Stop::Signal(ABORT), "{cookie:#x}");
        assert_eq!(guest.registers().unwrap().rip, 0);
    }
}

#[test]
fn who_fails_leaves_a_core_file_and_who_does_not_leaves_none() {
    let folder = std::env::temp_dir().join(format!("fata-machine-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let place = || Place::new(&folder, "fata-test", "image".as_ref()).unwrap();
    let mut guest = Guest::new(Toy::new(&[(false, ended(0, 0))]), Some(place()));
    assert_eq!(stop(&mut guest), Stop::Exited(0));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    let mut guest = Guest::new(Toy::new(&[(false, Turn::Stopped)]), Some(place()));
    assert_eq!(stop(&mut guest), Stop::Exited(ABORTED));
    let files: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(files.len(), 1, "{files:?}");
}

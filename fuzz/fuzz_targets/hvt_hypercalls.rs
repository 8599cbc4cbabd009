// SPDX-License-Identifier: ISC
//! Hypercalls of the hvt tender, made by a hostile guest with anything in its memory.
//!
//! After each call every byte of guest memory and of the disk that has changed must be one that the
//! call was to change, and none that nobody may write to. What is no guest memory is not mapped.

#![no_main]

use std::{
    cell::RefCell,
    fs::File,
    ops::Range,
    os::{fd::AsFd, unix::fs::FileExt},
};

use fata_abi::{
    hvt::{BlockTransfer, HYPERCALL_PORT, Hypercall, NetTransfer, OK, UNSPECIFIED},
    note::Target,
    spt,
};
use fata_hvt::{
    console::Console,
    hypercall::{Host, Outcome},
    memory::Memory,
};
use fata_tender::elf::{Abi, parse};
use libfuzzer_sys::fuzz_target;
use rustix::net::{RecvFlags, recv};

use assemble::{Assembly, TEXT, load};
use guest::{Attachment, NIC, Script, attach};

#[expect(dead_code, reason = "it can do more for the tests that it belongs to")]
#[path = "../../tender/core/src/elf/tests/assemble.rs"]
mod assemble;
#[path = "../shared/guest.rs"]
mod guest;

/// Where read-only data are, and from where on a guest may have written to memory.
const CONSTANTS: u64 = TEXT + 0x1000;
const DATA: u64 = TEXT + 0x2000;
/// The ranges that are memory, with a hole between.
const MEMORY: [Range<u64>; 2] = [0..0x4000, TEXT..DATA + 0x2000];
const CAPACITY: u64 = 0x2000;
/// Most bytes of the structure of a call.
const STRUCTURE: u64 = 40;

/// What all inputs share, as it is slow to make.
struct Machine {
    memory: Memory,
    attachment: Attachment,
    console: File,
}

thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::new(machine());
}

fn machine() -> Machine {
    let mut image = Assembly::new(&[0xcc; 0x1000]);
    image.headers[1].address = DATA;
    image
        .headers
        .insert(1, load(4, CONSTANTS, vec![0xa5; 0x1000]));
    let image = image.bytes();
    let image = &image[..];
    let abi = Abi {
        target: Target::Spt,
        version: spt::ABI_VERSION,
    };
    let parsed = parse(&image, abi).unwrap();
    let mut memory = Memory::new(&MEMORY).unwrap();
    memory.load(&image, &parsed).unwrap();
    memory.guard().unwrap();
    Machine {
        memory,
        attachment: attach(CAPACITY),
        console: File::create("/dev/null").unwrap(),
    }
}

/// All bytes that anything could be written to.
struct Snapshot {
    memory: [Vec<u8>; 2],
    disk: Vec<u8>,
}

impl Machine {
    fn reset(&self) {
        let image = vec![0; 0x2000];
        self.memory
            .writable(DATA, 0x2000)
            .unwrap()
            .copy_from(&image);
        let content: Vec<u8> = (0..CAPACITY).map(|n| n as u8 | 1).collect();
        self.attachment.file.write_all_at(&content, 0).unwrap();
        self.attachment.file.set_len(CAPACITY).unwrap();
        let device = &self.attachment.devices.nets[&(NIC as u64)];
        let into = self.memory.writable(DATA, 0x2000).unwrap();
        while device.receive(into).is_ok() {}
    }

    fn bytes(&self, range: &Range<u64>) -> Vec<u8> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let buffer = self.memory.readable(range.start, bytes.len() as u64);
        buffer.unwrap().copy_to(&mut bytes);
        bytes
    }

    fn snapshot(&self) -> Snapshot {
        let mut disk = vec![0; self.attachment.file.metadata().unwrap().len() as usize];
        self.attachment.file.read_exact_at(&mut disk, 0).unwrap();
        Snapshot {
            memory: MEMORY.each_ref().map(|range| self.bytes(range)),
            disk,
        }
    }
}

impl Script<'_> {
    /// A number that is near what makes sense, or any.
    fn number(&mut self) -> Option<u64> {
        let near = |base: u64, byte: u8| base.wrapping_add(i64::from(byte as i8) as u64);
        Some(match self.byte()? % 12 {
            0 => self.byte()?.into(),
            1 => u64::from(self.byte()?) << 9,
            2 => self.word()?.into(),
            3 => u64::from(self.word()?) << 32 | u64::from(self.word()?),
            4 => near(0, self.byte()?),
            5 => near(MEMORY[0].end, self.byte()?),
            6 => near(TEXT, self.byte()?),
            7 => near(DATA, self.byte()?),
            8 => near(MEMORY[1].end, self.byte()?),
            9 => near(1 << (self.byte()? % 64), self.byte()?),
            _ => DATA + u64::from(self.word()? % 0x2000),
        })
    }
}

/// Which bytes of memory, and of the disk, the call may change whose structure is at `at` now.
fn allowed(machine: &Machine, call: Hypercall, at: u64) -> (Vec<Range<u64>>, Range<u64>) {
    let span = |start: u64, len: u64| start..start.saturating_add(len);
    let mut memory = vec![span(at, STRUCTURE)];
    let mut disk = 0..0;
    match call {
        Hypercall::BlockRead | Hypercall::BlockWrite => {
            let transfer: BlockTransfer = machine.memory.read(at).unwrap_or_default();
            match call {
                Hypercall::BlockRead => memory.push(span(transfer.data, transfer.len)),
                _ => disk = span(transfer.offset, transfer.len),
            }
        }
        Hypercall::NetRead => {
            let transfer: NetTransfer = machine.memory.read(at).unwrap_or_default();
            memory.push(span(transfer.data, transfer.len));
        }
        Hypercall::Puts | Hypercall::Halt | Hypercall::NetWrite => {}
        Hypercall::WallTime | Hypercall::Poll => {}
    }
    (memory, disk)
}

/// Checks that nothing has changed but what is `allowed` to; `start` is where the bytes are.
fn unchanged(before: &[u8], after: &[u8], start: u64, allowed: impl Fn(u64) -> bool) {
    assert_eq!(before.len(), after.len());
    for (at, (old, new)) in (start..).zip(before.iter().zip(after)) {
        assert!(old == new || allowed(at), "{at:#x} has changed");
    }
}

/// Makes a call, judges what it did, and returns whether the guest goes on.
fn call(machine: &Machine, port: u16, value: u32) -> bool {
    let mut host = Host {
        memory: &machine.memory,
        devices: &machine.attachment.devices,
        rings: None,
        console: Console::new(machine.console.as_fd()),
    };
    // So that no wait is long.
    let _ = rustix::io::write(&machine.attachment.wire, &[0x5a; 60]);
    let at = u64::from(value);
    let number = port.checked_sub(HYPERCALL_PORT).and_then(Hypercall::new);
    let (memory, disk) = number.map_or((vec![], 0..0), |number| allowed(machine, number, at));
    let before = machine.snapshot();
    let outcome = host.call(port, value);
    let after = machine.snapshot();
    for (range, (old, new)) in MEMORY.iter().zip(before.memory.iter().zip(&after.memory)) {
        unchanged(old, new, range.start, |at| {
            at >= DATA && memory.iter().any(|range| range.contains(&at))
        });
    }
    unchanged(&before.disk, &after.disk, 0, |at| disk.contains(&at));
    match outcome {
        Err(fault) => assert!(!fault.to_string().is_empty()),
        Ok(Outcome::Halted { .. }) => {}
        Ok(Outcome::Continue) => {
            result(machine, number.expect("a call"), at);
            return true;
        }
    }
    false
}

/// A call that was answered has a result that there is.
fn result(machine: &Machine, call: Hypercall, at: u64) {
    let result = match call {
        Hypercall::BlockRead | Hypercall::BlockWrite => {
            machine.memory.read::<BlockTransfer>(at).unwrap().result
        }
        Hypercall::NetRead | Hypercall::NetWrite => {
            machine.memory.read::<NetTransfer>(at).unwrap().result
        }
        _ => OK,
    };
    assert!((OK..=UNSPECIFIED).contains(&result), "{result}");
}

fn play(machine: &Machine, data: &[u8]) -> Option<()> {
    let mut script = Script(data);
    loop {
        let kind = script.byte()?;
        if kind & 7 == 0 {
            let (port, value) = (script.word()?, script.word()?);
            if !call(machine, port as u16, value) {
                return None;
            }
            continue;
        }
        let at = script.number()?;
        for n in 0..STRUCTURE / 8 {
            let word = script.number()?.to_le_bytes();
            if let Ok(place) = machine.memory.writable(at.wrapping_add(8 * n), 8) {
                place.copy_from(&word);
            }
        }
        let port = HYPERCALL_PORT + u16::from(kind >> 3) % 10;
        if !call(machine, port, at as u32) {
            return None;
        }
    }
}

fuzz_target!(|data: &[u8]| {
    MACHINE.with_borrow(|machine| {
        machine.reset();
        let _ = play(machine, data);
        let mut frame = vec![0; 0x20_0000];
        while let Ok((len, _)) = recv(&machine.attachment.wire, &mut frame[..], RecvFlags::empty())
        {
            assert!(len as u64 <= MEMORY[1].end - MEMORY[1].start);
        }
    });
});

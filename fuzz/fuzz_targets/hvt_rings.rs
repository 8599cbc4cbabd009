// SPDX-License-Identifier: ISC
//! Both rings of the hvt tender, written to by a hostile guest between and under its rounds.

#![no_main]

use std::{cell::RefCell, sync::atomic::Ordering::Relaxed};

use fata_abi::{
    HandleSet,
    hvt::ring::{BLOCK_RING_OFFSET, RINGS_SIZE, Ring, SLOTS},
};
use fata_hvt::{
    memory::Memory,
    ring::{Bell, Host, Lie, Wake, block::Block, net::Net},
};
use libfuzzer_sys::fuzz_target;
use rustix::net::{RecvFlags, recv};

use guest::{Attachment, NIC, Script, attach};

const START: u64 = 0x10_0000;
const END: u64 = START + 0x2_0000;
const CAPACITY: u64 = 0x8000;

#[path = "../shared/guest.rs"]
mod guest;

/// What all inputs share, as it is slow to make.
struct Machine {
    memory: &'static Memory,
    attachment: &'static Attachment,
}

thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::new(machine());
}

fn machine() -> Machine {
    let memory = Memory::new(&[0..0x1_0000, START..END + RINGS_SIZE]).unwrap();
    Machine {
        memory: Box::leak(Box::new(memory)),
        attachment: Box::leak(Box::new(attach(CAPACITY))),
    }
}

/// Writes an entry: some members near what makes sense, some as they come. Returns where its memory
/// ends.
fn write(ring: &Ring, tail: u32, script: &mut Script<'_>) -> Option<u64> {
    let slot = &ring.entries[(tail % SLOTS) as usize];
    let (kind, operation) = (script.byte()?, script.byte()?);
    slot.operation.store(u32::from(operation % 8), Relaxed);
    let handle = if kind & 1 == 0 {
        1 + u32::from(operation >> 7)
    } else {
        script.word()?
    };
    slot.handle.store(handle, Relaxed);
    let data = match kind & 6 {
        0 => u64::from(script.word()?) << 32 | u64::from(script.word()?),
        _ => START + u64::from(script.word()? % 0x3_0000),
    };
    slot.data.store(data, Relaxed);
    let len = match kind & 24 {
        0 => script.word()?,
        8 => script.word()? % 0x3000,
        _ => u32::from(script.byte()?) * 512,
    };
    slot.len.store(len, Relaxed);
    let offset = match kind & 32 {
        0 => u64::from(script.byte()? % 70) * 512,
        _ => u64::from(script.word()?) << script.byte()? % 40,
    };
    slot.offset.store(offset, Relaxed);
    Some(data.saturating_add(len.into()))
}

fn play(machine: &Machine, data: &[u8]) -> Option<Lie> {
    let mut script = Script(data);
    let lends = script.byte()? & 1 != 0;
    let at = [END, END + BLOCK_RING_OFFSET];
    let rings = at.map(|address| machine.memory.ring(address).unwrap());
    let wake = Wake::new(rings);
    let bell = Bell::new().unwrap();
    let (memory, devices) = (machine.memory, &machine.attachment.devices);
    let mut net = Net::new(memory, devices, lends, &bell).unwrap();
    let block = Block { memory, devices };
    let [mut net_host, mut block_host] = rings.map(|ring| Host::new(ring, &wake));
    let mut readable = HandleSet::EMPTY;
    let mut tails = [0u32; 2];
    // Whether the guest left indices alone that it does not own.
    let mut honest = true;
    while let Some(step) = script.byte() {
        let which = usize::from(step & 1);
        let (ring, tail) = (rings[which], &mut tails[which]);
        match step >> 1 & 7 {
            0 => ring.entries_tail.store(*tail, Relaxed),
            1 => {
                ring.entries_tail.store(script.word()?, Relaxed);
            }
            2 => {
                honest = false;
                ring.commits_head.store(script.word()?, Relaxed);
            }
            3 => {
                let written = ring.commits_tail.load(Relaxed);
                ring.commits_head.store(written, Relaxed);
            }
            4 => {
                let _ = rustix::io::write(&machine.attachment.wire, &data[..data.len().min(1000)]);
                readable.0 |= u64::from(script.byte()?);
            }
            5 => {
                let result = match which {
                    0 => net.round(&mut net_host, &mut readable),
                    _ => block.round(&mut block_host),
                };
                if let Err(lie) = result {
                    return Some(lie);
                }
            }
            _ => {
                honest &= write(ring, *tail, &mut script)? <= END;
                *tail = tail.wrapping_add(1);
            }
        }
        for ring in rings.iter().filter(|_| honest) {
            let written = ring.commits_tail.load(Relaxed);
            assert!(written.wrapping_sub(ring.commits_head.load(Relaxed)) <= SLOTS);
        }
    }
    None
}

fuzz_target!(|data: &[u8]| {
    MACHINE.with_borrow(|machine| {
        // Without what an input before has left there.
        machine.memory.put(END, &[0; RINGS_SIZE as usize]).unwrap();
        if let Some(lie) = play(machine, data) {
            assert!(!lie.to_string().is_empty());
        }
        assert_eq!(machine.attachment.file.metadata().unwrap().len(), CAPACITY);
        let mut frame = vec![0; 0x2_0000];
        while let Ok((len, _)) = recv(&machine.attachment.wire, &mut frame[..], RecvFlags::empty())
        {
            assert!(len > 0 && len < 65536 + 64);
        }
        // And what nobody took of what was sent to the guest.
        let device = &machine.attachment.devices.nets[&(NIC as u64)];
        let into = machine.memory.writable(START, 2000).unwrap();
        while device.receive(into).is_ok() {}
    });
});

// SPDX-License-Identifier: ISC
//! The platform over a tender of the test's own.

use core::alloc::Layout;
use std::{boxed::Box, vec, vec::Vec};

use fata_abi::{
    Error, Handle, HandleSet,
    block::{Completion, Operation, Request},
    hvt::BootInfo,
    manifest::{Attachment, ENTRY_SIZE, HEADER_SIZE, Manifest, Properties},
    offer::Offer,
};

use crate::{
    block::Hypercalls,
    hypercall,
    machine::Machine,
    net,
    port::{BLOCK, NET, Session, Tender, WALL},
};

const MEMORY: usize = 1 << 20;
const SECOND: u64 = 1_000_000_000;

fn handle(index: u64) -> Handle {
    Handle::new(index as usize).unwrap()
}

/// A manifest with a network device and a block device of 4 blocks.
fn manifest() -> &'static [u8] {
    let mut bytes = vec![0u8; HEADER_SIZE + 3 * ENTRY_SIZE];
    bytes[0] = 1;
    bytes[4] = 3;
    bytes[HEADER_SIZE + 68..][..4].copy_from_slice(&(1u32 << 30).to_le_bytes());
    for (index, kind) in [(NET as usize, 2), (BLOCK as usize, 1)] {
        let entry = &mut bytes[HEADER_SIZE + index * ENTRY_SIZE..];
        entry[0] = b'a' + index as u8;
        entry[68] = kind;
    }
    let mut manifest = Manifest::parse(bytes).unwrap();
    let net = Properties::Net {
        mac: [2, 3, 4, 5, 6, 7],
        mtu: 1500,
    };
    let block = Properties::Block {
        capacity: 2048,
        block_size: 512,
    };
    for (index, properties) in [(NET, net), (BLOCK, block)] {
        manifest.attach(index as usize, Attachment { fd: -1, properties });
    }
    Vec::leak(manifest.as_bytes().to_vec())
}

/// A machine on memory that the test lays out as a tender does, and where that begins.
fn start() -> (&'static Machine, usize) {
    let layout = Layout::from_size_align(MEMORY, 4096).unwrap();
    // SAFETY: the size is not zero.
    let memory = unsafe { std::alloc::alloc_zeroed(layout) }.expose_provenance();
    let info = BootInfo {
        mem_size: (memory + MEMORY) as u64,
        cpu_cycle_freq: 1 << 31,
        command_line: vec![b'x', 0].leak().as_mut_ptr().expose_provenance() as u64,
        manifest: manifest().as_ptr().expose_provenance() as u64,
        ..BootInfo::default()
    };
    let machine = Box::leak(Box::new(Machine::new()));
    // SAFETY: everything is as a tender would have written it, and the machine is new.
    unsafe { machine.init(&info, &Offer::NOTHING, memory, None) };
    (machine, memory)
}

/// Receives a frame, whose buffer stays lent: it would go back to the machine of the image.
fn receive(machine: &Machine) -> Result<Vec<u8>, Error> {
    let frame = machine.net_receive(handle(NET))?;
    let bytes = frame.to_vec();
    core::mem::forget(frame);
    Ok(bytes)
}

#[test]
fn words_and_time_pass() {
    let session = Session::start(Tender::default());
    hypercall::puts(b"to the ");
    hypercall::puts(b"");
    hypercall::puts(b"console");
    session.with(|tender| assert_eq!(tender.console, b"to the console"));
    assert_eq!(hypercall::wall_time(), WALL);
    let (machine, _) = start();
    assert_eq!(machine.shared.command_line(), "x");
}

#[test]
fn frames_pass_both_ways_and_long_ones_are_dropped() {
    let session = Session::start(Tender::default());
    let (machine, _) = start();
    machine.shared.net_open(handle(NET)).unwrap();
    session.with(|tender| {
        tender.arriving = [vec![1; 60], vec![2; 3000], vec![3; 1514]].into();
    });
    assert_eq!(receive(machine), Ok(vec![1; 60]));
    assert_eq!(receive(machine), Ok(vec![3; 1514]));
    assert_eq!(receive(machine), Err(Error::Again));
    let mut frame = machine.shared.net_reserve(handle(NET), 60).unwrap();
    frame.fill(4);
    let nic = machine.shared.net(handle(NET)).unwrap();
    assert_eq!(net::send(handle(NET), nic, &frame, [&[]; 2]), Ok(()));
    let tailed = net::send(handle(NET), nic, &frame, [b"x", b""]);
    assert_eq!(tailed, Err(Error::Invalid), "nothing gathers");
    core::mem::forget(frame);
    session.with(|tender| assert_eq!(tender.sent, [[4; 60]]));
}

#[test]
fn waits_end_with_time_or_a_device() {
    let session = Session::start(Tender::default());
    let (machine, _) = start();
    let polls = || session.with(|tender| core::mem::take(&mut tender.polls));
    assert_eq!(machine.wait(0), HandleSet::EMPTY);
    assert!(polls().is_empty(), "nobody uses a device");
    let deadline = machine.clock.now() + 100 * SECOND;
    assert_eq!(machine.wait(deadline), HandleSet::EMPTY);
    let timeout = polls()[0];
    assert!((50 * SECOND..=100 * SECOND).contains(&timeout), "{timeout}");
    machine.wait(u64::MAX);
    assert_eq!(polls(), [i64::MAX as u64]);
    machine.shared.net_open(handle(NET)).unwrap();
    assert_eq!(machine.wait(0), HandleSet::EMPTY);
    assert_eq!(polls(), [0], "a look at the devices");
    session.with(|tender| tender.arriving.push_back(vec![1; 60]));
    assert_eq!(machine.wait(u64::MAX), HandleSet(1 << NET));
    assert_eq!(receive(machine), Ok(vec![1; 60]));
}

#[test]
fn what_comes_for_an_unopened_device_is_nobodys() {
    let session = Session::start(Tender::default());
    let (machine, _) = start();
    session.with(|tender| tender.arriving = [vec![1; 60], vec![2; 60]].into());
    assert_eq!(machine.wait(u64::MAX), HandleSet::EMPTY);
    session.with(|tender| assert!(tender.arriving.is_empty()));
}

#[test]
fn frames_that_found_no_buffer_are_told_of_when_there_is_one() {
    let session = Session::start(Tender::default());
    let (machine, _) = start();
    machine.shared.net_open(handle(NET)).unwrap();
    let pool = &machine.shared.pool;
    let kept: Vec<_> = core::iter::from_fn(|| pool.take_to_receive(false)).collect();
    session.with(|tender| tender.arriving.push_back(vec![1; 60]));
    assert_eq!(receive(machine), Err(Error::Again));
    core::mem::forget(kept);
    pool.give_back(0);
    session.with(|tender| tender.polls.clear());
    assert_eq!(machine.wait(u64::MAX), HandleSet(1 << NET));
    session.with(|tender| assert_eq!(tender.polls, [0], "no time to sleep"));
    assert_eq!(receive(machine), Ok(vec![1; 60]));
}

#[test]
fn blocks_go_where_they_should_one_a_call() {
    let session = Session::start(Tender {
        disk: vec![0; 1536],
        ..Tender::default()
    });
    let (machine, _) = start();
    let info = machine.shared.block_open(handle(BLOCK)).unwrap();
    assert_eq!((info.capacity, info.max_transfer), (2048, 512));
    let mut data = [7; 512];
    let mut carry_out = |operation, offset| {
        let request = Request {
            operation,
            offset,
            data: data.as_mut_ptr(),
            len: data.len(),
            tag: offset,
        };
        let shared = &machine.shared;
        // SAFETY: the memory is ours, and the device is done with it when the call returns.
        unsafe { shared.block_submit::<Hypercalls>(handle(BLOCK), request) }?;
        assert_eq!(machine.wait(u64::MAX), HandleSet(1 << BLOCK));
        shared.block_complete(handle(BLOCK))
    };
    let done = |tag| Completion {
        tag,
        result: Ok(()),
    };
    assert_eq!(carry_out(Operation::Write, 512), Ok(done(512)));
    session.with(|tender| {
        assert!(tender.disk[512..1024].iter().all(|&byte| byte == 7));
        assert_eq!(tender.disk[511], 0);
        tender.disk[1024..].fill(9);
    });
    assert_eq!(carry_out(Operation::Read, 1024), Ok(done(1024)));
    let failed = carry_out(Operation::Read, 1536).unwrap();
    assert_eq!(failed.result, Err(Error::Unspecified), "the host failed");
    assert_eq!(carry_out(Operation::Read, 2048), Err(Error::Invalid));
    assert_eq!(data, [9; 512]);
    session.with(|tender| {
        assert_eq!(tender.transfers, [512; 3]);
        assert!(tender.polls.is_empty(), "the tender knows nothing of it");
    });
}

#[test]
fn a_stack_ends_at_its_guard() {
    let _session = Session::start(Tender::default());
    let (machine, memory) = start();
    let free = machine.shared.memory();
    assert_eq!(machine.stack(), free.start..memory + MEMORY);
    assert_eq!(machine.guard(free.end, 4096), Err(Error::Invalid));
    // A test has no page tables.
    let refused = machine.guard(free.end - 8192, 4096);
    assert_eq!(refused, Err(Error::Unspecified));
    assert_eq!(machine.stack().start, free.start);
}

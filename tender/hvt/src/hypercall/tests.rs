// SPDX-License-Identifier: ISC
//! Hypercalls without a hypervisor: the structure in memory, the call, and what became of it.

use std::{
    io::{Read, Seek},
    os::fd::{AsFd, OwnedFd},
};

use fata_abi::{
    hvt::{AGAIN, UNSPECIFIED},
    manifest::Properties,
};
use fata_tender::attach::Attached;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::*;
use crate::memory::Plain;

/// Where calls and buffers of the tests are.
const CALL: u32 = 0x10_1000;
const DATA: u64 = 0x10_2000;
const END: u64 = 0x10_8000;
const NET: u64 = 1;
const BLOCK: u64 = 2;
const BLOCK_SIZE: u64 = 512;
const CAPACITY: u64 = 4 * BLOCK_SIZE;

struct World {
    memory: Memory,
    devices: Devices,
    console: std::fs::File,
    /// The other side of the network device.
    peer: OwnedFd,
}

impl World {
    fn new() -> Self {
        let kind = SocketType::SEQPACKET;
        let flags = SocketFlags::NONBLOCK;
        let (net, peer) = socketpair(AddressFamily::UNIX, kind, flags, None).unwrap();
        let disk = file();
        disk.set_len(CAPACITY).unwrap();
        let mac = [2; 6];
        let net = attached(NET, net, Properties::Net { mac, mtu: 1500 });
        let block_size = BLOCK_SIZE as u16;
        let disk = attached(
            BLOCK,
            disk.into(),
            Properties::Block {
                capacity: CAPACITY,
                block_size,
            },
        );
        Self {
            memory: Memory::new(&[0..0x20000, 0x10_0000..END]).unwrap(),
            devices: Devices::new(vec![net, disk]),
            console: file(),
            peer,
        }
    }

    fn call(&self, call: Hypercall, at: u32) -> Result<Outcome, Fault> {
        let mut host = Host {
            memory: &self.memory,
            devices: &self.devices,
            rings: None,
            console: Console::new(self.console.as_fd()),
        };
        host.call(HYPERCALL_PORT + call as u16, at)
    }

    /// Makes a call that succeeds as such, and returns its structure afterwards.
    #[track_caller]
    fn made<T: Plain>(&self, call: Hypercall, argument: T) -> T {
        self.memory.write(CALL.into(), argument).unwrap();
        assert_eq!(self.call(call, CALL), Ok(Outcome::Continue));
        self.memory.read(CALL.into()).unwrap()
    }

    /// Makes a call that ends the guest, and returns its bad pointer.
    #[track_caller]
    fn fault<T: Plain>(&self, call: Hypercall, argument: T) -> u64 {
        self.memory.write(CALL.into(), argument).unwrap();
        match self.call(call, CALL) {
            Err(Fault::Pointer(of, bad)) if of == call => bad.address,
            other => panic!("{other:?}"),
        }
    }

    fn block(&self, call: Hypercall, offset: u64, data: u64, len: u64) -> i32 {
        let transfer = BlockTransfer {
            handle: BLOCK,
            offset,
            data,
            len,
            ..BlockTransfer::default()
        };
        self.made(call, transfer).result
    }

    fn poll(&self, timeout: u64) -> (i32, u64) {
        let poll = Poll {
            timeout,
            ..Poll::default()
        };
        let poll = self.made(Hypercall::Poll, poll);
        (poll.result, poll.ready_set)
    }
}

fn attached(index: u64, descriptor: OwnedFd, properties: Properties) -> Attached {
    Attached {
        index: index as usize,
        descriptor,
        properties,
        vnet: None,
    }
}

/// A file without a name.
fn file() -> std::fs::File {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::TMPFILE;
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::open(std::env::temp_dir(), flags, mode)
        .unwrap()
        .into()
}

fn net(data: u64, len: u64) -> NetTransfer {
    NetTransfer {
        handle: NET,
        data,
        len,
        ..NetTransfer::default()
    }
}

#[test]
fn text_reaches_the_console() {
    let mut world = World::new();
    world.memory.put(DATA, b"hello").unwrap();
    world.made(Hypercall::Puts, Puts { data: DATA, len: 5 });
    world.made(Hypercall::Puts, Puts { data: 1, len: 0 });
    let end = Puts {
        data: END - 1,
        len: 1,
    };
    world.made(Hypercall::Puts, end);
    world.console.rewind().unwrap();
    let mut text = Vec::new();
    world.console.read_to_end(&mut text).unwrap();
    assert_eq!(text, b"hello\0");
}

#[test]
fn a_console_that_nobody_reads_does_not_hold_the_guest() {
    let world = World::new();
    let (kind, flags) = (SocketType::STREAM, SocketFlags::NONBLOCK);
    let (reader, writer) = socketpair(AddressFamily::UNIX, kind, flags, None).unwrap();
    let puts = Puts {
        data: 0x10_0000,
        len: END - 0x10_0000,
    };
    world.memory.write(CALL.into(), puts).unwrap();
    let mut host = Host {
        memory: &world.memory,
        devices: &world.devices,
        rings: None,
        console: Console::new(writer.as_fd()),
    };
    let port = HYPERCALL_PORT + Hypercall::Puts as u16;
    let start = Instant::now();
    let mut fill = || {
        for _ in 0..200 {
            assert_eq!(host.call(port, CALL), Ok(Outcome::Continue));
        }
    };
    fill();
    // It was waited for once.
    assert!(start.elapsed() < Duration::from_secs(100));
    drop(reader);
    fill();
}

#[test]
fn blocks_are_read_and_written() {
    let world = World::new();
    world.memory.put(DATA, &[7; 1024]).unwrap();
    let offset = CAPACITY - 1024;
    assert_eq!(world.block(Hypercall::BlockWrite, offset, DATA, 1024), OK);
    assert_eq!(
        world.block(Hypercall::BlockRead, offset, DATA + 2048, 512),
        OK
    );
    let mut bytes = [0; 513];
    world
        .memory
        .readable(DATA + 2048, 513)
        .unwrap()
        .copy_to(&mut bytes);
    assert_eq!((bytes[0], bytes[511], bytes[512]), (7, 7, 0));
}

#[test]
fn blocks_beyond_the_device_are_refused() {
    let world = World::new();
    for call in [Hypercall::BlockRead, Hypercall::BlockWrite] {
        for (offset, len) in [
            (CAPACITY, 0),
            (CAPACITY, 512),
            (CAPACITY - 512, 1024),
            (0, CAPACITY + 1),
            (u64::MAX, 512),
            (u64::MAX - 511, 512),
            (512, u64::MAX - 511),
            (0, u64::MAX),
            // On the device, but no blocks: its last bytes are behind what the filter allows.
            (CAPACITY - 1, 1),
            (CAPACITY - 511, 511),
            (1, 512),
            (0, 511),
        ] {
            // The device is asked before the pointer, as in Solo5.
            assert_eq!(world.block(call, offset, u64::MAX, len), INVALID);
        }
        let wrong = BlockTransfer {
            handle: NET,
            data: DATA,
            len: 512,
            ..BlockTransfer::default()
        };
        assert_eq!(world.made(call, wrong).result, INVALID);
        for (offset, data) in [(0, END - 511), (512, 0x2_0000), (0, u64::MAX)] {
            let transfer = BlockTransfer {
                handle: BLOCK,
                offset,
                data,
                len: 512,
                ..BlockTransfer::default()
            };
            assert_eq!(world.fault(call, transfer), data);
        }
    }
}

#[test]
fn a_disk_that_became_shorter_is_an_error() {
    let world = World::new();
    let disk = &world.devices.blocks[&BLOCK];
    rustix::fs::ftruncate(&disk.descriptor, 512).unwrap();
    assert_eq!(world.block(Hypercall::BlockRead, 0, DATA, 512), OK);
    assert_eq!(
        world.block(Hypercall::BlockRead, 512, DATA, 512),
        UNSPECIFIED
    );
}

#[test]
fn frames_go_both_ways() {
    let world = World::new();
    world.memory.put(DATA, &[9; 60]).unwrap();
    assert_eq!(world.made(Hypercall::NetWrite, net(DATA, 60)).result, OK);
    let mut frame = [0; 100];
    assert_eq!(rustix::io::read(&world.peer, &mut frame), Ok(60));
    assert_eq!(frame[59], 9);

    assert_eq!(
        world.made(Hypercall::NetRead, net(DATA, 1514)).result,
        AGAIN
    );
    rustix::io::write(&world.peer, &[5; 42]).unwrap();
    let read = world.made(Hypercall::NetRead, net(DATA, 1514));
    assert_eq!((read.result, read.len), (OK, 42));
    assert_eq!(world.made(Hypercall::NetRead, net(DATA, 0)).result, INVALID);
    assert_eq!(world.fault(Hypercall::NetRead, net(END - 1, 2)), END - 1);
    assert_eq!(world.fault(Hypercall::NetWrite, net(DATA, u64::MAX)), DATA);
    for handle in [0, BLOCK, 3, 64, u64::MAX] {
        let wrong = NetTransfer {
            handle,
            ..net(DATA, 60)
        };
        assert_eq!(world.made(Hypercall::NetWrite, wrong).result, INVALID);
        assert_eq!(world.made(Hypercall::NetRead, wrong).result, INVALID);
    }
}

#[test]
fn a_network_that_is_full_loses_frames() {
    let world = World::new();
    for _ in 0..10_000 {
        assert_eq!(world.made(Hypercall::NetWrite, net(DATA, 1500)).result, OK);
    }
}

#[test]
fn poll_tells_which_devices_have_frames() {
    let world = World::new();
    assert_eq!(world.poll(0), (0, 0));
    let start = Instant::now();
    assert_eq!(world.poll(20_000_000), (0, 0));
    assert!(start.elapsed() >= Duration::from_millis(20));
    rustix::io::write(&world.peer, &[5; 42]).unwrap();
    // Until it is read.
    for timeout in [0, 1 << 40, u64::MAX] {
        assert_eq!(world.poll(timeout), (1, 1 << NET));
    }
    world.made(Hypercall::NetRead, net(DATA, 1514));
    assert_eq!(world.poll(0), (0, 0));
}

#[test]
fn a_network_that_is_gone_is_ready_once() {
    let mut world = World::new();
    world.peer = file().into();
    assert_eq!(world.poll(u64::MAX), (1, 1 << NET));
    assert_eq!(
        world.made(Hypercall::NetRead, net(DATA, 1514)).result,
        AGAIN
    );
    assert_eq!(world.poll(1_000_000), (0, 0));
}

#[test]
fn time_passes() {
    let world = World::new();
    let now = world.made(Hypercall::WallTime, WallTime::default());
    // After 2026, before 2200.
    assert!((1_767_225_600_000_000_000..7_258_118_400_000_000_000).contains(&now.nanoseconds));
}

#[test]
fn halting_has_a_status_and_perhaps_a_cookie() {
    let world = World::new();
    for cookie in [0, END - COOKIE_SIZE] {
        let halt = Halt {
            cookie,
            exit_status: -1,
            padding: 0,
        };
        world.memory.write(CALL.into(), halt).unwrap();
        let status = -1;
        let outcome = world.call(Hypercall::Halt, CALL);
        assert_eq!(outcome, Ok(Outcome::Halted { status, cookie }));
    }
    let cookie = END - COOKIE_SIZE + 1;
    let halt = Halt {
        cookie,
        ..Halt::default()
    };
    assert_eq!(world.fault(Hypercall::Halt, halt), cookie);
}

#[test]
fn bad_structures_and_ports_end_the_guest() {
    let world = World::new();
    let calls = (1..=8).map(|number| Hypercall::new(number).unwrap());
    for (call, at) in
        calls.flat_map(|call| [0x2_0000, END as u32 - 7, u32::MAX].map(|at| (call, at)))
    {
        let fault = world.call(call, at).unwrap_err();
        assert!(matches!(fault, Fault::Pointer(of, _) if of == call));
        assert!(fault.to_string().contains(&format!("{call:?}")), "{fault}");
    }
    let mut host = Host {
        memory: &world.memory,
        devices: &world.devices,
        rings: None,
        console: Console::new(world.console.as_fd()),
    };
    for port in [0, 0x4ff, 0x500, 0x509, 0x600, u16::MAX] {
        assert_eq!(host.call(port, CALL), Err(Fault::Port(port)));
    }
}

// SPDX-License-Identifier: ISC
//! A machine on memory that the test lays out as a tender does.

use std::{
    boxed::Box,
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    string::String,
    vec,
    vec::Vec,
};

use fata_abi::{
    manifest::{Attachment, DeviceKind},
    note,
};
use rustix::{
    event::epoll::{self, EventData, EventFlags},
    time::{TimerfdClockId, TimerfdFlags, timerfd_create},
};

use super::*;

const MEMORY: usize = 1 << 20;

/// Memory of a guest: page aligned, zero, never freed.
fn guest_memory() -> usize {
    let layout = core::alloc::Layout::from_size_align(MEMORY, PAGE).unwrap();
    // SAFETY: the size is not zero.
    unsafe { std::alloc::alloc_zeroed(layout) }.expose_provenance()
}

fn manifest_with(devices: &[(DeviceKind, Option<Properties>)]) -> &'static [u8] {
    manifest_at(10, devices)
}

/// The devices have the descriptors from `first_fd` on.
fn manifest_at(first_fd: i32, devices: &[(DeviceKind, Option<Properties>)]) -> &'static [u8] {
    let mut bytes = vec![0u8; HEADER_SIZE + (devices.len() + 1) * ENTRY_SIZE];
    bytes[0] = 1;
    bytes[4] = devices.len() as u8 + 1;
    bytes[HEADER_SIZE + 68..][..4].copy_from_slice(&(1u32 << 30).to_le_bytes());
    for (n, (kind, _)) in devices.iter().enumerate() {
        let entry = &mut bytes[HEADER_SIZE + (n + 1) * ENTRY_SIZE..];
        entry[0] = b'a' + n as u8;
        entry[68] = match kind {
            DeviceKind::Block => 1,
            DeviceKind::Net => 2,
        };
    }
    let mut manifest = Manifest::parse(bytes).unwrap();
    for (n, (_, properties)) in devices.iter().enumerate() {
        let fd = first_fd + n as i32;
        if let Some(properties) = *properties {
            manifest.attach(n + 1, Attachment { fd, properties });
        }
    }
    Vec::leak(manifest.as_bytes().to_vec())
}

fn start(manifest: &'static [u8], command_line: &[u8], offer: &Offer) -> (&'static Machine, usize) {
    start_waiting(manifest, command_line, offer, (-1, -1))
}

/// As [`start`], with descriptors to wait on.
fn start_waiting(
    manifest: &'static [u8],
    command_line: &[u8],
    offer: &Offer,
    waiting: (i32, i32),
) -> (&'static Machine, usize) {
    let memory = guest_memory();
    let mut command_line = command_line.to_vec();
    command_line.push(0);
    let info = BootInfo {
        mem_size: (memory + MEMORY) as u64,
        kernel_end: 0,
        command_line: Vec::leak(command_line).as_mut_ptr().expose_provenance() as u64,
        manifest: manifest.as_ptr().expose_provenance() as u64,
        epoll_fd: waiting.0,
        timer_fd: waiting.1,
    };
    let machine = Box::leak(Box::new(Machine::new()));
    // SAFETY: everything is as a tender would have written it, and the machine is new.
    unsafe { machine.init(&info, offer, memory + 1) };
    (machine, memory)
}

const NET: (DeviceKind, Option<Properties>) = (
    DeviceKind::Net,
    Some(Properties::Net {
        mac: [2, 3, 4, 5, 6, 7],
        mtu: 1500,
    }),
);
const BLOCK: (DeviceKind, Option<Properties>) = (
    DeviceKind::Block,
    Some(Properties::Block {
        capacity: 1 << 20,
        block_size: 4096,
    }),
);

#[test]
fn an_image_without_devices_gives_up_no_memory() {
    let (machine, memory) = start(manifest_with(&[]), b"", &Offer::NOTHING);
    let expected = Memory {
        start: memory + PAGE,
        end: memory + MEMORY,
        stack_inside: true,
    };
    assert_eq!(machine.memory.get(), expected);
    assert!(machine.pool.take(false).is_none());
    assert!(machine.net(Handle::new(1).unwrap()).is_err());
}

#[test]
fn devices_are_found_by_their_handle() {
    let manifest = manifest_with(&[BLOCK, NET, (DeviceKind::Net, None)]);
    let (machine, memory) = start(manifest, b"", &Offer::NOTHING);
    let [block, net, unattached] = [1, 2, 3].map(|n| Handle::new(n).unwrap());
    let info = machine.block(block).unwrap().info();
    assert_eq!(
        (info.block_size, info.max_transfer, info.flush),
        (4096, 4096, false)
    );
    let nic = machine.net(net).unwrap();
    assert_eq!(
        (nic.fd, nic.mac, nic.info().max_frame),
        (11, [2, 3, 4, 5, 6, 7], 1514)
    );
    assert_eq!(machine.net(block).err(), Some(Error::Invalid));
    assert_eq!(machine.block(net).err(), Some(Error::Invalid));
    assert_eq!(machine.net(unattached).err(), Some(Error::Invalid));
    let taken = machine.memory.get().start - (memory + PAGE);
    let pool = Sizes {
        mtu: 1500,
        large: 0,
    };
    assert!((pool.bytes()..pool.bytes() + 3 * PAGE).contains(&taken));
    assert_eq!(machine.blocks.complete(block), Err(Error::Again));
}

#[test]
fn offers_are_used_as_they_are_made() {
    let mut offer = Offer {
        features: OFFER_SEED | OFFER_TRANSFER | OFFER_FLUSH,
        max_transfer: 65536 + 100,
        ..Offer::NOTHING
    };
    offer
        .seed
        .iter_mut()
        .enumerate()
        .for_each(|(n, byte)| *byte = n as u8 + 1);
    let (machine, _) = start(manifest_with(&[BLOCK]), b"", &offer);
    let info = machine.block(Handle::new(1).unwrap()).unwrap().info();
    assert_eq!((info.max_transfer, info.flush), (65536, true));
    let mut seed = [0; 100];
    assert_eq!(machine.seed.take(&mut seed[..40]), 40);
    assert_eq!(machine.seed.take(&mut seed[40..]), 24);
    assert_eq!(machine.seed.take(&mut [0; 8]), 0);
    seed[..64].sort_unstable();
    assert_eq!(seed[..64], offer.seed, "bytes lost or given twice");
    assert!(
        machine.seed.bytes.iter().all(|byte| byte.get() == 0),
        "seed left in memory"
    );
    // An offer that is shorter than a block is none.
    offer.max_transfer = 100;
    let (machine, _) = start(manifest_with(&[BLOCK]), b"", &offer);
    let info = machine.block(Handle::new(1).unwrap()).unwrap().info();
    assert_eq!(info.max_transfer, 4096);
}

#[test]
fn the_command_line_is_text_whatever_was_typed() {
    for (typed, expected) in [
        (&b""[..], String::new()),
        (b"--port=53 'a b'", "--port=53 'a b'".into()),
        ("grüße".as_bytes(), "grüße".into()),
        (b"a\xffb\xc3", "a?b?".into()),
    ] {
        let (machine, _) = start(manifest_with(&[]), typed, &Offer::NOTHING);
        assert_eq!(machine.command_line.get().unwrap(), expected);
    }
}

#[test]
fn a_guard_is_whole_pages_of_free_memory() {
    let offer = Offer {
        features: OFFER_GUARD,
        ..Offer::NOTHING
    };
    let (machine, memory) = start(manifest_with(&[]), b"", &offer);
    for (start, len) in [
        (memory, PAGE),
        (memory + MEMORY, PAGE),
        (memory + PAGE, MEMORY),
        (memory + PAGE + 1, PAGE),
        (memory + PAGE, 1),
        (usize::MAX - PAGE + 1, PAGE),
    ] {
        assert_eq!(machine.guard(start, len), Err(Error::Invalid));
    }
    assert_eq!(machine.guard(memory + 8 * PAGE, PAGE), Ok(()));
    let (machine, memory) = start(manifest_with(&[]), b"", &Offer::NOTHING);
    assert_eq!(
        machine.guard(memory + 8 * PAGE, PAGE),
        Err(Error::Unspecified)
    );
}

#[test]
fn entries_of_a_manifest_are_where_the_tests_put_them() {
    // The tests above write a manifest by hand; this one ties them to the encoder.
    const DEVICES: [fata_abi::manifest::Device<'_>; 1] = [fata_abi::manifest::Device {
        name: "a",
        kind: DeviceKind::Net,
    }];
    const NOTE: note::Note<{ fata_abi::manifest::note_size(1) }> =
        fata_abi::manifest::encode_note(&DEVICES);
    assert_eq!(NOTE.0[24..], *manifest_with(&[(DeviceKind::Net, None)]));
}

/// A machine with one network device, the other end of its wire, and what has to be kept open.
fn wired(edge: bool) -> (&'static Machine, UnixDatagram, impl Sized) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).unwrap();
    let timer_data = EventData::new_u64(fata_abi::spt::EPOLL_TIMER);
    epoll::add(&epoll, &timer, timer_data, EventFlags::IN).unwrap();
    let mut offer = Offer::NOTHING;
    let mut flags = EventFlags::IN;
    if edge {
        offer.features = OFFER_EDGE;
        flags |= EventFlags::ET;
    }
    epoll::add(&epoll, &ours, EventData::new_u64(1), flags).unwrap();
    let manifest = manifest_at(ours.as_raw_fd(), &[NET]);
    let waiting = (epoll.as_raw_fd(), timer.as_raw_fd());
    let (machine, _) = start_waiting(manifest, b"", &offer, waiting);
    (machine, theirs, (ours, epoll, timer))
}

/// Receives a frame, whose buffer stays lent: it would go back to the machine of the image.
fn receive(machine: &Machine) -> Result<Vec<u8>, Error> {
    let frame = machine.net_receive(Handle::new(1).unwrap())?;
    let bytes = frame.to_vec();
    core::mem::forget(frame);
    Ok(bytes)
}

/// How often `wait` returns in 50 ms.
fn turns(machine: &Machine) -> usize {
    let now = || syscall::clock_gettime(syscall::CLOCK_MONOTONIC);
    let end = now() + 50_000_000;
    let mut turns = 0;
    while now() < end {
        machine.wait(end);
        turns += 1;
    }
    turns
}

#[test]
fn what_nobody_reads_or_is_gone_does_not_keep_a_wait_from_waiting() {
    let net = Handle::new(1).unwrap();
    let (machine, theirs, _open) = wired(true);
    machine.net_open(net).unwrap();
    theirs.send(&[0; 60]).unwrap();
    theirs.send(&[0; 60]).unwrap();
    assert!(turns(machine) <= 3, "frames that nobody reads");
    drop(theirs);
    assert!(turns(machine) <= 3, "a device that is gone");
    assert!(receive(machine).is_ok());
    assert!(receive(machine).is_ok());
    assert!(receive(machine).is_err());
    assert!(turns(machine) <= 3, "a device known to be gone");
}

#[test]
fn what_comes_for_an_unopened_device_is_nobodys() {
    let net = Handle::new(1).unwrap();
    let (machine, theirs, _open) = wired(false);
    for _ in 0..3 {
        theirs.send(&[0; 1514]).unwrap();
    }
    assert!(turns(machine) <= 3);
    machine.net_open(net).unwrap();
    theirs.send(&[1; 60]).unwrap();
    assert_eq!(machine.wait(u64::MAX), HandleSet(1 << 1));
    assert_eq!(receive(machine).unwrap(), [1; 60]);
    assert_eq!(receive(machine), Err(Error::Again));
}

#[test]
fn frames_that_found_no_buffer_are_told_of_when_there_is_one() {
    let net = Handle::new(1).unwrap();
    let (machine, theirs, _open) = wired(true);
    machine.net_open(net).unwrap();
    theirs.send(&[1; 60]).unwrap();
    assert_eq!(machine.wait(u64::MAX), HandleSet(1 << 1));
    let kept: Vec<Frame> = core::iter::from_fn(|| machine.pool.take_to_receive(false)).collect();
    assert_eq!(receive(machine), Err(Error::Again));
    assert_eq!(machine.wait(0), HandleSet::EMPTY);
    core::mem::forget(kept);
    machine.pool.give_back(0);
    assert_eq!(machine.wait(u64::MAX), HandleSet(1 << 1));
    assert_eq!(receive(machine).unwrap(), [1; 60]);
}

#[test]
fn devices_do_what_is_offered_for_each() {
    let manifest = manifest_with(&[NET, NET, NET, BLOCK]);
    let mut offer = Offer {
        features: OFFER_VNET | OFFER_GATHER,
        vnet: 0b0110,
        vnet_udp: 0b0100,
        // The third has no header, so it cannot say what is large.
        vnet_large: 0b1010,
        ..Offer::NOTHING
    };
    let info = |offer: &Offer, index| {
        let (machine, _) = start(manifest, b"", offer);
        machine.net_open(Handle::new(index).unwrap()).unwrap()
    };
    let [first, second, third] = [1, 2, 3].map(|index| info(&offer, index));
    let tcp = Capabilities {
        checksum: true,
        tcp4: true,
        tcp6: true,
        gather: true,
        ..Capabilities::default()
    };
    let large = Capabilities {
        receive_large: true,
        ..tcp
    };
    assert_eq!((first.offload, first.max_frame), (large, 65549));
    let udp = Capabilities { udp: true, ..tcp };
    assert_eq!((second.offload, second.max_frame), (udp, 65549));
    let gather = Capabilities {
        gather: true,
        ..Capabilities::default()
    };
    assert_eq!((third.offload, third.max_frame), (gather, 1514));
    // One device takes large frames, and half of the most buffers are its own to keep.
    let kept = (large_buffers(u64::MAX) / 2) as u16;
    assert_eq!([first.keep, second.keep, third.keep], [kept, 0, 0]);
    // A tender that does not let headers be written has none.
    offer.features = OFFER_VNET;
    assert_eq!(info(&offer, 1).offload, Capabilities::default());
    offer.features = 0;
    assert_eq!(info(&offer, 2).offload, Capabilities::default());
}

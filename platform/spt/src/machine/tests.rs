// SPDX-License-Identifier: ISC
//! A machine on memory and descriptors that the test lays out as a tender does.

use std::{
    boxed::Box,
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    vec,
    vec::Vec,
};

use fata_abi::manifest::{Attachment, ENTRY_SIZE, HEADER_SIZE, Manifest, Properties};
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

/// A manifest with one device, if that is attached to something.
pub(crate) fn manifest(device: Option<Attachment>) -> &'static [u8] {
    let entries = 1 + device.iter().len();
    let mut bytes = vec![0u8; HEADER_SIZE + entries * ENTRY_SIZE];
    bytes[0] = 1;
    bytes[4] = entries as u8;
    bytes[HEADER_SIZE + 68..][..4].copy_from_slice(&(1u32 << 30).to_le_bytes());
    if let Some(device) = device {
        let entry = &mut bytes[HEADER_SIZE + ENTRY_SIZE..];
        entry[0] = b'a';
        entry[68] = match device.properties {
            Properties::Block { .. } => 1,
            Properties::Net { .. } => 2,
        };
    }
    let mut manifest = Manifest::parse(bytes).unwrap();
    if let Some(device) = device {
        manifest.attach(1, device);
    }
    Vec::leak(manifest.as_bytes().to_vec())
}

/// A machine with descriptors to wait on.
pub(crate) fn start(
    manifest: &'static [u8],
    offer: &Offer,
    (epoll_fd, timer_fd): (i32, i32),
) -> (&'static Machine, usize) {
    let memory = guest_memory();
    let info = BootInfo {
        mem_size: (memory + MEMORY) as u64,
        kernel_end: 0,
        command_line: vec![0u8].leak().as_mut_ptr().expose_provenance() as u64,
        manifest: manifest.as_ptr().expose_provenance() as u64,
        epoll_fd,
        timer_fd,
    };
    let machine = Box::leak(Box::new(Machine::new()));
    // SAFETY: everything is as a tender would have written it, and the machine is new.
    unsafe { machine.init(&info, offer, memory + 1) };
    (machine, memory)
}

#[test]
fn a_guard_is_set_where_the_tender_offers_it() {
    let offer = Offer {
        features: OFFER_GUARD,
        ..Offer::NOTHING
    };
    let (machine, memory) = start(manifest(None), &offer, (-1, -1));
    assert_eq!(machine.guard(memory, PAGE), Err(Error::Invalid));
    assert_eq!(machine.guard(memory + 8 * PAGE, PAGE), Ok(()));
    let (machine, memory) = start(manifest(None), &Offer::NOTHING, (-1, -1));
    assert_eq!(
        machine.guard(memory + 8 * PAGE, PAGE),
        Err(Error::Unspecified)
    );
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
    let properties = Properties::Net {
        mac: [2, 3, 4, 5, 6, 7],
        mtu: 1500,
    };
    let fd = ours.as_raw_fd();
    let manifest = manifest(Some(Attachment { fd, properties }));
    let waiting = (epoll.as_raw_fd(), timer.as_raw_fd());
    let (machine, _) = start(manifest, &offer, waiting);
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
    machine.shared.net_open(net).unwrap();
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
    machine.shared.net_open(net).unwrap();
    theirs.send(&[1; 60]).unwrap();
    assert_eq!(machine.wait(u64::MAX), HandleSet(1 << 1));
    assert_eq!(receive(machine).unwrap(), [1; 60]);
    assert_eq!(receive(machine), Err(Error::Again));
}

#[test]
fn frames_that_found_no_buffer_are_told_of_when_there_is_one() {
    let net = Handle::new(1).unwrap();
    let (machine, theirs, _open) = wired(true);
    machine.shared.net_open(net).unwrap();
    theirs.send(&[1; 60]).unwrap();
    assert_eq!(machine.wait(u64::MAX), HandleSet(1 << 1));
    let kept: Vec<Frame> =
        core::iter::from_fn(|| machine.shared.pool.take_to_receive(false)).collect();
    assert_eq!(receive(machine), Err(Error::Again));
    assert_eq!(machine.wait(0), HandleSet::EMPTY);
    core::mem::forget(kept);
    machine.shared.pool.give_back(0);
    assert_eq!(machine.wait(u64::MAX), HandleSet(1 << 1));
    assert_eq!(receive(machine).unwrap(), [1; 60]);
}

// SPDX-License-Identifier: ISC
//! Frames between guest memory and sockets that stand for taps.

use std::{os::fd::OwnedFd, thread, time::Duration};

use fata_abi::{
    hvt::{AGAIN, ring::RINGS_SIZE},
    manifest::Properties,
};
use fata_tender::attach::Attached;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

use super::{
    super::{
        Wake, serve,
        tests::{Guest, Random},
    },
    *,
};

const START: u64 = 0x100000;
const END: u64 = START + 0x100000;
const NIC: u32 = 3;
const GONE: u32 = 5;

fn memory() -> Memory {
    Memory::new(&[0..0x20000, START..END + RINGS_SIZE]).unwrap()
}

/// A device, and what is behind it.
fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

fn entry(operation: u32, handle: u32, data: u64, len: u32, id: u32) -> Request {
    Request {
        operation,
        handle,
        data,
        len,
        id,
        offset: 0,
    }
}

/// What arrived behind a device.
fn arrived(wire: &OwnedFd) -> Option<Vec<u8>> {
    let mut frame = vec![0; 100_000];
    let (len, _) = recv(wire, &mut frame, RecvFlags::empty()).ok()?;
    frame.truncate(len);
    Some(frame)
}

fn devices(descriptors: impl IntoIterator<Item = (u32, OwnedFd)>) -> Devices {
    let attached = descriptors
        .into_iter()
        .map(|(handle, descriptor)| Attached {
            index: handle as usize,
            descriptor,
            properties: Properties::Net {
                mac: [0; 6],
                mtu: 1500,
            },
            vnet: None,
        });
    Devices::new(attached.collect())
}

/// A guest on a ring that no thread serves.
struct Bench<'m> {
    memory: &'m Memory,
    guest: Guest<'m>,
    host: Host<'m>,
    net: Net<'m>,
    readable: HandleSet,
    /// What is behind its device.
    wire: OwnedFd,
}

impl Bench<'_> {
    fn round(&mut self) -> Result<bool, Lie> {
        self.net.round(&mut self.host, &mut self.readable)
    }
}

fn with(lends: bool, test: impl FnOnce(&mut Bench<'_>)) {
    let memory = memory();
    let (device, wire) = pair();
    let devices = devices([(NIC, device), (GONE, pair().0)]);
    let mut guest = Guest::new(memory.ring(END).unwrap());
    let wake = Wake::new([guest.ring; 2]);
    let bell = guest.bell();
    test(&mut Bench {
        memory: &memory,
        host: Host::new(guest.ring, &wake),
        guest,
        net: Net::new(&memory, &devices, lends, &bell).unwrap(),
        readable: HandleSet::EMPTY,
        wire,
    });
}

#[test]
fn frames_are_sent_and_others_passed_over() {
    with(true, |bench| {
        bench.memory.put(START, b"frame").unwrap();
        bench.guest.write(entry(NET_WRITE, NIC, START, 5, 0));
        // Nothing, too much, no such device, one that is gone, no such operation.
        bench.guest.write(entry(NET_WRITE, NIC, START, 0, 0));
        bench
            .guest
            .write(entry(NET_WRITE, NIC, START, LONGEST + 1, 0));
        bench.guest.write(entry(NET_WRITE, 4, START, 5, 0));
        bench.guest.write(entry(NET_WRITE, u32::MAX, START, 5, 0));
        bench.guest.write(entry(NET_WRITE, GONE, START, 5, 0));
        bench.guest.write(entry(0, NIC, u64::MAX, u32::MAX, 0));
        bench.guest.write(entry(NET_WRITE, NIC, START, LONGEST, 0));
        bench.guest.submit();
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(arrived(&bench.wire).unwrap(), b"frame");
        assert_eq!(arrived(&bench.wire).unwrap().len(), LONGEST as usize);
        assert_eq!(arrived(&bench.wire), None);
        assert_eq!(bench.guest.take(), None);
        // A queue that nobody empties loses frames and holds up nobody.
        for _ in 0..SLOTS {
            bench.guest.write(entry(NET_WRITE, NIC, START, 1500, 0));
        }
        bench.guest.submit();
        for _ in 0..SLOTS / BATCH {
            assert_eq!(bench.round(), Ok(false));
        }
        assert_eq!(bench.host.pending(), Ok(0));
    });
}

#[test]
fn frames_fill_lent_buffers_in_order() {
    with(true, |bench| {
        for id in 0..3 {
            bench
                .guest
                .write(entry(NET_READ, NIC, START + 8 * u64::from(id), 8, id));
        }
        bench.guest.write(entry(NET_READ, NIC, START, 0, 7));
        bench.guest.write(entry(NET_READ, 2, START, 8, 8));
        bench.guest.submit();
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(bench.guest.take(), Some((7, INVALID, 0)));
        assert_eq!(bench.guest.take(), Some((8, INVALID, 0)));
        assert_eq!(bench.guest.take(), None);
        for frame in [&b"one"[..], b"second", b"the longest", b"fourth"] {
            rustix::io::write(&bench.wire, frame).unwrap();
        }
        bench.readable.0 = 1 << NIC;
        // The fourth waits for a buffer.
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(bench.guest.take(), Some((0, OK, 3)));
        assert_eq!(bench.guest.take(), Some((1, OK, 6)));
        assert_eq!(bench.guest.take(), Some((2, OK, 8)));
        assert_eq!(bench.guest.take(), None);
        let mut bytes = [0; 24];
        bench
            .memory
            .readable(START, 24)
            .unwrap()
            .copy_to(&mut bytes);
        assert_eq!(&bytes, b"one\0\0\0\0\0second\0\0the long");
        bench.guest.write(entry(NET_READ, NIC, START, 8, 9));
        bench.guest.submit();
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(bench.guest.take(), Some((9, OK, 6)));
        // More than a batch has come for as many buffers.
        for id in 0..BATCH + 2 {
            bench.guest.write(entry(NET_READ, NIC, START, 8, id));
            rustix::io::write(&bench.wire, b"frame").unwrap();
        }
        bench.guest.submit();
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(bench.round(), Ok(false));
        for id in 0..BATCH + 2 {
            assert_eq!(bench.guest.take(), Some((id, OK, 5)));
        }
    });
}

#[test]
fn a_device_that_is_gone_is_silent() {
    with(true, |bench| {
        bench.guest.write(entry(NET_READ, GONE, START, 8, 1));
        bench.guest.submit();
        bench.readable.0 = 1 << GONE | 1 << 60;
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(bench.guest.take(), None);
        assert_eq!(bench.readable.0, 1 << 60);
    });
}

#[test]
fn a_guest_that_lends_nothing_is_answered_at_once() {
    with(false, |bench| {
        rustix::io::write(&bench.wire, b"frame").unwrap();
        for id in 0..2 {
            bench.guest.write(entry(NET_READ, NIC, START, 1500, id));
        }
        bench.guest.write(entry(NET_READ, 1, START, 1500, 2));
        bench.guest.submit();
        assert_eq!(bench.round(), Ok(false));
        assert_eq!(bench.guest.take(), Some((0, OK, 5)));
        assert_eq!(bench.guest.take(), Some((1, AGAIN, 0)));
        assert_eq!(bench.guest.take(), Some((2, INVALID, 0)));
    });
}

#[test]
fn lies_end_the_guest() {
    for (operation, data, len) in [
        (NET_WRITE, END - 1 + RINGS_SIZE, 2),
        (NET_WRITE, u64::MAX, 1),
        (NET_READ, 0x20000, 1),
        (NET_READ, 0, u32::MAX),
    ] {
        for lends in [false, true] {
            with(lends, |bench| {
                bench.guest.write(entry(operation, NIC, data, len, 0));
                bench.guest.submit();
                assert!(matches!(bench.round(), Err(Lie::Pointer(_))));
            });
        }
    }
    with(true, |bench| {
        for turn in 0..=SLOTS / BATCH {
            for id in 0..BATCH {
                bench.guest.write(entry(NET_READ, NIC, START, 8, id));
            }
            bench.guest.submit();
            let full = turn == SLOTS / BATCH;
            let expected = if full { Err(Lie::Commits) } else { Ok(false) };
            assert_eq!(bench.round(), expected);
        }
    });
}

#[test]
fn whatever_a_guest_writes_memory_that_it_did_not_lend_stays() {
    let mut random = Random(4);
    let (mut lies, mut commits) = (0, 0);
    for _ in 0..300 {
        with(true, |bench| {
            for _ in 0..20 {
                for _ in 0..random.below(40) {
                    let data = match random.below(60) {
                        0 => u64::from(random.below(u32::MAX)) << random.below(32),
                        _ => START + 0x8000 + u64::from(random.below(0x8000)),
                    };
                    let most = [64, 2048, 0x8000][random.below(3) as usize];
                    let len = random.below(most);
                    let handle = [NIC, NIC, GONE, random.below(70)][random.below(4) as usize];
                    bench
                        .guest
                        .write(entry(random.below(7), handle, data, len, 0));
                    let _ = rustix::io::write(&bench.wire, &[0xff; 700]);
                }
                bench.guest.submit();
                if random.below(100) == 0 {
                    let index = random.below(u32::MAX);
                    bench
                        .guest
                        .ring
                        .commits_head
                        .store(index, super::super::Relaxed);
                }
                bench.readable.0 |= 2 << random.below(63);
                lies += u32::from(bench.round().is_err());
                assert!(
                    bench
                        .net
                        .lent
                        .iter()
                        .all(|lent| lent.len() <= SLOTS as usize)
                );
                commits += bench.guest.take().map_or(0, |_| 1);
                while arrived(&bench.wire).is_some() {}
            }
            // Below what honest entries lend nothing is written but by wild ones that were refused.
            let mut bytes = vec![0; 0x20000];
            bench
                .memory
                .readable(0, 0x20000)
                .unwrap()
                .copy_to(&mut bytes);
            assert!(bytes.iter().all(|&byte| byte == 0));
        });
    }
    assert!(lies > 0 && commits > 0);
}

#[test]
fn a_thread_moves_frames_both_ways_and_sleeps_through_none() {
    const FRAMES: u32 = 20_000;
    const LENT: u32 = 3;
    let memory = memory();
    let (device, wire) = pair();
    let devices = devices([(NIC, device)]);
    let mut guest = Guest::new(memory.ring(END).unwrap());
    let wake = Wake::new([guest.ring; 2]);
    let bell = guest.bell();
    let mut net = Net::new(&memory, &devices, true, &bell).unwrap();
    let host = Host::new(guest.ring, &wake);
    thread::scope(|scope| {
        let server =
            scope.spawn(move || serve(host, &bell, |host, set| net.round(host, set)).unwrap_err());
        // Behind the device everything is sent back.
        rustix::io::ioctl_fionbio(&wire, false).unwrap();
        scope.spawn(|| {
            while let Some(frame) = arrived(&wire) {
                if frame == b"end" {
                    return;
                }
                rustix::io::write(&wire, &frame).unwrap();
            }
        });
        let at = |id: u32| START + 64 * u64::from(id % 64);
        // So few that they are often used up.
        for id in 0..LENT {
            guest.write(entry(NET_READ, NIC, 0x8000 + at(id), 64, id));
        }
        let mut sent = 0;
        for received in 0..FRAMES {
            // So few on the way that no queue is full.
            while sent < FRAMES && sent < received + 5 {
                memory.put(at(sent), &sent.to_ne_bytes()).unwrap();
                guest.write(entry(NET_WRITE, NIC, at(sent), 4, 0));
                sent += 1;
            }
            guest.submit();
            let commit = loop {
                match guest.take() {
                    Some(commit) => break commit,
                    None => wake.wait(Duration::from_secs(20)),
                }
            };
            assert_eq!(commit, (received, OK, 4), "or a wake-up was lost");
            let mut bytes = [0; 4];
            let frame = memory.readable(0x8000 + at(received), 4).unwrap();
            frame.copy_to(&mut bytes);
            assert_eq!(u32::from_ne_bytes(bytes), received);
            let id = received + LENT;
            guest.write(entry(NET_READ, NIC, 0x8000 + at(id), 64, id));
            guest.submit();
        }
        memory.put(START, b"end").unwrap();
        guest.write(entry(NET_WRITE, NIC, START, 3, 0));
        guest.write(entry(NET_WRITE, NIC, u64::MAX, 3, 0));
        guest.submit();
        assert!(matches!(server.join().unwrap(), Lie::Pointer(_)));
    });
}

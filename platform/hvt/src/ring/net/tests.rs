// SPDX-License-Identifier: ISC
//! Frames between a guest and a host that the test plays, on one thread: one that keeps to the
//! rules, and one that does not.

use std::{
    collections::{HashSet, VecDeque},
    sync::atomic::Ordering::{Relaxed, SeqCst},
    thread_local, vec,
    vec::Vec,
};

use fata_abi::{
    hvt::{
        INVALID,
        ring::{Ring, SLOTS},
    },
    net::{Capabilities, Checksum},
};
use fata_platform_solo5::pool::Sizes;

use super::{super::tests::ring, *};

#[path = "../../../../solo5/src/pool/tests/fixture.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod fixture;

thread_local! {
    static KICKS: Cell<usize> = const { Cell::new(0) };
    /// What the host does when it is given time.
    static RESTS: Cell<fn()> = const { Cell::new(|| ()) };
}

const MTU: u16 = 1500;

struct Bed {
    frames: Frames,
    pool: &'static Pool,
    ring: &'static Ring,
    /// The host's side.
    taken: u32,
    written: u32,
    lent: [VecDeque<(u64, u32, u32)>; 4],
    sent: Vec<(u32, Vec<u8>)>,
}

impl Bed {
    fn new(large: usize) -> Self {
        let pool = fixture::pool_of(Sizes { mtu: MTU, large });
        let ring = ring();
        let frames = Frames::new();
        frames.ring.init(super::super::Line {
            ring,
            number: 0,
            kick: |_| KICKS.set(KICKS.get() + 1),
            rest: || RESTS.get()(),
        });
        Self {
            frames,
            pool,
            ring,
            taken: 0,
            written: 0,
            lent: Default::default(),
            sent: Vec::new(),
        }
    }

    /// The host takes all entries.
    fn take(&mut self) {
        let tail = self.ring.entries_tail.load(SeqCst);
        while self.taken != tail {
            let slot = &self.ring.entries[(self.taken % SLOTS) as usize];
            let (data, len) = (slot.data.load(Relaxed), slot.len.load(Relaxed));
            let (handle, id) = (slot.handle.load(Relaxed), slot.id.load(Relaxed));
            if slot.operation.load(Relaxed) == NET_WRITE {
                let data: *const u8 = core::ptr::with_exposed_provenance(data as usize);
                // SAFETY: the guest lends it until the head passes.
                let bytes = unsafe { core::slice::from_raw_parts(data, len as usize) };
                self.sent.push((handle, bytes.to_vec()));
            } else {
                self.lent[handle as usize].push_back((data, len, id));
            }
            self.taken = self.taken.wrapping_add(1);
        }
        self.ring.entries_head.store(self.taken, SeqCst);
    }

    /// The host fills the next buffer of a device. False if it has none.
    fn deliver(&mut self, handle: usize, bytes: &[u8]) -> bool {
        let Some((data, len, id)) = self.lent[handle].pop_front() else {
            return false;
        };
        let len = bytes.len().min(len as usize);
        let data: *mut u8 = core::ptr::with_exposed_provenance_mut(data as usize);
        // SAFETY: the guest has lent as many bytes.
        unsafe { data.copy_from_nonoverlapping(bytes.as_ptr(), len) };
        self.commit(id, OK, len as u32);
        true
    }

    fn commit(&mut self, id: u32, result: i32, len: u32) {
        let slot = &self.ring.commits[(self.written % SLOTS) as usize];
        slot.id.store(id, Relaxed);
        slot.result.store(result, Relaxed);
        slot.len.store(len, Relaxed);
        self.written = self.written.wrapping_add(1);
        self.ring.commits_tail.store(self.written, SeqCst);
    }

    fn receive(&self, handle: usize, nic: Nic) -> Result<Frame, Error> {
        self.frames.receive(at(handle), nic, self.pool)
    }

    fn reserve(&self, nic: Nic, len: usize) -> Result<Frame, Error> {
        self.frames.reserve(nic, self.pool, len)
    }

    fn send(&self, handle: usize, nic: Nic, frame: Frame) -> Result<(), Error> {
        let done = self
            .frames
            .send(at(handle), nic, self.pool, frame, [&[]; 2]);
        self.frames.ring.submit();
        done
    }
}

fn at(handle: usize) -> Handle {
    Handle::new(handle).unwrap()
}

fn plain() -> Nic {
    Nic {
        fd: -1,
        mac: [0; 6],
        mtu: MTU,
        vnet: false,
        offload: Capabilities::NONE,
        keep: 0,
    }
}

/// With headers, and frames larger than the link carries, of which `keep` may be kept.
fn large(keep: u16) -> Nic {
    Nic {
        vnet: true,
        keep,
        offload: Capabilities {
            checksum: true,
            tcp4: true,
            tcp6: true,
            udp: true,
            receive_large: true,
            gather: false,
        },
        ..plain()
    }
}

#[test]
fn frames_come_in_order_to_the_device_they_are_for() {
    let mut bed = Bed::new(0);
    let nic = plain();
    for handle in [1, 2] {
        bed.frames.open(at(handle), nic, 2);
        assert!(bed.frames.is_deaf(at(handle)));
        assert_eq!(bed.receive(handle, nic).err(), Some(Error::Again));
        assert!(!bed.frames.is_deaf(at(handle)));
    }
    bed.take();
    assert_eq!(bed.lent[1].len(), SMALL / 2);
    // Many rounds, so that every buffer is lent again and again.
    for round in 0..500_u32 {
        for n in 0..3 {
            assert!(bed.deliver(1, &[1, round as u8, n]));
        }
        assert!(bed.deliver(2, &[2, round as u8]));
        bed.frames.collect(bed.pool);
        assert_eq!(bed.frames.received(), 1 << 1 | 1 << 2);
        for n in 0..3 {
            assert_eq!(bed.receive(1, nic).unwrap()[..], [1, round as u8, n]);
        }
        assert_eq!(bed.frames.received(), 1 << 2);
        assert_eq!(bed.receive(2, nic).unwrap()[..], [2, round as u8]);
        assert_eq!(bed.receive(1, nic).err(), Some(Error::Again));
        bed.take();
    }
    assert_eq!(bed.frames.received(), 0);
}

#[test]
fn a_sleeping_host_is_kicked_for_many_buffers_at_once() {
    let mut bed = Bed::new(0);
    let nic = plain();
    bed.frames.open(at(1), nic, 1);
    bed.ring.needs_kick.store(1, SeqCst);
    for _ in 0..10 * SMALL {
        let _ = bed.receive(1, nic);
        bed.take();
        assert!(bed.deliver(1, b"frame"));
    }
    assert!(KICKS.get() <= 21, "{} kicks", KICKS.get());
    // Nor when it has filled all there were.
    KICKS.set(0);
    let mut received = 0;
    while received < 10 * SMALL {
        while bed.deliver(1, b"frame") {}
        while bed.receive(1, nic).is_ok() {
            received += 1;
            bed.take();
        }
        bed.take();
    }
    assert!(KICKS.get() <= 24, "{} kicks", KICKS.get());
}

#[test]
fn a_frame_is_the_hosts_until_that_is_done_with_it() {
    let mut bed = Bed::new(0);
    let nic = plain();
    let mut frames = Vec::new();
    for n in 0..BUFFERS {
        let mut frame = bed.reserve(nic, 60).unwrap();
        frame.fill(n as u8);
        frames.push(frame);
    }
    for frame in frames {
        bed.send(1, nic, frame).unwrap();
    }
    assert_eq!(bed.reserve(nic, 60).err(), Some(Error::Again));
    bed.take();
    for n in 0..BUFFERS {
        assert_eq!(bed.sent[n], (1, vec![n as u8; 60]));
    }
    let all: Vec<Frame> = core::iter::from_fn(|| bed.reserve(nic, 60).ok()).collect();
    assert_eq!(all.len(), BUFFERS);
}

#[test]
fn what_is_no_frame_for_the_device_is_refused() {
    let bed = Bed::new(0);
    let nic = plain();
    let empty = bed.reserve(nic, 0).unwrap();
    assert_eq!(bed.send(1, nic, empty), Err(Error::Invalid));
    let mut partial = bed.reserve(nic, 60).unwrap();
    partial.offload.checksum = Checksum::Partial {
        start: 34,
        offset: 16,
    };
    assert_eq!(bed.send(1, nic, partial), Err(Error::Invalid));
    assert_eq!(bed.reserve(nic, 1515).err(), Some(Error::Invalid));
    let all: Vec<Frame> = core::iter::from_fn(|| bed.reserve(nic, 60).ok()).collect();
    assert_eq!(all.len(), BUFFERS, "buffers were lost");
}

#[test]
fn a_frame_goes_on_to_a_device_with_headers() {
    let mut bed = Bed::new(4);
    let (from, to) = (plain(), large(2));
    bed.frames.open(at(1), from, 2);
    assert!(bed.receive(1, from).is_err());
    bed.take();
    bed.deliver(1, &[7; 60]);
    let frame = bed.receive(1, from).unwrap();
    bed.send(2, to, frame).unwrap();
    bed.take();
    let (handle, bytes) = bed.sent.pop().unwrap();
    assert_eq!((handle, bytes.len()), (2, vnet::HEADER + 60));
    assert_eq!(bytes[..vnet::HEADER], [0; vnet::HEADER]);
    assert_eq!(bytes[vnet::HEADER..], [7; 60]);
}

#[test]
fn small_frames_leave_the_large_buffers_and_large_ones_can_be_kept() {
    let mut bed = Bed::new(8);
    let nic = large(4);
    bed.frames.open(at(1), nic, 1);
    assert!(bed.receive(1, nic).is_err());
    bed.take();
    assert_eq!(bed.lent[1].len(), 6, "all but a quarter, to send from");
    let frame = |len: usize| {
        let mut bytes = vec![0; vnet::HEADER + len];
        bytes[vnet::HEADER..].fill(len as u8);
        bytes
    };
    let mut kept = Vec::new();
    for n in 0..20 {
        let len = 100 + n;
        assert!(bed.deliver(1, &frame(len)));
        let small = bed.receive(1, nic).unwrap();
        assert_eq!(small[..], vec![len as u8; len]);
        kept.push(small);
        bed.take();
    }
    kept.clear();
    for _ in 0..nic.keep {
        assert!(bed.deliver(1, &frame(60_000)));
        kept.push(bed.receive(1, nic).unwrap());
        bed.take();
    }
    assert_eq!(bed.lent[1].len(), 2, "half of what may be kept");
    // However much is sent, it goes on to receive.
    let mut sent = Vec::new();
    while let Ok(frame) = bed.reserve(nic, 60_000) {
        sent.push(frame);
    }
    assert!(sent.len() >= 2);
    for _ in 0..20 {
        assert!(bed.deliver(1, &frame(60_000)));
        assert_eq!(bed.receive(1, nic).unwrap().len(), 60_000);
        let _ = bed.receive(1, nic);
        bed.take();
        assert_eq!(bed.reserve(nic, 60_000).err(), Some(Error::Again));
    }
}

#[test]
fn a_device_that_the_host_refuses_takes_no_buffers() {
    let mut bed = Bed::new(0);
    let nic = plain();
    bed.frames.open(at(1), nic, 1);
    assert!(bed.receive(1, nic).is_err());
    bed.take();
    while let Some((_, _, id)) = bed.lent[1].pop_front() {
        bed.commit(id, INVALID, 0);
    }
    assert!(bed.receive(1, nic).is_err());
    bed.take();
    assert_eq!(bed.lent[1].len(), 0);
    let all: Vec<Frame> = core::iter::from_fn(|| bed.reserve(nic, 60).ok()).collect();
    assert_eq!(all.len(), BUFFERS);
}

/// Whatever the host says, no buffer is in two hands, and all numbers stay in their arrays.
#[test]
fn lies_lead_to_no_frame_twice() {
    let mut bed = Bed::new(5);
    let nics = [plain(), large(2)];
    let mut random = 5_u64;
    let mut below = move |end: u32| {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        ((random >> 33) as u32) % end
    };
    for (index, nic) in nics.into_iter().enumerate() {
        bed.frames.open(at(index + 1), nic, 2);
    }
    let mut held: Vec<Frame> = Vec::new();
    for _ in 0..50_000 {
        let handle = 1 + below(2) as usize;
        let nic = nics[handle - 1];
        match below(8) {
            0 => bed.take(),
            1 => drop(bed.deliver(handle, &[1; 70])),
            2 => {
                let len = [0, 1, 100, 1519, 1520, 65_000, u32::MAX][below(7) as usize];
                let id = [below(200), u32::MAX][(below(20) == 0) as usize];
                bed.commit(id, [OK, INVALID][(below(30) == 0) as usize], len);
            }
            3 => bed
                .ring
                .entries_head
                .store(bed.taken.wrapping_add(below(3)), SeqCst),
            4 => {
                let slot = &bed.ring.entries[below(SLOTS) as usize];
                slot.id.store(below(200), Relaxed);
                slot.operation.store(below(3), Relaxed);
            }
            5 => held.extend(bed.receive(handle, nic)),
            6 => held.extend(bed.reserve(nic, [60, 40_000][below(2) as usize])),
            _ if held.is_empty() => {}
            _ => {
                let count = held.len() as u32;
                let frame = held.swap_remove(below(count) as usize);
                if below(2) == 0 {
                    let _ = bed.send(handle, nic, frame);
                }
            }
        }
        let starts: HashSet<_> = held.iter().map(|frame| bed.pool.token(frame)).collect();
        let empty = held.iter().filter(|frame| frame.is_empty()).count();
        assert!(
            starts.len() + empty >= held.len(),
            "a buffer is in two frames"
        );
    }
}

// SPDX-License-Identifier: ISC
//! A guest in another thread: one that is honest must get every answer and sleep through none, one
//! that lies must be told from it.

use std::{sync::atomic::AtomicBool, thread, time::Instant};

use fata_abi::hvt::ring::NET_READ;

use super::*;

/// An empty ring, for good.
fn ring() -> &'static Ring {
    let ring = Box::<Ring>::new_zeroed();
    // SAFETY: a ring consists of atomic integers, and zero is one.
    Box::leak(unsafe { ring.assume_init() })
}

/// Numbers that only look random.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        ((self.0 >> 33) as u32) % end
    }
}

/// Answers entries whose operation is not zero, in order.
fn echo(host: &mut Host<'_>) -> Result<bool, Lie> {
    for _ in 0..host.pending()?.min(BATCH) {
        let entry = host.take();
        if entry.operation != 0 {
            host.commit(entry.id, 7, entry.len)?;
        }
    }
    host.publish();
    Ok(false)
}

/// What a guest does, by the book.
pub(super) struct Guest<'m> {
    pub(super) ring: &'m Ring,
    kick: Option<OwnedFd>,
    tail: u32,
    head: u32,
    kicks: u32,
    /// Whether it has submitted more than buffers lent.
    others: bool,
}

impl<'m> Guest<'m> {
    pub(super) fn new(ring: &'m Ring) -> Self {
        Self {
            ring,
            kick: None,
            tail: 0,
            head: 0,
            kicks: 0,
            others: false,
        }
    }

    /// What its kicks ring.
    pub(super) fn bell(&mut self) -> Bell {
        let bell = Bell::new().unwrap();
        self.kick = Some(bell.kick.try_clone().unwrap());
        bell
    }

    fn free(&self) -> u32 {
        SLOTS - self.tail.wrapping_sub(self.ring.entries_head.load(Acquire))
    }

    pub(super) fn write(&mut self, entry: Request) {
        self.ring.entries[(self.tail % SLOTS) as usize].store(&entry);
        self.tail = self.tail.wrapping_add(1);
        self.others |= entry.operation != NET_READ;
    }

    pub(super) fn submit(&mut self) {
        self.ring.entries_tail.store(self.tail, Release);
        fence(SeqCst);
        let needed = match self.ring.needs_kick.load(Relaxed) {
            0 => false,
            KICK_UNLESS_LENT => self.others,
            _ => true,
        };
        self.others = false;
        if needed {
            self.kicks += 1;
            let kick = self.kick.as_ref().expect("somebody serves the ring");
            rustix::io::write(kick, &1_u64.to_ne_bytes()).unwrap();
        }
    }

    /// The next commit: its id, result and length.
    pub(super) fn take(&mut self) -> Option<(u32, i32, u32)> {
        if self.ring.commits_tail.load(Acquire) == self.head {
            return None;
        }
        let Answer { id, result, len } = self.ring.commits[(self.head % SLOTS) as usize].load();
        self.head = self.head.wrapping_add(1);
        self.ring.commits_head.store(self.head, Release);
        Some((id, result, len))
    }
}

/// An entry that the echo answers if its operation is not zero.
fn entry(operation: u32, id: u32) -> Request {
    Request {
        operation,
        handle: 0,
        data: 0,
        len: !id,
        id,
        offset: 0,
    }
}

/// Starts a thread that echoes, looking `looks` times before it sleeps.
fn start(
    looks: u32,
) -> (
    Guest<'static>,
    &'static Wake<'static>,
    thread::JoinHandle<Lie>,
) {
    let mut guest = Guest::new(ring());
    let mut bell = guest.bell();
    bell.looks = looks;
    let wake = Box::leak(Box::new(Wake::new([guest.ring; 2])));
    let host = Host::new(guest.ring, wake);
    let thread = thread::spawn(move || serve(host, &bell, |host, _| echo(host)).unwrap_err());
    (guest, wake, thread)
}

#[test]
fn an_honest_guest_gets_every_answer_and_sleeps_through_none() {
    const LONG: Duration = Duration::from_secs(20);
    for (looks, total) in [(0, 100_000), (20, 100_000), (1000, 500_000)] {
        let (mut guest, wake, thread) = start(looks);
        let mut random = Random(looks.into());
        let (mut asked, mut answered, mut sleeps) = (0_u32, 0_u32, 0_u32);
        while answered < total {
            // Mostly so few that both sides are about to sleep all the time.
            let many = [1, 2, 1, SLOTS][(random.below(64) as usize).saturating_sub(60)];
            let most = guest.free().min(SLOTS - (asked - answered)).min(many);
            for _ in 0..random.below(most + 1).min(total - asked) {
                if random.below(4) == 0 && guest.free() > 1 {
                    guest.write(entry(0, 0));
                }
                if guest.free() != 0 {
                    guest.write(entry(1, asked));
                    asked += 1;
                }
            }
            guest.submit();
            for _ in 0..random.below(300) {
                std::hint::spin_loop();
            }
            while let Some(commit) = guest.take() {
                assert_eq!(commit, (answered, 7, !answered));
                answered += 1;
            }
            if answered < asked {
                let before = Instant::now();
                wake.wait(LONG);
                assert!(before.elapsed() < LONG, "a wake-up was lost");
                sleeps += 1;
            }
        }
        assert!(guest.kicks > 0 && guest.kicks < asked && sleeps > 0);
        guest.tail = guest.tail.wrapping_add(SLOTS + 1);
        guest.others = true;
        guest.submit();
        assert_eq!(thread.join().unwrap(), Lie::Entries);
    }
}

#[test]
fn indices_wrap() {
    let ring = ring();
    let start = u32::MAX - 100;
    ring.entries_tail.store(start, SeqCst);
    ring.commits_head.store(start, SeqCst);
    let mut host = Host {
        ring,
        wake: &Wake::new([ring; 2]),
        taken: start,
        written: start,
    };
    for turn in 0..3 {
        let tail = start.wrapping_add((turn + 1) * SLOTS);
        ring.entries_tail.store(tail, SeqCst);
        assert_eq!(host.pending(), Ok(SLOTS));
        for id in 0..SLOTS {
            host.take();
            assert_eq!(host.commit(id, 0, 0), Ok(()));
        }
        assert_eq!(host.commit(0, 0, 0), Err(Lie::Commits));
        host.publish();
        assert_eq!(ring.entries_head.load(SeqCst), tail);
        assert_eq!(ring.commits_tail.load(SeqCst), tail);
        ring.commits_head.store(tail, SeqCst);
    }
}

#[test]
fn indices_out_of_range_end_the_guest() {
    let ring = ring();
    let wake = Wake::new([ring; 2]);
    let mut host = Host::new(ring, &wake);
    ring.entries_tail.store(SLOTS, SeqCst);
    assert_eq!(host.pending(), Ok(SLOTS));
    for tail in [SLOTS + 1, u32::MAX, 1 << 31] {
        ring.entries_tail.store(tail, SeqCst);
        assert_eq!(host.pending(), Err(Lie::Entries));
    }
    // A commit is said to be taken before it was written.
    ring.commits_head.store(1, SeqCst);
    assert_eq!(host.commit(0, 0, 0), Err(Lie::Commits));
}

#[test]
fn whatever_the_memory_says_the_host_stays_within_bounds() {
    let ring = ring();
    let wake = Wake::new([ring; 2]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let liar = scope.spawn(|| {
            let mut random = Random(1);
            while !done.load(SeqCst) {
                ring.entries_tail.store(random.below(1 << 12), Relaxed);
                ring.commits_head.store(random.below(1 << 12), Relaxed);
                // The host's own line, too.
                ring.entries_head.store(random.below(u32::MAX), Relaxed);
                ring.commits_tail.store(random.below(u32::MAX), Relaxed);
                ring.entries[random.below(SLOTS) as usize]
                    .operation
                    .store(random.below(9), Relaxed);
            }
        });
        let mut host = Host::new(ring, &wake);
        let (mut taken, mut refused) = (0_u32, 0_u32);
        while taken < 100_000 || refused < 1000 {
            match host.pending() {
                Ok(count) => {
                    assert!(count <= SLOTS);
                    for _ in 0..count.min(BATCH) {
                        taken += 1;
                        let entry = host.take();
                        refused += u32::from(host.commit(entry.id, 0, 0).is_err());
                    }
                    host.publish();
                }
                // As if the guest had not been ended.
                Err(_) => {
                    refused += 1;
                    host = Host::new(ring, &wake);
                }
            }
        }
        done.store(true, SeqCst);
        liar.join().unwrap();
    });
}

#[test]
fn a_commit_that_was_not_taken_ends_a_wait_at_once() {
    let ring = ring();
    let wake = Wake::new([self::ring(), ring]);
    let mut host = Host::new(ring, &wake);
    host.commit(1, 0, 0).unwrap();
    host.publish();
    let before = Instant::now();
    wake.wait(Duration::from_secs(20));
    assert!(before.elapsed() < Duration::from_secs(10));
    // And a wait without any ends on time.
    ring.commits_head.store(1, SeqCst);
    let before = Instant::now();
    wake.wait(Duration::from_millis(20));
    wake.wait(Duration::ZERO);
    let took = before.elapsed();
    assert!(took >= Duration::from_millis(20) && took < Duration::from_secs(10));
}

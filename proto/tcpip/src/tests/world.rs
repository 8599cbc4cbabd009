// SPDX-License-Identifier: ISC
//! A world in which time passes only while everybody waits.

use std::{
    boxed::Box,
    cell::{Cell, RefCell},
    future::Future,
    net::IpAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread_local,
    time::Duration,
    vec::Vec,
};

use fata_device::{
    Net,
    memory::{Nic, link, plain_info},
    weather,
};

use crate::{
    config::{Config, Ipv4, Ipv6},
    driver::Next,
    stack::{Clock, Stack},
};

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
    static RANDOM: Cell<u64> = const { Cell::new(1) };
    static ALARMS: RefCell<Vec<(u64, Waker)>> = const { RefCell::new(Vec::new()) };
}

/// Time after which a test that gets nowhere fails.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);
/// Largest step of the clock where something looks at the wire without being woken.
const BLIND_STEP: u64 = 10_000_000;

/// The clock of this world, for middleware.
#[derive(Clone, Copy)]
pub(super) struct TestClock;

impl weather::Clock for TestClock {
    fn now(&self) -> u64 {
        clock()
    }

    fn wake_at(&self, deadline: u64, waker: &Waker) {
        ALARMS.with_borrow_mut(|alarms| alarms.push((deadline, waker.clone())));
    }
}

pub(super) fn clock() -> u64 {
    NOW.get()
}

pub(super) fn random() -> u64 {
    let number = RANDOM
        .get()
        .wrapping_mul(0x5851_f42d_4c95_7f2d)
        .wrapping_add(1);
    RANDOM.set(number);
    number >> 16
}

/// Whether anybody was woken since last asked.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Step = Box<dyn FnMut(&mut Context<'_>, u64) -> Next>;

/// Stacks and their wires.
pub(super) struct World {
    woken: Arc<Woken>,
    steps: Vec<Step>,
    /// Whether one of the steps is woken by nobody.
    blind: bool,
}

impl World {
    pub(super) fn new() -> Self {
        NOW.set(1_000_000_000);
        RANDOM.set(1);
        ALARMS.take();
        Self {
            blind: false,
            woken: Arc::default(),
            steps: Vec::new(),
        }
    }

    /// A stack on `net`, moved by this world.
    pub(super) fn add(&mut self, net: impl Net + 'static, config: Config) -> Stack {
        let (stack, mut driver) = Stack::with_driver(net, config, random, Clock::stepping(clock));
        self.steps
            .push(Box::new(move |cx, now| driver.step(cx, now)));
        stack
    }

    /// Anything else that reacts to frames.
    pub(super) fn add_step(&mut self, mut step: impl FnMut(&mut Context<'_>) + 'static) {
        self.blind = true;
        self.steps.push(Box::new(move |cx, _| {
            step(cx);
            Next::Sleep(None)
        }));
    }

    /// Lets everybody act once. `None` when somebody has more to do now, else when the next thing
    /// happens by itself.
    fn turn(&mut self) -> Option<u64> {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        let mut next = u64::MAX;
        for step in &mut self.steps {
            match step(&mut cx, clock()) {
                Next::Again => self.woken.0.store(true, Ordering::Relaxed),
                Next::Sleep(at) => next = next.min(at.unwrap_or(u64::MAX)),
            }
        }
        let woken = self.woken.0.swap(false, Ordering::Relaxed);
        let alarm = ALARMS.with_borrow(|alarms| alarms.iter().map(|alarm| alarm.0).min());
        (!woken).then_some(next.min(alarm.unwrap_or(u64::MAX)))
    }

    /// Sets the clock, and wakes those who waited for it.
    fn set_clock(&mut self, at: u64) {
        NOW.set(at.max(clock() + 1));
        let due = ALARMS.with_borrow_mut(|alarms| {
            let due: Vec<_> = alarms.extract_if(.., |alarm| alarm.0 <= clock()).collect();
            due
        });
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Lets everybody act until nobody has anything to do now; says when that changes.
    pub(super) fn settle(&mut self) -> u64 {
        loop {
            if let Some(next) = self.turn() {
                return next;
            }
        }
    }

    /// Sets the clock to `at`, which is not after the time that [`settle`](Self::settle) gave.
    pub(super) fn advance(&mut self, at: u64) {
        self.set_clock(at);
    }

    /// Runs everything until `future` is done.
    pub(super) fn run<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let end = clock() + PATIENCE.as_nanos() as u64;
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            if let Some(mut next) = self.turn() {
                if self.blind {
                    next = next.min(clock() + BLIND_STEP);
                }
                self.set_clock(next.min(end));
            }
            assert!(clock() < end, "nothing happened for hours");
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = clock() + duration.as_nanos() as u64;
        let mut set = false;
        self.run(std::future::poll_fn(|cx| {
            if !core::mem::replace(&mut set, true) {
                weather::Clock::wake_at(&TestClock, end, cx.waker());
            }
            match clock() >= end {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
    }
}

/// Runs two futures until both are done.
pub(super) async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_done, mut b_done) = (None, None);
    std::future::poll_fn(|cx| {
        if a_done.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(cx)
        {
            a_done = Some(output);
        }
        if b_done.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(cx)
        {
            b_done = Some(output);
        }
        match (a_done.is_some(), b_done.is_some()) {
            (true, true) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
    (a_done.unwrap(), b_done.unwrap())
}

/// A wire between cards 1 and 2, whose frames may leave the checksum to them.
pub(super) fn wire() -> (Nic, Nic) {
    let mut infos = [plain_info(1), plain_info(2)];
    infos[0].offload.checksum = true;
    link(infos, 64)
}

/// Addresses 10.0.0.`last`/24 and fd00::`last`/64, given by hand.
pub(super) fn fixed(last: u8) -> Config {
    Config {
        ipv4: Ipv4::Static {
            prefix: std::format!("10.0.0.{last}/24").parse().unwrap(),
            gateway: None,
        },
        ipv6: Ipv6::On {
            prefix: Some(std::format!("fd00::{last}/64").parse().unwrap()),
            gateway: None,
            router_advertisements: false,
        },
        ..Config::default()
    }
}

/// Two stacks on one wire, 1 and 2.
pub(super) fn pair() -> (World, Stack, Stack) {
    let mut world = World::new();
    let (a, b) = wire();
    let a = world.add(a, fixed(1));
    let b = world.add(b, fixed(2));
    (world, a, b)
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

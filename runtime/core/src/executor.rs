// SPDX-License-Identifier: ISC
//! The executor: runs tasks that were woken, then lets timers and devices wake others.
//!
//! # Fairness
//!
//! Tasks run in batches, first woken first. A task woken during a batch runs in the next, so one
//! that always wakes itself has its turn once a batch. Devices and timers are asked when no task
//! is left to run, or after [`POLLS_PER_WAIT`] polls, whichever is first, so neither side starves
//! the other. Asking is a system call on some platforms, which is why it is not done every batch.
//!
//! # Who owns what
//!
//! Futures live in [`Executor::slots`] and nowhere else; a waker holds only a [`Signal`], a number
//! and flags, and is therefore safe to send and to outlive its task. A number is in the queue at
//! most once (`scheduled`), so the queue is a list that runs through the slots, and waking
//! allocates nothing. `scheduled` stays set when a task ends, which makes stale wakers inert.

use alloc::{boxed::Box, sync::Arc, task::Wake, vec::Vec};
use core::{
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Waker},
};

use fata_abi::platform;

use crate::{ready, single::Single, time};

/// Polls of tasks, while some are ready to run, after which devices and timers are asked.
const POLLS_PER_WAIT: usize = 16;
/// Turns in which devices are busy, after which the clock is read for the timers.
const TURNS_PER_CLOCK: u32 = 8;

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

/// What a waker knows of its task.
pub(crate) struct Signal {
    id: u32,
    scheduled: AtomicBool,
    cancelled: AtomicBool,
}

impl Signal {
    const fn new(id: u32) -> Self {
        Self {
            id,
            scheduled: AtomicBool::new(true),
            cancelled: AtomicBool::new(false),
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            EXECUTOR.with(|e| e.push(self.id));
        }
    }
}

struct Task {
    future: TaskFuture,
    signal: Arc<Signal>,
    waker: Waker,
}

/// A place for a task.
struct Slot {
    /// None while the task runs, after it has ended with its number still in the queue, and where
    /// the slot is free.
    task: Option<Task>,
    /// The next in the queue or in the list of free slots, whichever this slot is in.
    next: u32,
}

/// Ends a list of slots.
const NONE: u32 = u32::MAX;

struct Executor {
    slots: Vec<Slot>,
    /// First of the free slots.
    free: u32,
    /// First and last in the queue of tasks to run.
    first: u32,
    last: u32,
    /// How many are in the queue.
    queued: usize,
    running: bool,
}

static EXECUTOR: Single<Executor> = Single::new(Executor::new());

impl Executor {
    const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            first: NONE,
            last: NONE,
            queued: 0,
            running: false,
        }
    }

    /// Takes a free slot.
    fn reserve(&mut self) -> u32 {
        let id = self.free;
        if let Some(slot) = self.slots.get(id as usize) {
            self.free = slot.next;
            return id;
        }
        self.slots.push(Slot {
            task: None,
            next: NONE,
        });
        (self.slots.len() - 1) as u32
    }

    fn release(&mut self, id: u32) {
        let free = self.free;
        if let Some(slot) = self.slots.get_mut(id as usize) {
            slot.next = free;
            self.free = id;
        }
    }

    fn take(&mut self, id: u32) -> Option<Task> {
        self.slots.get_mut(id as usize)?.task.take()
    }

    fn put(&mut self, id: u32, task: Task) {
        if let Some(slot) = self.slots.get_mut(id as usize) {
            slot.task = Some(task);
        }
    }

    /// Adds `id`, which is not in the queue.
    fn push(&mut self, id: u32) {
        if let Some(slot) = self.slots.get_mut(id as usize) {
            slot.next = NONE;
            self.queued += 1;
            match self.slots.get_mut(self.last as usize) {
                Some(last) => last.next = id,
                None => self.first = id,
            }
            self.last = id;
        }
    }

    /// Takes the first of the queue.
    fn pop(&mut self) -> Option<u32> {
        let id = self.first;
        self.first = self.slots.get(id as usize)?.next;
        self.queued -= 1;
        if self.first == NONE {
            self.last = NONE;
        }
        Some(id)
    }
}

/// Adds a task that is polled in the next batch.
pub(crate) fn spawn(future: TaskFuture) -> Arc<Signal> {
    EXECUTOR.with(|e| {
        let id = e.reserve();
        let signal = Arc::new(Signal::new(id));
        let task = Task {
            future,
            signal: signal.clone(),
            waker: Waker::from(signal.clone()),
        };
        e.put(id, task);
        e.push(id);
        signal
    })
}

/// Drops the future of a task, now or, where the task is the caller, as soon as it returns.
pub(crate) fn cancel(signal: &Arc<Signal>) {
    signal.cancelled.store(true, Ordering::Relaxed);
    let task = EXECUTOR.with(|e| {
        let slot = e.slots.get_mut(signal.id as usize)?;
        slot.task.take_if(|task| Arc::ptr_eq(&task.signal, signal))
    });
    if let Some(task) = task {
        finish(task);
    }
}

/// Ends a task that was taken out of its slot.
fn finish(task: Task) {
    let Task { future, signal, .. } = task;
    // May run code of the program, and that may wake this very task.
    drop(future);
    // A number that is still in the queue keeps its slot until `poll_task` meets it there.
    if !signal.scheduled.swap(true, Ordering::AcqRel) {
        EXECUTOR.with(|e| e.release(signal.id));
    }
}

fn poll_task(id: u32) {
    let Some(mut task) = EXECUTOR.with(|e| {
        let task = e.take(id);
        if task.is_none() {
            e.release(id);
        }
        task
    }) else {
        return;
    };
    task.signal.scheduled.store(false, Ordering::Release);
    let done = task
        .future
        .as_mut()
        .poll(&mut Context::from_waker(&task.waker))
        .is_ready();
    if done || task.signal.cancelled.load(Ordering::Relaxed) {
        finish(task);
    } else {
        EXECUTOR.with(|e| e.put(id, task));
    }
}

/// Runs all tasks until `main` returns true, then drops those that are left.
#[inline(never)]
pub(crate) fn run(main: &mut dyn FnMut(&mut Context<'_>) -> bool) {
    let own = EXECUTOR.with(|e| {
        if core::mem::replace(&mut e.running, true) {
            return None;
        }
        let id = e.reserve();
        e.push(id);
        Some(id)
    });
    let Some(own) = own else {
        panic!("executor started from within a task");
    };
    let signal = Arc::new(Signal::new(own));
    let waker = Waker::from(signal.clone());
    let _stop = Stop(signal.clone());
    time::forget_recent();
    let (mut polls, mut turns) = (0, 0);
    loop {
        let batch = EXECUTOR.with(|e| e.queued);
        for _ in 0..batch {
            match EXECUTOR.with(Executor::pop) {
                Some(id) if id == own => {
                    signal.scheduled.store(false, Ordering::Release);
                    if main(&mut Context::from_waker(&waker)) {
                        return;
                    }
                }
                Some(id) => poll_task(id),
                None => break,
            }
        }
        polls += batch;
        let idle = EXECUTOR.with(|e| e.queued == 0);
        if idle || polls >= POLLS_PER_WAIT {
            polls = 0;
            turns += 1;
            turn(idle, turns % TURNS_PER_CLOCK == 0);
        }
    }
}

/// Lets devices and timers wake tasks; blocks until one does if `idle`.
fn turn(idle: bool, look_at_clock: bool) {
    let deadline = time::next_deadline();
    assert!(
        !idle || deadline.is_some() || ready::awaited(),
        "deadlock: every task waits for another one"
    );
    let until = if idle {
        deadline.unwrap_or(u64::MAX)
    } else {
        0
    };
    let woken = ready::wake(platform::wait(until));
    if deadline.is_some() {
        // With tasks to run or devices at work a timer may be late by a few turns; each look at
        // the clock may cost a system call, unless somebody has looked already.
        time::fire((idle && !woken) || look_at_clock);
    }
    time::forget_recent();
}

/// Leaves nothing behind for the next run, also when this one panics.
struct Stop(Arc<Signal>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.scheduled.store(true, Ordering::Relaxed);
        let mut id = 0;
        while let Some(task) = EXECUTOR.with(|e| {
            while (id as usize) < e.slots.len() {
                id += 1;
                if let Some(task) = e.take(id - 1) {
                    return Some(task);
                }
            }
            None
        }) {
            task.signal.scheduled.store(true, Ordering::Relaxed);
            // May run code of the program, and that may spawn once more.
            drop(task);
            id = 0;
        }
        let old = EXECUTOR.with(|e| core::mem::replace(e, Executor::new()));
        drop(old);
    }
}

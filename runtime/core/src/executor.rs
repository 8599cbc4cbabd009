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
//! most once (`scheduled`), and room for it is made when the task is spawned, so that waking
//! allocates nothing. `scheduled` stays set when a task ends, which makes stale wakers inert.

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, task::Wake, vec::Vec};
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
/// Stands for the future that [`run`] polls itself.
const MAIN: u32 = u32::MAX;

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
            EXECUTOR.with(|e| e.queue.push_back(self.id));
        }
    }
}

struct Task {
    future: TaskFuture,
    signal: Arc<Signal>,
    waker: Waker,
}

enum Slot {
    Free {
        next: Option<u32>,
    },
    /// The task is running, or has ended while its number was still in the queue.
    Empty,
    Task(Task),
}

struct Executor {
    slots: Vec<Slot>,
    free: Option<u32>,
    queue: VecDeque<u32>,
    running: bool,
}

static EXECUTOR: Single<Executor> = Single::new(Executor {
    slots: Vec::new(),
    free: None,
    queue: VecDeque::new(),
    running: false,
});

impl Executor {
    /// Takes a slot, with room in the queue for its number.
    fn reserve(&mut self) -> u32 {
        let id = match self.free {
            Some(id) => {
                if let Slot::Free { next } = self.slots[id as usize] {
                    self.free = next;
                }
                self.slots[id as usize] = Slot::Empty;
                id
            }
            None => {
                self.slots.push(Slot::Empty);
                (self.slots.len() - 1) as u32
            }
        };
        // One more for MAIN.
        self.queue
            .reserve(self.slots.len() + 1 - self.queue.len().min(self.slots.len()));
        id
    }

    fn release(&mut self, id: u32) {
        self.slots[id as usize] = Slot::Free { next: self.free };
        self.free = Some(id);
    }

    fn take(&mut self, id: u32) -> Option<Task> {
        let slot = &mut self.slots[id as usize];
        if matches!(slot, Slot::Task(_))
            && let Slot::Task(task) = core::mem::replace(slot, Slot::Empty)
        {
            return Some(task);
        }
        None
    }
}

/// Adds a task that is polled in the next batch.
pub(crate) fn spawn(future: TaskFuture) -> Arc<Signal> {
    EXECUTOR.with(|e| {
        let id = e.reserve();
        let signal = Arc::new(Signal::new(id));
        e.slots[id as usize] = Slot::Task(Task {
            future,
            signal: signal.clone(),
            waker: Waker::from(signal.clone()),
        });
        e.queue.push_back(id);
        signal
    })
}

/// Drops the future of a task, now or, where the task is the caller, as soon as it returns.
pub(crate) fn cancel(signal: &Arc<Signal>) {
    signal.cancelled.store(true, Ordering::Relaxed);
    let task = EXECUTOR.with(|e| match e.slots.get(signal.id as usize) {
        Some(Slot::Task(task)) if Arc::ptr_eq(&task.signal, signal) => e.take(signal.id),
        _ => None,
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
        EXECUTOR.with(|e| e.slots[id as usize] = Slot::Task(task));
    }
}

/// Runs all tasks until `main` returns true, then drops those that are left.
#[inline(never)]
pub(crate) fn run(main: &mut dyn FnMut(&mut Context<'_>) -> bool) {
    let signal = Arc::new(Signal::new(MAIN));
    let waker = Waker::from(signal.clone());
    let nested = EXECUTOR.with(|e| {
        e.queue.reserve(1);
        e.queue.push_back(MAIN);
        core::mem::replace(&mut e.running, true)
    });
    assert!(!nested, "executor started from within a task");
    let _stop = Stop(signal.clone());
    time::forget_recent();
    let (mut polls, mut turns) = (0, 0);
    loop {
        let batch = EXECUTOR.with(|e| e.queue.len());
        for _ in 0..batch {
            match EXECUTOR.with(|e| e.queue.pop_front()) {
                Some(MAIN) => {
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
        let idle = EXECUTOR.with(|e| e.queue.is_empty());
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
        EXECUTOR.with(|e| {
            e.slots.clear();
            e.queue.clear();
            e.free = None;
            e.running = false;
        });
    }
}

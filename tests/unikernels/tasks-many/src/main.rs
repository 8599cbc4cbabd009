// SPDX-License-Identifier: ISC
//! Thousands of tasks take turns, are joined and cancelled, and give back their memory.

#![no_std]
#![no_main]

use alloc::rc::Rc;
use core::cell::Cell;

use fata::{prelude::*, task::yield_now};

extern crate alloc;

const TASKS: u32 = 10_000;
/// Together more than the memory of the image.
const ROUNDS: u32 = 30;

#[fata::main]
async fn main() {
    let ran = Rc::new(Cell::new(0));
    for _ in 0..ROUNDS {
        let tasks: Vec<_> = (0..TASKS)
            .map(|n| spawn(count(Rc::clone(&ran), n)))
            .collect();
        for (n, task) in (0..TASKS).zip(tasks) {
            assert_eq!(task.await, n);
        }
    }
    assert_eq!(ran.get(), TASKS * ROUNDS);
    let cancelled = spawn(count(Rc::clone(&ran), 0));
    assert_eq!(cancelled.cancel(), None);
    yield_now().await;
    assert_eq!(ran.get(), TASKS * ROUNDS);
    assert_eq!(Rc::strong_count(&ran), 1, "a task was kept");
    println!("SUCCESS");
}

async fn count(ran: Rc<Cell<u32>>, n: u32) -> u32 {
    for _ in 0..3 {
        yield_now().await;
    }
    ran.set(ran.get() + 1);
    n
}

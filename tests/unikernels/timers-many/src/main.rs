// SPDX-License-Identifier: ISC
//! Thousands of timers fire, none early, in the order of their deadlines.

#![no_std]
#![no_main]

use core::cell::Cell;

use fata::{prelude::*, random, time::sleep_until};

const TIMERS: u32 = 10_000;

#[fata::main]
async fn main() {
    let start = Instant::now();
    let latest: &'static Cell<Instant> = Box::leak(Box::new(Cell::new(start)));
    let timers: Vec<_> = (0..TIMERS)
        .map(|_| {
            let deadline = start + Duration::from_millis(100 + random::u64() % 400);
            spawn(async move {
                sleep_until(deadline).await;
                assert!(Instant::now() >= deadline, "woken early");
                // A turn of the executor wakes what is due in any order, hence the allowance.
                let disorder = Duration::from_millis(100);
                assert!(latest.get() < deadline + disorder, "woken out of order");
                latest.set(latest.get().max(deadline));
            })
        })
        .collect();
    // Timers that are given up leave nothing behind.
    for _ in 0..TIMERS {
        let kept = timeout(Duration::from_secs(3600), sleep(Duration::ZERO)).await;
        assert!(kept.is_ok());
    }
    for timer in timers {
        timer.await;
    }
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    println!("SUCCESS");
}

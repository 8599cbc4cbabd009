// SPDX-License-Identifier: ISC
//! Clocks advance, a deadline in the past does not hang, and sleeping lasts as long as said.

#![no_std]
#![no_main]

use fata::{
    prelude::*,
    time::{sleep_until, wall},
};

/// 2017-01-01, long gone whatever the clock.
const LONG_AGO: Duration = Duration::from_secs(1_483_228_800);

#[fata::main]
async fn main() {
    let start = Instant::now();
    let wall_start = wall();
    assert!(wall_start > LONG_AGO, "wall clock: {wall_start:?}");
    sleep_until(start).await;
    sleep(Duration::ZERO).await;
    assert!(start.elapsed() < Duration::from_millis(500));
    for _ in 0..5 {
        let before = Instant::now();
        sleep(Duration::from_millis(200)).await;
        let slept = before.elapsed();
        assert!(slept >= Duration::from_millis(200), "slept {slept:?}");
        // A busy machine may be late.
        assert!(slept < Duration::from_secs(2), "slept {slept:?}");
    }
    let (monotonic, walled) = (start.elapsed(), wall() - wall_start);
    let apart = monotonic.abs_diff(walled);
    assert!(
        apart < Duration::from_millis(500),
        "{monotonic:?} and {walled:?}"
    );
    assert!(
        timeout(Duration::from_millis(20), core::future::pending::<()>())
            .await
            .is_err()
    );
    println!("SUCCESS");
}

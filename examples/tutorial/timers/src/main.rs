// SPDX-License-Identifier: ISC
//! Sleeps, gives up waiting, and keeps a steady pace.

#![no_std]
#![no_main]

use fata::{prelude::*, random, time::sleep_until};

#[fata::main]
async fn main() {
    // Sleeping lasts at least as long as said.
    let start = Instant::now();
    sleep(Duration::from_millis(500)).await;
    info!("slept {} ms", start.elapsed().as_millis());

    // Any wait can be given a limit. What is not done by then is dropped, which cancels it.
    let errand = Duration::from_millis(random::u64() % 2000);
    match timeout(Duration::from_secs(1), sleep(errand)).await {
        Ok(()) => info!("done in time, after {} ms", errand.as_millis()),
        Err(elapsed) => info!(
            "{elapsed}: {} ms would have been needed",
            errand.as_millis()
        ),
    }

    // Work takes time too. A pace that does not drift is kept by sleeping until a moment rather
    // than for a while.
    let mut next = Instant::now();
    for tick in 1..=5 {
        next = next + Duration::from_millis(200);
        sleep_until(next).await;
        info!("tick {tick}");
    }
}

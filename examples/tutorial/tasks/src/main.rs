// SPDX-License-Identifier: ISC
//! Starts tasks, waits for them and cancels one.

#![no_std]
#![no_main]

use fata::prelude::*;

#[fata::main]
async fn main() {
    // A task runs beside the one that starts it. All of them share one thread, and another gets
    // its turn only where one awaits something: no locks are needed between them.
    let heads = spawn(say("heads", Duration::from_millis(400), 2));
    let tails = spawn(say("tails", Duration::from_millis(600), 2));

    // A handle is a future: awaiting it waits for the task and returns what the task returned.
    let said = heads.await + tails.await;
    info!("finished: {said} words");

    // Dropping a handle lets its task run on; only `cancel` ends it, wherever it is waiting.
    let endless = spawn(async {
        loop {
            info!("still here");
            sleep(Duration::from_millis(300)).await;
        }
    });
    sleep(Duration::from_secs(1)).await;
    endless.cancel();
    info!("cancelled");
}

async fn say(word: &str, every: Duration, times: u32) -> u32 {
    for _ in 0..times {
        sleep(every).await;
        info!("{word}");
    }
    times
}

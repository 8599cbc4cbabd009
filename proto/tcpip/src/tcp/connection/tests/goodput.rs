// SPDX-License-Identifier: ISC
//! How fast: goodput by loss over 100 Mb/s with 50 ms round trips.

use super::world::{FAIR, MS, Weather, World, side};

/// Bytes per second, from the first SYN to the last byte read.
fn goodput(loss: u64, total: u64, seed: u64, offload: u32) -> u64 {
    let weather = Weather { loss, ..FAIR };
    let mut sides = [side(total), side(0)];
    sides[0].offload = offload;
    sides[1].offload = offload;
    let mut world = World::new(sides, weather, seed);
    let took = world.run();
    let c = &world.ends[0].counters;
    let i = world.ends[0].connection.info();
    std::println!(
        "loss {loss} off {offload} seed {seed}: {} kbit/s; rtx {} rec {} rto {} tlp {} spur {} packets {} cwnd {} rtt {}",
        total * 8 * MS / took,
        c.retransmitted,
        c.recoveries,
        c.timeouts,
        c.probes,
        c.spurious,
        world.packets,
        i.congestion_window,
        i.rtt
    );
    total * 1000 * MS / took
}

#[test]
fn table() {
    for offload in [0, 65_000] {
        for loss in [0, 10, 100, 300] {
            for seed in 1..4 {
                goodput(loss, 20_000_000, seed, offload);
            }
        }
    }
}

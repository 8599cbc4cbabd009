// SPDX-License-Identifier: ISC
//! How fast: goodput by loss over 100 Mb/s with 50 ms round trips.
//!
//! What theory allows (RFC 9438 section 5.1, in the region where CUBIC is as fast as Reno): segment
//! size / round trip * 1.22 / sqrt(loss), which is 2.8 Mb/s at 1 % and 1.6 Mb/s at 3 % less what
//! timeouts cost; stacks with RACK, SACK and PRR come close to the first and to four fifths of the
//! second.

use super::world::{FAIR, MS, Weather, World, side};

/// Kilobits per second on average, from the first SYN to the last byte read.
fn goodput(loss: u64, total: u64, offload: u32) -> u64 {
    let mut took = 0;
    for seed in 1..=3 {
        let mut sides = [side(total), side(0)];
        sides[0].offload = offload;
        sides[1].offload = offload;
        let mut world = World::new(sides, Weather { loss, ..FAIR }, seed);
        took += world.run() / MS;
    }
    3 * total * 8 / took
}

#[test]
fn table() {
    for (loss, total, least) in [
        (0, 6_000_000, 50_000),
        (100, 3_000_000, 2500),
        (300, 2_000_000, 1250),
    ] {
        for offload in [0, 65_000] {
            let reached = goodput(loss, total, offload);
            std::println!("{loss} of 10,000, offload {offload}: {reached} kbit/s");
            assert!(reached >= least, "{loss} of 10,000 lost: {reached} kbit/s");
        }
    }
}

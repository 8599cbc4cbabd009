// SPDX-License-Identifier: ISC
//! Whatever the weather, what one program writes the other reads.

use super::world::{FAIR, MS, Plan, Side, Weather, World, side};

#[test]
fn one_way() {
    let mut world = World::new([side(1_000_000), side(0)], FAIR, 1);
    let took = world.run();
    assert!(took < 1500 * MS, "{}", took / MS);
    assert_eq!(world.ends[0].counters.retransmitted, 0);
    assert_eq!(world.ends[0].counters.probes, 0);
    world.close();
}

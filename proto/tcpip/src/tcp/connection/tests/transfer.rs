// SPDX-License-Identifier: ISC
//! Whatever the weather, what one program writes the other reads.

use super::world::{FAIR, MS, Plan, Side, Weather, World, side};
use crate::tcp::{congestion::Algorithm, options::Options, segment::Segment};

/// Nothing is lost: nothing is sent again, and it is as fast as slow start lets it.
#[test]
fn one_way() {
    let mut world = World::new([side(1_000_000), side(0)], FAIR, 1);
    let took = world.run();
    assert!(took < 600 * MS, "{}", took / MS);
    assert_eq!(world.ends[0].counters.retransmitted, 0);
    assert_eq!(world.ends[0].counters.probes, 0);
    world.close();
}

/// RFC 9293, section 3.5, figure 7: both ask at once.
#[test]
fn simultaneous_open() {
    let mut world = World::simultaneous([side(100_000), side(100_000)], FAIR, 1);
    world.run();
    world.close();
}

fn stripped(strip: usize) -> fn(&mut Segment) {
    match strip {
        1 => |segment| segment.options.sack_permitted = false,
        2 => |segment| segment.options.timestamps = None,
        3 => |segment| segment.options.window_scale = None,
        4 => |segment| segment.options = Options::default(),
        _ => |_| {},
    }
}

/// Every kind of weather, option, offload and program, seeded.
#[test]
fn all_weathers() {
    for seed in 0..50u64 {
        let mut dice = World::new([side(0), side(0)], FAIR, seed + 1000);
        let weather = Weather {
            loss: [0, 10, 100, 300, 1000][dice.random(5) as usize],
            duplicate: [0, 0, 100, 1000][dice.random(4) as usize],
            reorder: [0, 0, 100, 2000][dice.random(4) as usize],
            delay: [10_000, MS, 25 * MS, 100 * MS][dice.random(4) as usize],
            rate: [125_000, 12_500_000, 1_250_000_000][dice.random(3) as usize],
            queue: [15_000, 100_000, 1_000_000][dice.random(3) as usize],
            marks: dice.random(2) == 0,
            mtu: usize::MAX,
        };
        let sides = [0, 1].map(|_| random_side(&mut dice));
        let mut world = if dice.random(8) == 0 {
            World::simultaneous(sides, weather, seed)
        } else {
            World::new(sides, weather, seed)
        };
        world.strip = stripped(dice.random(8) as usize);
        world.run();
        world.close();
    }
}

fn random_side(dice: &mut World) -> Side {
    let total = [0, 1, 1000, 20_000, 300_000][dice.random(5) as usize];
    let mut side = side(total);
    side.plan = Plan {
        total,
        chunk: [100, 1460, 5000, 65_536][dice.random(4) as usize],
        read: [100, 3000, 65_536][dice.random(3) as usize],
        pause: [0, 0, 0, MS][dice.random(4) as usize],
        stays: false,
    };
    side.config.receive_buffer = [2000, 16_384, 65_535, 1 << 20, 4 << 20][dice.random(5) as usize];
    side.config.send_buffer = [4000, 65_536, 4 << 20][dice.random(3) as usize];
    side.offload = [0, 0, 65_000][dice.random(3) as usize];
    side.keep = dice.random(3) == 0;
    side.mss = [1460, 1440, 536, 8960][dice.random(4) as usize];
    side.ecn = dice.random(2) == 0;
    if dice.random(3) == 0 {
        side.algorithm = Algorithm::Reno;
    }
    side
}

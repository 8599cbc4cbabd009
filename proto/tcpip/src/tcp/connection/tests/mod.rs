// SPDX-License-Identifier: ISC
//! Connections against each other (`world.rs`) and against scripted peers (`script.rs`).

mod goodput;
mod hostile;
mod loss;
mod offload;
mod rules;
mod script;
mod transfer;
mod world;

use self::world::{FAIR, World, side};
use super::Connection;

/// An established connection that is idle costs less than 800 bytes in all, also after it was busy.
#[test]
fn memory_of_an_idle_connection() {
    let mut world = World::new([side(1), side(1)], FAIR, 1);
    // Many records, and a window that has grown; the programs do not end.
    for end in &mut world.ends {
        end.side.plan.total = 2_000_000;
        end.side.plan.stays = true;
    }
    while world.ends.iter().any(|end| end.read < 2_000_000) {
        assert!(world.step());
    }
    while world.step() {}
    for end in &world.ends {
        let connection = &end.connection;
        let heap = connection.board.heap() + connection.queue.heap();
        assert!(connection.arrivals.is_none() && connection.recovery.is_none());
        assert_eq!((end.budget.used(), connection.deadline()), (0, None));
        let all = size_of::<Connection>() + heap;
        assert!(all <= 800, "{all} of which {heap} are heap");
    }
}

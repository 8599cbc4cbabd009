// SPDX-License-Identifier: ISC
//! Connections against each other (`world.rs`) and against scripted peers (`script.rs`).

mod goodput;
mod hostile;
mod loss;
mod rules;
mod script;
mod transfer;
mod world;

use super::Connection;

/// An idle connection that is established costs this and nothing else.
#[test]
fn size_of_an_idle_connection() {
    let size = size_of::<Connection>();
    assert!(size <= 600, "{size}");
}

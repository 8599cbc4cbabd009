// SPDX-License-Identifier: ISC
//! What happens to the server. Each scenario is bounded in count and time and ends by itself; it
//! leaves connections behind only where that is its point.

use anyhow::Result;

use crate::lab::Lab;

mod crowds;
mod floods;
mod peers;
mod storms;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Lets it happen; says what is worth saying.
    pub run: fn(&mut Lab) -> Result<String>,
}

const fn scenario(name: &'static str, run: fn(&mut Lab) -> Result<String>) -> Scenario {
    Scenario { name, run }
}

/// All of them.
pub const ALL: &[Scenario] = &[
    scenario("in-turn", crowds::in_turn),
    scenario("at-once", crowds::at_once),
    scenario("many-idle", crowds::many_idle),
    scenario("syn-flood", floods::syn),
    scenario("ack-flood", floods::ack),
    scenario("udp-flood", floods::udp),
    scenario("icmp-flood", floods::icmp),
    scenario("fragments", floods::fragments),
    scenario("neighbours", floods::neighbours),
    scenario("storm", storms::blind),
    scenario("half-open", peers::half_open),
    scenario("never-reads", peers::never_reads),
    scenario("zero-window", peers::zero_window),
    scenario("tiny-window", peers::tiny_window),
    scenario("byte-by-byte", peers::byte_by_byte),
    scenario("holes", peers::holes),
    scenario("slow-server", peers::slow_server),
];

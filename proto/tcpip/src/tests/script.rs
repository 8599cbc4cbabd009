// SPDX-License-Identifier: ISC
//! Scripts: what a peer sends, and what the stack must answer, segment by segment.
//!
//! In the spirit of packetdrill, and with a clock that moves only where the script says so. A script
//! is text, one step a line, `#` begins a comment; the first line names the section of the RFC whose
//! rule it is about. Sequence numbers count from the SYN of either side, which is 0.
//!
//! | step | meaning |
//! |---|---|
//! | `set NAME VALUE` | configuration, before anything else |
//! | `listen`, `accept`, `connect`, `connected` | the program's side of the handshake |
//! | `open [OPTIONS]` | the whole handshake, a peer's; options as in a SYN |
//! | `in FLAGS KEY=VALUE ...` | the peer sends a segment |
//! | `out FLAGS KEY=VALUE ...` | the stack has sent one, which has these values |
//! | `after LOW..HIGH out ...` | the same, so much time later |
//! | `quiet TIME` | time passes, and nothing is sent |
//! | `wait TIME` | time passes |
//! | `drain TIME` | time passes, and what is sent does not matter |
//! | `write N`, `read N` | that many bytes, which are right; also `end`, `blocked`, `error NAME` |
//! | `shutdown`, `drop`, `abort`, `unlisten` | the program ends something |
//! | `flushed` | everything written, and the end, was acknowledged |
//! | `icmp KIND seq=N` | an ICMP error about a segment of the stack |
//! | `state N N N` | connections, handshakes and connections in TIME-WAIT |
//!
//! Which rule has which script says `README.md` of the crate.
//!
//! What the stack sends and no step expects is a failure. `parse` knows the steps, `play` does them.

mod parse;
mod play;
mod rules;
mod wire;

pub(super) use self::wire::{arp_reply, syn};

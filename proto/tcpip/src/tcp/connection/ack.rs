// SPDX-License-Identifier: ISC
//! What an acknowledgement does: frees what arrived, tells of losses, moves the congestion window and
//! the peer's window.
//!
//! RFC 9293 section 3.10.7.4 (SND.UNA, SND.WND), RFC 2018 and RFC 2883 (SACK, DSACK), RFC 8985 section
//! 6.2 (the order of steps), RFC 3168 section 6.1.2 (ECE).

use super::{Connection, scoreboard::Delivery, timers::Alarm, types::Env};
use crate::tcp::segment::{Flags, Segment};

impl Connection {
    /// Takes the acknowledgement of a segment, which lies between SND.UNA and SND.NXT or shortly
    /// before.
    pub(super) fn acknowledge(&mut self, env: &mut Env<'_>, segment: &Segment, empty: bool) {
        let ack = segment.ack.max(self.una);
        let advance = ack.since(self.una);
        let outstanding = !self.board.is_empty();
        let changed = self.update_window(segment, advance > 0);
        if !outstanding && advance == 0 {
            if changed {
                self.window_changed();
            }
            return;
        }
        let used = self.window_in_use();
        let mut seen = Delivery {
            now: env.now,
            echo: segment
                .options
                .timestamps
                .filter(|_| self.stamps.on)
                .map(|(_, echo)| echo),
            minimum_rtt: self.rtt.minimum_ns(),
            bytes: 0,
            fresh: None,
            latest: None,
            reordered: false,
        };
        if advance > 0 {
            self.board
                .acknowledge(ack, &mut seen, &self.rack, &self.stamps);
            self.send.consume(advance, env.budget);
            self.una = ack;
            self.base = env.now;
            self.progress = env.now;
            self.backoff = 0;
            self.reorder_at = None;
            self.probe_due = false;
        }
        let dsack = self.take_blocks(segment, &mut seen);
        self.measure(&seen, advance > 0);
        if advance > 0 {
            self.detect_spurious(env, seen.echo);
        }
        let duplicate = advance == 0 && empty && !changed && segment.ack == self.una;
        let lost = if self.sack {
            self.probe_acknowledged(env, ack, duplicate && seen.bytes == 0, dsack);
            self.look_for_loss(env, true)
        } else {
            self.newreno(env, duplicate, advance > 0)
        };
        if segment.flags.has(Flags::ECE) {
            self.congestion_reported(env);
        }
        self.steer(env, seen.bytes, lost, advance > 0, used);
        if changed {
            self.window_changed();
        }
        self.rearm(env.now);
        if advance > 0 {
            self.wake_writer();
        }
    }

    /// SND.WND; says whether it changed. The window counts from the acknowledgement that it came
    /// with: an older one says nothing, and one that advances is the latest even in a segment that
    /// the peer sends again, whose sequence number is old.
    fn update_window(&mut self, segment: &Segment, advances: bool) -> bool {
        let newer =
            self.wl1.before(segment.seq) || self.wl1 == segment.seq && !self.wl2.after(segment.ack);
        if !advances && (!newer || segment.ack.before(self.una)) {
            return false;
        }
        self.wl1 = segment.seq;
        self.wl2 = segment.ack;
        let window = u32::from(segment.window) << self.peer_scale;
        let changed = window != self.peer_window;
        self.peer_window = window;
        self.largest_window = self.largest_window.max(window);
        changed
    }

    /// What waited for the peer's window may go on.
    fn window_changed(&mut self) {
        if self.alarm == Alarm::Persist && self.peer_window > 0 {
            self.alarm = Alarm::None;
            self.window_probe_due = false;
            self.backoff = 0;
        }
    }

    /// Whether the congestion window limits what is sent (RFC 9438 section 4.6, RFC 7661).
    fn window_in_use(&mut self) -> bool {
        let flight = self.nxt.since(self.una);
        let limited = core::mem::take(&mut self.limited);
        if self.control.slow_start() {
            self.control.window < 2 * flight
        } else {
            limited || self.control.window <= flight + flight / 4
        }
    }

    /// SACK blocks; says whether the first reports a duplicate (RFC 2883, section 4).
    fn take_blocks(&mut self, segment: &Segment, seen: &mut Delivery) -> bool {
        let blocks = segment.options.sack.as_slice();
        let Some(first) = blocks.first().filter(|_| self.sack) else {
            let furthest = self.una;
            self.rack.update(seen, furthest);
            return false;
        };
        let inside = blocks.get(1).is_some_and(|second| {
            !first.start.before(second.start) && !first.end.after(second.end)
        });
        let dsack = !first.end.after(segment.ack) || inside;
        let mut furthest = self.una;
        for block in blocks.iter().skip(usize::from(dsack)) {
            let known = !block.start.before(self.una) && !block.end.after(self.nxt);
            if known && block.start.before(block.end) {
                self.board.sack(*block, seen, &self.rack, &self.stamps);
                furthest = furthest.max(block.end);
            }
        }
        self.rack.update(seen, furthest);
        if dsack {
            self.rack.duplicate_reported(self.una, self.nxt);
        }
        dsack
    }

    /// RFC 6298 section 3: no round trip is taken from what was sent twice, unless timestamps tell.
    fn measure(&mut self, seen: &Delivery, advanced: bool) {
        let sample = match seen.fresh {
            Some((first, _)) => Some(seen.now.saturating_sub(first)),
            None if advanced => seen.echo.and_then(|echo| self.stamps.age(echo, seen.now)),
            None => None,
        };
        if let Some(sample) = sample {
            self.rtt.measured(sample, seen.now);
        }
    }

    /// RACK; gives the bytes newly taken for lost. `steered`: the caller sets the window.
    pub(super) fn look_for_loss(&mut self, env: &mut Env<'_>, steered: bool) -> u32 {
        if self.board.sacked == 0 && !self.board.repeated {
            return 0;
        }
        let eager = self.recovery.is_some() || self.board.sacked >= 3 * u32::from(self.mss);
        let reordering = self.rack.reordering(&self.rtt, eager);
        let (lost, again) = self.rack.detect(&mut self.board, reordering, env.now);
        self.reorder_at = again;
        if lost > 0 {
            self.loss_found(env);
            if !steered {
                self.steer(env, 0, lost, false, false);
            }
        }
        lost
    }

    /// The peer saw a mark: as a loss, but once per window and nothing to send again.
    fn congestion_reported(&mut self, env: &mut Env<'_>) {
        if !self.ecn || self.recovery.is_some() || self.una.before(self.marked_until) {
            return;
        }
        env.counters.congestion_marks += 1;
        self.marked_until = self.nxt;
        self.reduced = true;
        self.control.congested(u32::from(self.mss));
        self.control.window = self.control.threshold;
    }
}

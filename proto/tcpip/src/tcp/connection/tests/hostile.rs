// SPDX-License-Identifier: ISC
//! Whatever arrives in whatever state: nothing panics, and nothing is delivered that the peer did not
//! send in order.

use core::task::Poll;

use super::script::{In, Script, ack, handshake, setup};
use crate::{
    ip::{Ecn, IcmpErrorKind},
    tcp::{
        connection::{Connection, Handshake, Verdict},
        segment::Flags,
    },
};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 33) % u64::from(below)) as u32
    }

    /// A sequence number near `base` mostly.
    fn near(&mut self, base: u32) -> u32 {
        match self.roll(6) {
            0 => self.roll(u32::MAX),
            1 => base,
            2 => base.wrapping_add(self.roll(70_000)),
            3 => base.wrapping_sub(self.roll(70_000)),
            _ => base.wrapping_add(self.roll(3000)),
        }
    }

    fn segment(&mut self, nxt: u32, una: u32) -> In {
        let flags = match self.roll(12) {
            0 => Flags(self.roll(256) as u8),
            1 => Flags(Flags::ACK.0 | Flags::FIN.0),
            2 => Flags(Flags::ACK.0 | Flags::ECE.0),
            _ => Flags::ACK,
        };
        let sack = (0..self.roll(5))
            .map(|_| (self.near(una), self.near(una)))
            .collect();
        In {
            flags,
            seq: self.near(nxt),
            ack: self.near(una),
            len: [0, 1, 1000, 4000][self.roll(4) as usize],
            window: [0, 10, 3000, 65_535][self.roll(4) as usize],
            sack,
            timestamps: (self.roll(2) == 0).then(|| (self.roll(3000), self.roll(3000))),
            ecn: if self.roll(5) == 0 {
                Ecn::Congested
            } else {
                Ecn::NotCapable
            },
        }
    }
}

/// One connection under fire; gives how many bytes it delivered.
fn run(seed: u64) -> u32 {
    let mut dice = Dice(seed);
    let agreed = Handshake {
        sack: dice.roll(4) > 0,
        timestamp: (dice.roll(3) == 0).then_some(5),
        window_scale: (dice.roll(2) == 0).then_some(3),
        ecn: dice.roll(2) == 0,
        ..handshake()
    };
    let mut script = if dice.roll(4) == 0 {
        Script::new(|env| Connection::connect(setup(), env))
    } else {
        Script::agreed(&agreed)
    };
    script.offload = [0, 64_000][dice.roll(2) as usize];
    let (mut read, mut una, mut first) = (0u32, 1, 1);
    for _ in 0..150 {
        let segment = dice.segment(first + read, una);
        let mut verdict = script.inject(&segment);
        match dice.roll(10) {
            0 => script.connection.shutdown_write(),
            1 | 2 => {
                let bytes = std::vec![1; dice.roll(20_000) as usize];
                let _ = script.env(|connection, env| connection.write(env, &bytes));
            }
            3 => drop(script.wait(u64::from(dice.roll(2000)) * 1_000_000)),
            4 => script.env(|connection, env| connection.path_mss(env, 700)),
            5 => {
                let kind = IcmpErrorKind::HostUnreachable;
                verdict = script.env(|connection, env| connection.icmp(env, kind, setup().iss + 1));
            }
            _ => {}
        }
        let sent = script.sends();
        una = sent.last().map_or(una, |out| out.seq + out.len);
        // Where the peer began: it may have asked with any sequence number.
        if read == 0 {
            first = script.first_unread();
        }
        let mut buffer = [0; 3000];
        while let Poll::Ready(Ok(count)) = script.env(|c, env| c.read(env, &mut buffer)) {
            for byte in &buffer[..count] {
                assert_eq!(*byte, (first + read) as u8, "seed {seed}");
                read += 1;
            }
            if count == 0 {
                break;
            }
        }
        if verdict != Verdict::Nothing && script.connection.closed() {
            break;
        }
    }
    script.takes_no_more();
    read
}

impl Script {
    /// The sequence number of the first byte that was not read.
    fn first_unread(&self) -> u32 {
        let connection = &self.connection;
        let after = connection.queue.len() + u32::from(connection.peer_done());
        connection
            .window
            .nxt
            .back(after)
            .0
            .wrapping_sub(handshake().irs.0)
    }

    /// Everything was given back.
    fn takes_no_more(&mut self) {
        self.env(Connection::discard);
        assert_eq!(self.budget.used(), 0);
        assert_eq!(self.connection.deadline(), None);
        let _ = self.inject(&ack(1, 1));
        assert_eq!(self.sends(), []);
    }
}

#[test]
fn nothing_panics_and_nothing_is_made_up() {
    let delivered: u32 = (0..1000).map(run).sum();
    // It does get somewhere.
    assert!(delivered > 50_000, "{delivered}");
}

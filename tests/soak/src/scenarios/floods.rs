// SPDX-License-Identifier: ISC
//! Packets from nowhere, as fast as they go.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Result, ensure};

use crate::{
    frame::{self, Segment, flags, protocol},
    lab::{Lab, Scale},
    wire::MAC,
};

/// Packets between two good clients.
const TURN: usize = 2000;

/// Sends so many frames, and sees now and then that good clients are served. Says how long the
/// slowest of them took.
fn flood(
    lab: &mut Lab,
    count: usize,
    mut make: impl FnMut(&mut Lab, usize) -> Vec<u8>,
) -> Result<String> {
    let mut slowest = lab.answers()?;
    for number in 0..count {
        let frame = make(lab, number);
        lab.wire.send(&frame)?;
        if number % 64 == 63 {
            lab.wire.pump()?;
        }
        if number % TURN == TURN - 1 {
            slowest = slowest.max(lab.answers()?);
        }
    }
    slowest = slowest.max(lab.answers()?);
    Ok(format!(
        "{count} packets, slowest answer {} ms",
        slowest.as_millis()
    ))
}

/// SYNs from everywhere: good clients get cookies.
pub(super) fn syn(lab: &mut Lab) -> Result<String> {
    let before = lab.ask()?;
    let count = lab.scaled(100_000, 1_000_000, 20_000);
    let said = flood(lab, count, |lab, _| {
        let syn = Segment {
            source: (lab.wire.stranger(), lab.wire.port()),
            destination: (lab.wire.target, 7),
            seq: lab.wire.number(),
            ack: 0,
            flags: flags::SYN,
            window: 0xffff,
            mss: Some(1460),
            payload: Vec::new(),
        };
        syn.frame(lab.wire.ends)
    })?;
    let cookies = lab.ask()?.since(&before, "cookies");
    ensure!(cookies > 0, "no cookie was sent");
    Ok(format!("{said}, {cookies} cookies"))
}

/// Segments for connections that never were, of all sorts, while cookies may come back.
pub(super) fn ack(lab: &mut Lab) -> Result<String> {
    let before = lab.ask()?;
    let count = lab.scaled(50_000, 500_000, 20_000);
    let said = flood(lab, count, |lab, number| {
        let segment = Segment {
            source: (lab.wire.stranger(), lab.wire.port()),
            destination: (lab.wire.target, [7, 9, 13, 19, 80][number % 5]),
            seq: lab.wire.number(),
            ack: lab.wire.number(),
            flags: lab.wire.number() as u8,
            window: lab.wire.number() as u16,
            mss: None,
            payload: vec![b'x'; number % 100],
        };
        segment.frame(lab.wire.ends)
    })?;
    let resets = lab.ask()?.since(&before, "resets-out");
    ensure!(
        resets <= count as u64 / 2,
        "a flood was answered with {resets} resets"
    );
    Ok(format!("{said}, {resets} resets"))
}

/// Datagrams, for ports where nobody is and for one where somebody is, who cannot answer all.
pub(super) fn udp(lab: &mut Lab) -> Result<String> {
    let count = lab.scaled(50_000, 500_000, 20_000);
    flood(lab, count, |lab, number| {
        let port = if number % 10 == 0 { 7 } else { lab.wire.port() };
        let source = (lab.wire.stranger(), lab.wire.port());
        let destination = (lab.wire.target, port);
        frame::udp(lab.wire.ends, source, destination, &[0; 900])
    })
}

/// Errors about what was sent and what was not, and echo requests.
pub(super) fn icmp(lab: &mut Lab) -> Result<String> {
    let count = lab.scaled(50_000, 500_000, 20_000);
    flood(lab, count, |lab, number| {
        let source = lab.wire.stranger();
        let (ends, target) = (lab.wire.ends, lab.wire.target);
        if number % 8 == 0 {
            let mut echo = vec![8, 0, 0, 0, 0, 0, 0, 0];
            echo.extend([7; 1000]);
            let sum = frame::checksum(&[&echo]).to_be_bytes();
            echo[2..4].copy_from_slice(&sum);
            return frame::ipv4(ends, source, target, protocol::ICMP, (0, 0, false), &echo);
        }
        // About a segment, which seems to have gone to some host.
        let quoted = Segment {
            source: (target, 7),
            destination: (source, lab.wire.port()),
            seq: lab.wire.number(),
            ack: 0,
            flags: flags::ACK,
            window: 0,
            mss: None,
            payload: Vec::new(),
        };
        let kind = [(3, 4, 68), (3, 3, 0), (11, 0, 0), (3, 4, 576), (5, 1, 0)][number % 5];
        let quoted = quoted.frame(ends);
        frame::icmp_error(ends, source, target, kind, &quoted[14..])
    })
}

/// Pieces of packets that never get whole, and some that overlap.
pub(super) fn fragments(lab: &mut Lab) -> Result<String> {
    let before = lab.ask()?;
    let count = lab.scaled(20_000, 200_000, 20_000);
    let said = flood(lab, count, |lab, number| {
        let source = match number % 3 {
            0 => lab.wire.neighbour(),
            _ => lab.wire.stranger(),
        };
        let id = (number / 4) as u16;
        let offset = [0, 1400, 700, 64_000][number % 4];
        let place = (id, offset, true);
        let target = lab.wire.target;
        frame::ipv4(
            lab.wire.ends,
            source,
            target,
            protocol::UDP,
            place,
            &[0; 1400],
        )
    })?;
    let held = lab.ask()?.since(&before, "used");
    Ok(format!("{said}, {held} bytes held at its end"))
}

/// Hosts that say that they are there, and hosts that are not and want answers.
pub(super) fn neighbours(lab: &mut Lab) -> Result<String> {
    let before = lab.ask()?;
    let count = lab.scaled(50_000, 500_000, 20_000);
    // What is asked for the addresses below goes unanswered.
    lab.wire.silent(true);
    let said = flood(lab, count, |lab, number| {
        let address = lab.wire.neighbour();
        let (ends, target) = (lab.wire.ends, lab.wire.target);
        match number % 4 {
            0 => frame::arp(ends, 1, (MAC, address), ([0; 6], target)),
            1 => frame::arp(ends, 2, (MAC, address), (ends.to, target)),
            2 => solicitation(lab, address),
            _ => frame::udp(ends, (address, 9), (target, 7), b"answer me"),
        }
    });
    lab.wire.silent(false);
    let after = lab.ask()?;
    let held = after.since(&before, "used");
    ensure!(
        lab.scale == Scale::Full || held < 1 << 20,
        "{held} bytes for neighbours"
    );
    Ok(format!("{}, {held} bytes held at its end", said?))
}

/// A neighbour solicitation for the unikernel's link-local address (RFC 4861, section 4.3).
fn solicitation(lab: &mut Lab, address: Ipv4Addr) -> Vec<u8> {
    let [a, b, c, d] = address.octets();
    let low = u16::from_be_bytes([a, b]);
    let source = Ipv6Addr::new(0xfd78, 0, 0, 0, 0, 1, low, u16::from_be_bytes([c, d]));
    let target = Ipv6Addr::new(0xfd78, 0, 0, 0, 0, 0, 0, 2);
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    message.extend([1, 1]);
    message.extend(MAC);
    frame::icmpv6(lab.wire.ends, source, target, &message)
}

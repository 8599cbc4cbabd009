// SPDX-License-Identifier: ISC
//! Segments in the name of others, who are in the middle of a conversation: RFC 5961.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    crowd,
    frame::{Segment, flags},
    lab::{Lab, PATIENCE},
};

/// Conversations.
const CONVERSATIONS: usize = 4;
/// How far apart guesses are: less than a window, so that one of them is inside.
const STEP: u32 = 60_000;

/// Resets, SYNs, acknowledgements and data with every number that there is, in steps smaller than
/// a window: one of each is inside. No connection breaks, and none brings a byte too many.
pub(super) fn blind(lab: &mut Lab) -> Result<String> {
    let before = lab.ask()?;
    let count = lab.scaled(1, CONVERSATIONS, 1);
    let mut streams = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect(SocketAddr::V4(lab.server(7)))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    // Windows are what they become by use.
    for stream in &mut streams {
        crowd::echo(stream, &[b'a'; 10_000])?;
    }
    let kinds = [flags::RST, flags::SYN, flags::ACK, flags::ACK | flags::RST];
    let mut sent = 0_u64;
    for (number, seq) in (0..=u32::MAX).step_by(STEP as usize).enumerate() {
        for stream in &streams {
            let SocketAddr::V4(own) = stream.local_addr()? else {
                bail!("an address of another kind");
            };
            for kind in kinds {
                let segment = Segment {
                    source: (*own.ip(), own.port()),
                    destination: (lab.wire.target, 7),
                    seq,
                    ack: lab.wire.number(),
                    flags: kind,
                    window: 0,
                    mss: None,
                    payload: match kind {
                        flags::ACK => vec![b'!'; number % 3 * 500],
                        _ => Vec::new(),
                    },
                };
                lab.wire.segment(&segment)?;
                sent += 1;
            }
        }
        if number % 16 == 0 {
            lab.wire.pump()?;
        }
        if number % 1000 == 0 {
            for stream in &mut streams {
                crowd::echo(stream, b"between blows").context("in the storm")?;
            }
        }
    }
    for stream in &mut streams {
        crowd::echo(stream, &[b'z'; 10_000]).context("after the storm")?;
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        let more = std::io::Read::read(stream, &mut [0]);
        ensure!(more.is_err(), "something comes that nobody sent");
    }
    let challenges = lab.ask()?.since(&before, "challenges");
    ensure!(challenges > 0, "no guess was challenged");
    Ok(format!("{sent} guesses, {challenges} challenged"))
}

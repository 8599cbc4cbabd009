// SPDX-License-Identifier: ISC
//! Honest clients, very many of them.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    crowd::{self, End, Plan},
    lab::{Lab, SOURCES, Scale},
    peer,
};

/// Connections that are begun and not done: less than a backlog.
const AT_ONCE: usize = 64;
/// Bytes that an idle connection may take, the task of the program for it included.
const MOST_EACH: u64 = 4096;

/// One connection after the other, ended by the client, by the server, and by a reset.
pub(super) fn in_turn(lab: &mut Lab) -> Result<String> {
    let count = lab.scaled(100_000, 1_000_000, 5_000);
    let parts = [
        (End::Client, 7, count / 2),
        (End::Server, 13, count / 4),
        (End::Reset, 7, count / 4),
    ];
    let mut said = String::new();
    for (end, port, count) in parts {
        let outcome = Plan {
            server: lab.server(port),
            sources: &[],
            count,
            at_once: AT_ONCE,
            end,
            lenient: false,
        }
        .run()?;
        let rate = outcome.done as f64 / outcome.time.as_secs_f64();
        let _ = write!(said, "{count} ended by {end:?}: {rate:.0}/s  ");
        lab.answers()?;
    }
    Ok(said)
}

/// Connections that all talk, and then are silent; then half of them die without a word, and the
/// others end.
pub(super) fn at_once(lab: &mut Lab) -> Result<String> {
    crowd(lab, 10_000, &SOURCES)
}

/// Ten times as many that are only played, since few hosts let a process have so many sockets. All
/// of them die without a word.
pub(super) fn many_idle(lab: &mut Lab) -> Result<String> {
    if lab.scale != Scale::Full {
        return Ok("in the long form".to_owned());
    }
    let before = lab.ask()?;
    let count = peer::connect(&mut lab.wire, 7, 100_000, 0xffff, None)?.len() as u64;
    let idle = lab.ask()?;
    let held = idle.since(&before, "held");
    ensure!(held == count, "{held} are held");
    let each = idle.since(&before, "used") / held;
    ensure!(each <= MOST_EACH, "an idle connection takes {each} bytes");
    let answer = lab.answers()?.as_millis();
    Ok(format!(
        "{held} idle, {each} bytes each with its task, answer in {answer} ms"
    ))
}

fn crowd(lab: &mut Lab, count: usize, sources: &[std::net::Ipv4Addr]) -> Result<String> {
    let lenient = lab.scale == Scale::Tight;
    let before = lab.ask()?;
    let plan = Plan {
        server: lab.server(7),
        sources,
        count,
        at_once: 4 * AT_ONCE,
        end: End::Stay,
        lenient,
    };
    let mut outcome = plan.run()?;
    let idle = lab.ask()?;
    let held = idle.since(&before, "held").max(1);
    let each = idle.since(&before, "used") / held;
    if !lenient {
        ensure!(
            outcome.kept.len() == count,
            "{} are kept",
            outcome.kept.len()
        );
        ensure!(held == count as u64, "{held} are held");
        ensure!(each <= MOST_EACH, "an idle connection takes {each} bytes");
        lab.answers()?;
        // All are there still.
        for stream in outcome.kept.iter_mut().step_by(97) {
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            crowd::echo(stream, b"still there")?;
        }
    }
    let rate = outcome.done as f64 / outcome.time.as_secs_f64();
    lab.die(true)?;
    drop(outcome);
    lab.die(false)?;
    Ok(format!(
        "{held} idle, {each} bytes each with its task, {rate:.0}/s"
    ))
}

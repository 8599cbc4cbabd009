// SPDX-License-Identifier: ISC
//! Goodput through bad weather: two stacks, a link with delay and loss, and a table of what came of
//! it. Everything follows from seeds and a clock of its own, so each number is the same on every
//! machine; a change to the protocol shows as a changed row, which is to be explained.

use std::{fmt::Write as _, format, string::String, vec::Vec};

use embedded_io_async::{Read, Write};
use fata_device::{
    Flow, NetInfo,
    memory::{link, plain_info},
    weather::{Chance, Delay, Loss, Reorder},
};

use super::world::{TestClock, World, both, clock, fixed};
use crate::{Config, CongestionControl, TcpConfig, TcpListener, TcpStream};

/// A way, and a transfer over it.
#[derive(Clone, Copy)]
struct Case {
    /// Thousandths of frames that are lost, on the way there and back.
    loss: u32,
    /// Thousandths that are held up for two milliseconds.
    reorder: u32,
    /// Nanoseconds of one way.
    delay: u64,
    buffer: usize,
    congestion: CongestionControl,
    bytes: usize,
}

const MS: u64 = 1_000_000;
const CASE: Case = Case {
    loss: 0,
    reorder: 0,
    delay: 10 * MS,
    buffer: 4 << 20,
    congestion: CongestionControl::Cubic,
    bytes: 1 << 20,
};

/// The byte at a place of the stream.
fn byte(at: usize) -> u8 {
    (at ^ at >> 8 ^ at >> 16) as u8
}

/// Kilobytes a second that arrive.
fn goodput(case: Case, seed: u64) -> u64 {
    let mut world = World::new();
    let infos: [NetInfo; 2] = [plain_info(1), plain_info(2)];
    let (a, b) = link(infos, 1 << 14);
    let way = |nic, seed| {
        let delayed = Delay::new(nic, TestClock, case.delay..=case.delay, seed);
        let chance = Chance::per_million(case.reorder * 1000);
        let reordered = Reorder::new(delayed, TestClock, chance, 2 * MS, seed + 10);
        Loss::new(reordered, Chance::per_million(case.loss * 1000), seed + 20)
    };
    let config = |last| Config {
        tcp: TcpConfig {
            receive_buffer: case.buffer,
            send_buffer: case.buffer,
            congestion: case.congestion,
            ..TcpConfig::default()
        },
        ..fixed(last)
    };
    // Each frame passes the weather once: on the card of the receiver of data, both directions.
    let a = world.add(a, config(1));
    let b = world.add(way(b, seed), config(2));
    let listener = TcpListener::bind(&b, 80).unwrap();
    let peer = "10.0.0.2:80".parse().unwrap();
    let (client, server) = world.run(both(TcpStream::connect(&a, peer), listener.accept()));
    let (mut client, mut server) = (client.unwrap(), server.unwrap().0);
    let data: Vec<u8> = (0..case.bytes).map(byte).collect();
    let began = clock();
    let send = async {
        client.write_all(&data).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let receive = async {
        let mut buffer = [0; 16384];
        let mut at = 0;
        loop {
            let len = server.read(&mut buffer).await.unwrap();
            if len == 0 {
                return (at, clock());
            }
            let right = buffer[..len]
                .iter()
                .zip(at..)
                .all(|(got, at)| *got == byte(at));
            assert!(right, "bytes arrive as they were sent");
            at += len;
        }
    };
    let ((len, ended), ()) = world.run(both(receive, send));
    assert_eq!(len, case.bytes);
    case.bytes as u64 * 1_000_000 / (ended - began)
}

/// The middle of three seeds.
fn row(table: &mut String, name: &str, case: Case) {
    let mut rates = [1, 2, 3].map(|seed| goodput(case, seed));
    rates.sort_unstable();
    let _ = writeln!(table, "{name:<28} {:>8}", rates[1]);
}

fn compare(table: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim().into());
        lines.filter(|line: &String| !line.is_empty()).collect()
    };
    assert!(
        lines(table) == lines(expected),
        "the table has changed; if that is right, write down the new one:\n{table}"
    );
}

#[test]
fn goodput_by_loss_and_buffer() {
    let mut table = String::new();
    for loss in [0, 1, 10, 30] {
        for buffer in [64 << 10, 256 << 10, 4 << 20] {
            let name = format!("loss {loss}/1000 buffer {}k", buffer >> 10);
            row(
                &mut table,
                &name,
                Case {
                    loss,
                    buffer,
                    ..CASE
                },
            );
        }
    }
    compare(&table, include_str!("goodput.txt"));
}

#[test]
fn goodput_by_kind_of_weather() {
    let mut table = String::new();
    let reno = Case {
        congestion: CongestionControl::Reno,
        ..CASE
    };
    let way = |delay, loss, reorder| Case {
        delay,
        loss,
        reorder,
        ..CASE
    };
    row(&mut table, "reno, loss 1 %", Case { loss: 10, ..reno });
    for (name, case) in [
        ("reordered 5 %", way(10 * MS, 0, 50)),
        ("reordered 5 %, loss 1 %", way(10 * MS, 10, 50)),
        ("50 ms, loss 1 %", way(25 * MS, 10, 0)),
        ("50 ms, loss 3 %", way(25 * MS, 30, 0)),
        ("200 ms", way(100 * MS, 0, 0)),
        ("0.2 ms, loss 1 %", way(100_000, 10, 0)),
    ] {
        row(&mut table, name, case);
    }
    compare(&table, include_str!("goodput_kinds.txt"));
}

/// A transfer is the same twice: nothing depends on anything but the seed.
#[test]
fn the_simulator_is_deterministic() {
    let case = Case {
        loss: 20,
        bytes: 1 << 20,
        ..CASE
    };
    assert_eq!(goodput(case, 7), goodput(case, 7));
}

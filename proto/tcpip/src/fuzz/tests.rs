// SPDX-License-Identifier: ISC
//! That the entries take anything, and that the check can fail.

use std::{vec, vec::Vec};

use fata_device::weather::Random;

use super::{model::Model, streams};

/// Steps that a peer of a healthy connection takes, with others between them.
fn input(random: &mut Random) -> Vec<u8> {
    let mut input: Vec<u8> = (0..12).map(|_| random.number() as u8).collect();
    // Windows that let something through, mostly.
    input.push([0, 0, 1, 8, 2, 4][random.within(0..=5) as usize]);
    for _ in 0..random.within(1..=120) {
        input.push(random.number() as u8);
        input.extend((0..random.within(0..=8)).map(|_| random.number() as u8));
    }
    input
}

/// The seeds of both targets break nothing.
#[test]
fn seeds_are_taken() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, run) in [
        ("tcpip_frames", super::frames as fn(&[u8])),
        ("tcpip_streams", streams),
    ] {
        for seed in std::fs::read_dir(corpus.join(target)).unwrap() {
            run(&std::fs::read(seed.unwrap().path()).unwrap());
        }
    }
}

#[test]
fn nothing_is_made_up() {
    let mut random = Random::new(0xfa7a);
    streams(&[]);
    for _ in 0..400 {
        streams(&input(&mut random));
    }
}

#[test]
#[should_panic(expected = "was not sent")]
fn a_byte_that_was_not_sent_is_found() {
    let mut model = Model::new(1);
    let bytes = model.take_peer(0, 10, false);
    model.read(core::task::Poll::Ready(Ok(bytes)), false);
    model.read(core::task::Poll::Ready(Ok(vec![1])), false);
}

#[test]
#[should_panic(expected = "at 0")]
fn a_wrong_byte_is_found() {
    let mut model = Model::new(1);
    model.take_peer(0, 10, false);
    model.read(core::task::Poll::Ready(Ok(Model::wrong(0, 1))), false);
}

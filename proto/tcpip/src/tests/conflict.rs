// SPDX-License-Identifier: ISC
//! What a user is told of another host that has the same address.

use std::{
    cell::RefCell,
    string::{String, ToString},
    thread_local,
    time::Duration,
    vec::Vec,
};

use fata_device::net::Offload;
use log::{LevelFilter, Log, Metadata, Record};

use super::{
    responder::put,
    world::{World, fixed, wire},
};
use crate::Config;

/// Keeps what each test, which is a thread, has logged.
struct Kept;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl Log for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

#[test]
fn an_address_of_two_hosts_is_in_the_log() {
    log::set_logger(&Kept).unwrap();
    log::set_max_level(LevelFilter::Warn);
    let mut world = World::new();
    let (mut other, nic) = wire();
    let label = "service".into();
    let _stack = world.add(nic, Config { label, ..fixed(2) });
    let mut claim = [0xff; 42];
    claim[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    claim[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    claim[22..32].copy_from_slice(&[2, 0, 0, 0, 0, 9, 10, 0, 0, 2]);
    for _ in 0..3 {
        put(&mut other, &claim, Offload::default());
        world.pass(Duration::from_secs(1));
    }
    let told = "service: 10.0.0.2 is also used by another host, 02:00:00:00:00:09";
    assert_eq!(LINES.take(), [told]);
}

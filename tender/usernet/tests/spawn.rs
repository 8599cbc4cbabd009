// SPDX-License-Identifier: ISC
//! The network as a process: it serves, reports what it cannot have, and ends with its guest.
//!
//! Without the test harness, because `spawn` wants a process with one thread.

#![expect(
    unreachable_pub,
    reason = "the guest is shared by several test programs"
)]
#![allow(dead_code, reason = "the guest is shared by several test programs")]

mod guest;

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use fata_usernet::{Config, GATEWAY};
use guest::{Guest, MAC, config};

fn main() {
    it_serves_and_ends_with_its_guest();
    a_port_in_use_is_named();
    a_process_with_threads_is_refused();
    println!("spawn: ok");
}

fn it_serves_and_ends_with_its_guest() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let start = Instant::now();
    let net = fata_usernet::spawn(config(), MAC).unwrap();
    println!("spawned in {:?}", start.elapsed());
    let pid = rustix::process::Pid::from_raw(net.pid());
    let mut guest = Guest::on(net.into_socket());
    guest.configure();
    let socket = guest.udp(4000);
    let there = SocketAddr::from((GATEWAY, server.local_addr().unwrap().port()));
    guest.udp_send(socket, there, b"question");
    let peer = guest.until(|_| server.recv_from(&mut [0; 100]).ok()).1;
    server.send_to(b"answer", peer).unwrap();
    assert_eq!(guest.udp_receive(socket).0, b"answer");
    privileges_are_gone(pid.unwrap());
    drop(guest);
    let status = rustix::process::waitpid(pid, rustix::process::WaitOptions::empty());
    assert_eq!(status.unwrap().unwrap().1.exit_status(), Some(0));
}

fn privileges_are_gone(pid: rustix::process::Pid) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid())).unwrap();
    let value = |name| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(value("NoNewPrivs:"), "1");
    assert_eq!(value("CapPrm:"), "0000000000000000");
    assert_eq!(value("CapEff:"), "0000000000000000");
}

fn a_port_in_use_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let holder = UdpSocket::bind(("127.0.0.1", taken)).unwrap();
    let config: Config = format!("udp:{taken}:53").parse().unwrap();
    let error = fata_usernet::spawn(config, MAC).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let expected = format!("cannot listen on udp `127.0.0.1:{taken}`: ");
    assert!(error.to_string().starts_with(&expected), "{error}");
    drop(holder);
}

fn a_process_with_threads_is_refused() {
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv_timeout(Duration::from_secs(20)));
    let error = fata_usernet::spawn(config(), MAC).unwrap_err();
    assert!(error.to_string().contains("several threads"), "{error}");
    drop(stop);
    let _ = thread.join().unwrap();
}

// SPDX-License-Identifier: ISC
//! The DHCP client against a server of a page.

use std::{cell::RefCell, rc::Rc, time::Duration, vec, vec::Vec};

use fata_device::{memory::Nic, net::Offload};

use super::{
    responder::{put, take},
    world::{World, both, ip, wire},
};
use crate::{Config, Stack, UdpSocket, checksum::Sum};

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const LEASE_SECONDS: u32 = 600;

/// Answers DHCP at 10.0.0.1 as long as `answers` is set, and notes the types it was asked.
struct Server {
    nic: Nic,
    asked: Rc<RefCell<Vec<u8>>>,
    names: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Server {
    fn step(&mut self, silent: bool) {
        while let Some(frame) = take(&mut self.nic) {
            let is_dhcp = frame.len() > 282 && frame[12..14] == [8, 0] && frame[36..38] == [0, 67];
            if frame[12..14] == [8, 6] && frame[38..42] == [10, 0, 0, 1] {
                put(&mut self.nic, &arp_reply(&frame), Offload::default());
            }
            if !is_dhcp {
                continue;
            }
            let request = &frame[42..];
            let kind = option(request, 53).unwrap()[0];
            self.asked.borrow_mut().push(kind);
            self.names.borrow_mut().extend(option(request, 12));
            if !silent {
                let answer = reply(request, if kind == DISCOVER { OFFER } else { ACK });
                put(&mut self.nic, &answer, Offload::default());
            }
        }
    }
}

/// Turns a question for 10.0.0.1 into its answer (RFC 826).
fn arp_reply(request: &[u8]) -> Vec<u8> {
    let mut frame = request[..42].to_vec();
    frame[..6].copy_from_slice(&request[6..12]);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[21] = 2;
    frame[22..28].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[28..32].copy_from_slice(&[10, 0, 0, 1]);
    frame[32..42].copy_from_slice(&request[22..32]);
    frame
}

fn option(packet: &[u8], wanted: u8) -> Option<Vec<u8>> {
    let mut options = &packet[240..];
    while let [kind, rest @ ..] = options {
        match (*kind, rest) {
            (255, _) => return None,
            (0, _) => options = rest,
            (kind, [len, rest @ ..]) => {
                let (data, rest) = rest.split_at(usize::from(*len));
                if kind == wanted {
                    return Some(data.to_vec());
                }
                options = rest;
            }
            _ => return None,
        }
    }
    None
}

fn reply(request: &[u8], kind: u8) -> Vec<u8> {
    let mut dhcp = vec![0; 240];
    dhcp[..4].copy_from_slice(&[2, 1, 6, 0]);
    dhcp[4..8].copy_from_slice(&request[4..8]);
    dhcp[16..20].copy_from_slice(&[10, 0, 0, 55]);
    dhcp[28..44].copy_from_slice(&request[28..44]);
    dhcp[236..240].copy_from_slice(&[99, 130, 83, 99]);
    dhcp.extend([53, 1, kind, 54, 4, 10, 0, 0, 1, 1, 4, 255, 255, 255, 0]);
    dhcp.extend([3, 4, 10, 0, 0, 1, 6, 4, 10, 0, 0, 3, 51, 4]);
    dhcp.extend(LEASE_SECONDS.to_be_bytes());
    dhcp.push(255);
    let udp_len = dhcp.len() as u16 + 8;
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend((udp_len + 20).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 55]);
    let sum = Sum::default().add(&frame[14..34]).finish();
    frame[24..26].copy_from_slice(&sum);
    frame.extend([0, 67, 0, 68]);
    frame.extend(udp_len.to_be_bytes());
    // No checksum, which IPv4 allows.
    frame.extend([0, 0]);
    frame.extend(dhcp);
    frame
}

struct Lan {
    world: World,
    stack: Stack,
    silent: Rc<std::cell::Cell<bool>>,
    asked: Rc<RefCell<Vec<u8>>>,
    names: Rc<RefCell<Vec<Vec<u8>>>>,
}

fn lan() -> Lan {
    let mut world = World::new();
    let (nic, client) = wire();
    let config = Config {
        host_name: Some("resolver-1".into()),
        ..Config::default()
    };
    let stack = world.add(client, config);
    let silent = Rc::new(std::cell::Cell::new(false));
    let (asked, names) = (Rc::default(), Rc::default());
    let mut server = Server {
        nic,
        asked: Rc::clone(&asked),
        names: Rc::clone(&names),
    };
    let is_silent = silent.clone();
    world.add_step(move |_| server.step(is_silent.get()));
    Lan {
        world,
        stack,
        silent,
        asked,
        names,
    }
}

#[test]
fn leases_an_address_with_its_router() {
    let mut lan = lan();
    lan.world.run(lan.stack.wait_configured());
    assert_eq!(*lan.asked.borrow(), [DISCOVER, REQUEST]);
    assert_eq!(lan.names.borrow()[0], b"resolver-1");
    assert!(lan.stack.shared().engine().ip.has(ip("10.0.0.55").into()));
    let routed = lan
        .stack
        .shared()
        .engine()
        .ip
        .reaches(ip("192.0.2.1").into());
    assert!(routed, "through the router");
    assert_eq!(lan.stack.dns_servers(), [ip("10.0.0.3")]);
}

#[test]
fn waits_while_there_is_no_server() {
    let mut lan = lan();
    lan.silent.set(true);
    lan.world.pass(Duration::from_secs(60));
    assert!(lan.asked.borrow().len() > 3, "keeps asking");
    let answer = async {
        lan.silent.set(false);
    };
    lan.world.run(both(lan.stack.wait_configured(), answer));
    assert!(lan.stack.shared().engine().ip.has(ip("10.0.0.55").into()));
}

#[test]
fn renews_and_loses_the_lease() {
    let mut lan = lan();
    lan.world.run(lan.stack.wait_configured());
    let socket = UdpSocket::bind(&lan.stack, 7).unwrap();
    lan.world.pass(Duration::from_secs(1000));
    assert!(lan.asked.borrow()[2..].iter().all(|kind| *kind == REQUEST));
    assert!(lan.asked.borrow().len() > 3, "renews");
    assert!(lan.stack.shared().engine().ip.has(ip("10.0.0.55").into()));
    lan.silent.set(true);
    lan.world.pass(Duration::from_secs(1000));
    assert!(
        !lan.stack.shared().engine().ip.has(ip("10.0.0.55").into()),
        "expired"
    );
    lan.silent.set(false);
    lan.world.run(lan.stack.wait_configured());
    assert!(lan.stack.shared().engine().ip.has(ip("10.0.0.55").into()));
    drop(socket);
}

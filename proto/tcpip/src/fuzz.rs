// SPDX-License-Identifier: ISC
//! The entry for a fuzzer: any bytes, as frames and pauses between them.

use alloc::rc::Rc;
use core::{
    cell::Cell,
    task::{Context, Poll, Waker},
};
use std::thread_local;

use fata_device::{
    Frame, Net,
    memory::{link, plain_info},
    net::{Checksum, Offload},
};

use crate::{
    Config, Ipv4, Stack, TcpListener, UdpSocket,
    driver::{Driver, Next},
    stack::Clock,
};

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// Steps that a stack may take before it has to wait for something.
const MAX_STEPS: usize = 1000;

/// Feeds `input` to a stack that answers UDP on port 53 and accepts TCP on port 80, at 10.0.0.2,
/// fe80::ff:fe00:2 and what it is told to use, with the Ethernet address 02:00:00:00:00:02.
///
/// Each frame is preceded by three bytes: its length (little endian, low eleven bits), the state of
/// its checksum (the two bits above), and a pause of 2 to the power of the third byte's low five
/// bits, in microseconds. The first byte of the input decides whether there is an IPv4 address or
/// DHCP is asked.
///
/// # Panics
///
/// Never; that is what the fuzzer looks for.
pub fn frames(input: &[u8]) {
    let Some((first, mut rest)) = input.split_first() else {
        return;
    };
    NOW.set(1_000_000_000);
    let ipv4 = match first & 1 {
        0 => Ipv4::Dhcp,
        _ => Ipv4::Static {
            prefix: "10.0.0.2/24".parse().expect("a prefix"),
            gateway: None,
        },
    };
    let config = Config {
        ipv4,
        tcp_memory: Some(1 << 20),
        ..Config::default()
    };
    let mut infos = [plain_info(1), plain_info(2)];
    infos[0].offload.checksum = true;
    let (mut peer, nic) = link(infos, 64);
    let (stack, mut driver) = Stack::with_driver(nic, config, || 4, Clock::stepping(|| NOW.get()));
    let listener = TcpListener::bind(&stack, 80).expect("a free port");
    let socket = UdpSocket::bind(&stack, 53).expect("a free port");
    let responder = socket.respond(|query, _, reply| {
        let len = query.len().min(reply.len());
        reply[..len].copy_from_slice(&query[..len]);
        Some(len)
    });
    let keep = Rc::new((listener, responder));
    while let [low, high, pause, more @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high]) & 0x7ff).min(more.len());
        let (frame, more) = more.split_at(len);
        rest = more;
        send(&mut peer, frame, *high);
        settle(&mut driver);
        NOW.set(NOW.get() + (1000 << (pause & 31)));
        settle(&mut driver);
        while receive(&mut peer) {}
    }
    drop(keep);
    settle(&mut driver);
}

fn send<N: Net>(nic: &mut N, bytes: &[u8], flags: u8) {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(mut frame)) = nic.poll_reserve(&mut cx, bytes.len()) else {
        return;
    };
    frame.copy_from_slice(bytes);
    let checksum = match (flags >> 3) & 3 {
        0 | 1 => Checksum::Unverified,
        2 => Checksum::Verified,
        _ => Checksum::Partial {
            start: 34,
            offset: 16,
        },
    };
    frame.set_offload(Offload {
        checksum,
        segmentation: None,
    });
    // An empty frame is refused, which is as good.
    let _ = nic.send(frame);
}

fn receive<N: Net>(nic: &mut N) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    nic.poll_receive(&mut cx).is_ready()
}

/// Lets the stack do what it can do without waiting.
fn settle<N: Net>(driver: &mut Driver<N>) {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..MAX_STEPS {
        if driver.step(&mut cx, NOW.get()) != Next::Again {
            return;
        }
    }
    panic!("the stack always has something to do");
}

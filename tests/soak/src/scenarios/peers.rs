// SPDX-License-Identifier: ISC
//! Peers that keep the rules of TCP and yet are no good.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::net::sockopt;

use crate::{
    crowd,
    frame::flags,
    lab::{Lab, PATIENCE, Scale},
    peer,
};

/// A long time for something that is there.
const SOON: Duration = Duration::from_millis(200);

/// Peers that go silent in every state: before their handshake is done, after it, after data, after
/// their end, after ours.
pub(super) fn half_open(lab: &mut Lab) -> Result<String> {
    let count = lab.scaled(1000, 5000, 100);
    // Handshakes that are never completed.
    for _ in 0..500 {
        let own = lab.wire.end();
        let peer = peer::Peer {
            own,
            port: 7,
            seq: 1,
            ack: 0,
        };
        let syn = peer.segment(&lab.wire, flags::SYN, 1000, &[]);
        lab.wire.segment(&syn)?;
        lab.wire.pump()?;
    }
    peer::connect(&mut lab.wire, 7, count, 0xffff, None)?;
    lab.answers()?;
    let talked = peer::connect(&mut lab.wire, 7, count, 0xffff, None)?;
    for peer in &talked {
        let data = peer.segment(&lab.wire, flags::ACK, 0xffff, b"and then");
        lab.wire.segment(&data)?;
        lab.wire.pump()?;
    }
    let ended = peer::connect(&mut lab.wire, 7, count, 0xffff, None)?;
    for peer in &ended {
        let end = peer.segment(&lab.wire, flags::ACK | flags::FIN, 0xffff, b"the end");
        lab.wire.segment(&end)?;
        lab.wire.pump()?;
    }
    lab.answers()?;
    // The server ends these, and is acknowledged or not.
    let mut half = peer::connect(&mut lab.wire, 13, count, 0xffff, None)?;
    for part in half.chunks_mut(64) {
        for peer in &mut *part {
            let data = peer.segment(&lab.wire, flags::ACK, 0xffff, b"yours");
            lab.wire.segment(&data)?;
            peer.seq = peer.seq.wrapping_add(5);
        }
        peer::acknowledge(&mut lab.wire, part, 64, SOON, |_| 0xffff)?;
    }
    lab.answers()?;
    Ok(format!("{} silent", 4 * count))
}

/// Peers to which the server sends without end, and who never read: some are there, some die.
pub(super) fn never_reads(lab: &mut Lab) -> Result<String> {
    let count = lab.scaled(64, 256, 16);
    let before = lab.ask()?;
    let mut streams = Vec::new();
    for _ in 0..count {
        let socket = crowd::connect(None, lab.server(19))?;
        sockopt::set_socket_recv_buffer_size(&socket, 4096)?;
        streams.push(socket);
    }
    let dead = peer::connect(&mut lab.wire, 19, count, 4000, None)?;
    thread::sleep(Duration::from_secs(2));
    let slowest = lab.answers()?;
    let held = lab.ask()?.since(&before, "buffered");
    drop(dead);
    for stream in streams {
        crowd::reset(TcpStream::from(stream))?;
    }
    Ok(format!(
        "{held} bytes held for {} peers, answer in {} ms",
        2 * count,
        slowest.as_millis()
    ))
}

/// Peers whose window is closed: some say so each time they are asked, some have died.
pub(super) fn zero_window(lab: &mut Lab) -> Result<String> {
    let count = lab.scaled(64, 256, 16);
    let _dead = peer::connect(&mut lab.wire, 19, count, 0, None)?;
    let mut alive = peer::connect(&mut lab.wire, 19, count, 0, None)?;
    let rounds = lab.scaled(3, 20, 3);
    for _ in 0..rounds {
        peer::acknowledge(&mut lab.wire, &mut alive, 10 * count, SOON * 5, |_| 0)?;
        lab.answers()?;
    }
    // It opens at last, and what was held back comes.
    for peer in &alive {
        let open = peer.segment(&lab.wire, flags::ACK, 20_000, &[]);
        lab.wire.segment(&open)?;
    }
    let came = peer::acknowledge(&mut lab.wire, &mut alive, 20 * count, SOON, |_| 20_000)?;
    ensure!(came > 0, "nothing came when the windows opened");
    for peer in &alive {
        let end = peer.segment(&lab.wire, flags::RST, 0, &[]);
        lab.wire.segment(&end)?;
    }
    Ok(format!("{came} bytes after the windows opened"))
}

/// Peers that take a byte at a time.
pub(super) fn tiny_window(lab: &mut Lab) -> Result<String> {
    let count = lab.scaled(16, 64, 8);
    let segments = lab.scaled(20_000, 200_000, 5_000);
    let mut bytes = 0;
    for (window, mss) in [(1, Some(1)), (3, None), (500, Some(0))] {
        let mut peers = peer::connect(&mut lab.wire, 19, count, window, mss)?;
        let each = segments / 3;
        bytes += peer::acknowledge(&mut lab.wire, &mut peers, each, SOON * 10, |_| window)?;
        lab.answers()?;
        for peer in &peers {
            let end = peer.segment(&lab.wire, flags::RST, 0, &[]);
            lab.wire.segment(&end)?;
        }
        lab.wire.pump()?;
    }
    ensure!(bytes > 0, "nothing came");
    Ok(format!("{bytes} bytes"))
}

/// Clients that send every byte by itself.
pub(super) fn byte_by_byte(lab: &mut Lab) -> Result<String> {
    let (count, bytes) = (16, lab.scaled(500, 5000, 100));
    let mut streams = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect(SocketAddr::V4(lab.server(7)))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        streams.push(stream);
    }
    for number in 0..bytes {
        for stream in &mut streams {
            stream.write_all(&[number as u8])?;
        }
    }
    for stream in &mut streams {
        let mut back = vec![0; bytes];
        stream.read_exact(&mut back)?;
        let right = back.iter().enumerate().all(|(at, byte)| *byte == at as u8);
        ensure!(right, "other bytes came back");
    }
    Ok(format!("{} bytes", count * bytes))
}

/// Peers that send every second byte, so that much is to be put aside and nothing can be read.
pub(super) fn holes(lab: &mut Lab) -> Result<String> {
    let count = lab.scaled(256, 1000, 64);
    let before = lab.ask()?;
    let peers = peer::connect(&mut lab.wire, 7, count, 0xffff, None)?;
    for step in 0..200 {
        for peer in &peers {
            let mut segment = peer.segment(&lab.wire, flags::ACK, 0xffff, b"h");
            segment.seq = peer.seq.wrapping_add(2 * step + 1);
            lab.wire.segment(&segment)?;
            lab.wire.pump()?;
        }
    }
    let held = lab.ask()?.since(&before, "buffered");
    let slowest = lab.answers()?;
    for peer in &peers {
        let end = peer.segment(&lab.wire, flags::RST, 0, &[]);
        lab.wire.segment(&end)?;
    }
    Ok(format!(
        "{held} bytes held, answer in {} ms",
        slowest.as_millis()
    ))
}

/// Clients that send much at once to a server that hardly reads: what it has not read lies in
/// buffers of the device, which must still be able to receive.
pub(super) fn slow_server(lab: &mut Lab) -> Result<String> {
    let count = lab.scaled(64, 256, 16);
    let before = lab.ask()?;
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(SocketAddr::V4(lab.server(9)))?;
        stream.set_nonblocking(true)?;
        // As much as goes.
        let _ = stream.write(&[b's'; 256 << 10]);
        streams.push(stream);
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        slowest = slowest.max(lab.answers().context("while a server is slow")?);
        for stream in &mut streams {
            let _ = stream.write(&[b's'; 64 << 10]);
        }
        thread::sleep(Duration::from_millis(100));
    }
    let held = lab.ask()?.since(&before, "buffered");
    ensure!(lab.scale == Scale::Tight || held > 0, "nothing was held");
    for stream in streams {
        crowd::reset(stream)?;
    }
    Ok(format!(
        "{held} bytes held, answer in {} ms",
        slowest.as_millis()
    ))
}

// SPDX-License-Identifier: ISC
//! What a device takes over for the stack: TCP by hand, in frames as large as it takes and gives.
//!
//! Echoes what a client sends, all of it when all of it is there. Read first: `abi/src/net.rs`;
//! RFC 9293, section 3.1.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use fata::{
    device::{
        Frame as _,
        net::{Checksum, Offload, SegmentKind, Segmentation},
    },
    prelude::*,
};

mod tcp;

use tcp::{ACK, HEADERS, PSH, SYN, Segment};

#[derive(fata::Devices)]
struct Devices {
    service: Nic,
}

#[derive(fata::Args)]
struct Args {
    /// Bytes that the client sends.
    count: usize,
}

/// Bytes of payload of a segment that the link carries.
const SIZE: usize = 1460;
/// Bytes sent before the client has said that it has them.
const ONCE: usize = 20 * SIZE;

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let mut nic = devices.service;
    let offload = nic.info().offload;
    println!(
        "checksums: {}, gather: {}",
        offload.checksum, offload.gather
    );
    println!(
        "large: sent {}, received {}",
        offload.tcp4, offload.receive_large
    );
    let mut line = Line::accept(&mut nic).await?;
    let mut data = Vec::new();
    let mut longest = 0;
    while data.len() < args.count {
        let (frame, segment) = line.receive().await?;
        let payload = frame.get(segment.payload..segment.end).unwrap_or(&[]);
        if segment.sequence == line.next && !payload.is_empty() {
            longest = longest.max(frame.len());
            data.extend_from_slice(payload);
            line.next = line.next.wrapping_add(payload.len() as u32);
            drop(frame);
            line.send(ACK, &[]).await?;
        }
    }
    println!("longest frame: {longest}");
    assert_eq!(longest > 1514, offload.receive_large);
    for chunk in data.chunks(ONCE) {
        line.send_all(chunk).await?;
    }
    println!("SUCCESS");
    Ok(())
}

/// A connection.
struct Line<'a> {
    nic: &'a mut Nic,
    /// Addresses and ports from here to there.
    headers: [u8; HEADERS],
    /// What the client sends next, and what we do.
    next: u32,
    own: u32,
}

impl<'a> Line<'a> {
    /// Waits for a client.
    async fn accept(nic: &'a mut Nic) -> Result<Self, Error> {
        loop {
            let frame = nic.receive().await?;
            let Some(segment) = Segment::parse(&frame) else {
                continue;
            };
            if segment.flags == SYN {
                let headers = tcp::answer(&frame);
                let next = segment.sequence.wrapping_add(1);
                let own = 0xffff_f000;
                drop(frame);
                let mut line = Self {
                    nic,
                    headers,
                    next,
                    own,
                };
                line.send(SYN | ACK, &[]).await?;
                line.own = own.wrapping_add(1);
                return Ok(line);
            }
        }
    }

    /// The next TCP segment.
    async fn receive(&mut self) -> Result<(<Nic as Net>::Frame, Segment), Error> {
        loop {
            let frame = self.nic.receive().await?;
            if let Some(segment) = Segment::parse(&frame) {
                return Ok((frame, segment));
            }
        }
    }

    /// Sends `data` until the client has it.
    async fn send_all(&mut self, data: &[u8]) -> Result<(), Error> {
        let offload = self.nic.info().offload;
        if offload.tcp4 && offload.gather {
            self.send(PSH | ACK, data).await?;
        } else {
            for (n, part) in data.chunks(SIZE).enumerate() {
                let before = (n * SIZE) as u32;
                self.own = self.own.wrapping_add(before);
                self.send(PSH | ACK, part).await?;
                self.own = self.own.wrapping_sub(before);
            }
        }
        self.own = self.own.wrapping_add(data.len() as u32);
        loop {
            let (_frame, segment) = self.receive().await?;
            if segment.acknowledges == self.own {
                return Ok(());
            }
        }
    }

    /// Sends a segment, in two parts behind its headers where the device gathers.
    async fn send(&mut self, flags: u8, payload: &[u8]) -> Result<(), Error> {
        let offload = self.nic.info().offload;
        let len = HEADERS + if offload.gather { 0 } else { payload.len() };
        let mut frame = self.nic.reserve(len).await?;
        let (headers, rest) = frame.split_at_mut(HEADERS);
        headers.copy_from_slice(&self.headers);
        tcp::fill(headers, flags, [self.own, self.next], payload.len());
        if !offload.gather {
            rest.copy_from_slice(payload);
        }
        if offload.checksum {
            let large = Segmentation {
                kind: SegmentKind::Tcp4,
                size: SIZE as u16,
                header_len: HEADERS as u16,
            };
            frame.set_offload(Offload {
                checksum: Checksum::Partial {
                    start: 34,
                    offset: 16,
                },
                segmentation: (payload.len() > SIZE).then_some(large),
            });
        } else {
            tcp::complete(&mut frame, payload);
        }
        match offload.gather {
            true => {
                let (front, back) = payload.split_at(payload.len() / 3);
                self.nic.send_gather(frame, [front, back])?;
            }
            false => self.nic.send(frame)?,
        }
        self.nic.flush();
        Ok(())
    }
}

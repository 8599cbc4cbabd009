// SPDX-License-Identifier: ISC
//! A host of the network that keeps no rules: a tap whose frames are written and read here.
//!
//! It has one Ethernet address and answers for every address of [`OURS`], so that the unikernel has
//! somebody to send to. What it sends may claim to come from anywhere.

use std::{net::Ipv4Addr, os::fd::OwnedFd, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use fata_device::weather::Random;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::frame::{self, Ends, Mac, Segment};

/// Its Ethernet address.
pub const MAC: Mac = [2, 0, 0, 0, 0, 0x66];
/// Its addresses: those whose third byte is this or larger, in the network of the unikernel.
pub const OURS: u8 = 64;
/// Hosts that make connections.
const HOSTS: u32 = 32;
/// The address of a router, for peers that are far away.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 78, 64, 1);

/// The host.
pub struct Wire {
    tap: OwnedFd,
    /// Ends of what is sent to the unikernel.
    pub ends: Ends,
    /// The unikernel.
    pub target: Ipv4Addr,
    /// What is made up.
    pub random: Random,
    buffer: Vec<u8>,
    silent: bool,
    ends_given: u32,
}

impl Wire {
    /// The host at a tap, after it has found the unikernel.
    ///
    /// # Errors
    ///
    /// If there is no such tap, or nobody answers.
    pub fn new(tap: &str, target: Ipv4Addr, seed: u64) -> Result<Self> {
        let tap = fata_tender::attach::plain_tap(tap).map_err(|error| anyhow!("{error}"))?;
        let mut wire = Self {
            tap,
            ends: Ends {
                to: [0xff; 6],
                from: MAC,
            },
            target,
            random: Random::new(seed),
            buffer: vec![0; 1 << 16],
            silent: false,
            ends_given: 0,
        };
        for _ in 0..100 {
            let ask = frame::arp(wire.ends, 1, (MAC, ROUTER), ([0; 6], target));
            wire.send(&ask)?;
            while let Some(frame) = wire.receive(Duration::from_millis(100))? {
                let answers = frame.get(12..14) == Some(&[8, 6])
                    && frame.get(28..32) == Some(&target.octets()[..]);
                if answers && let Some(mac) = frame.get(6..).and_then(|rest| rest.first_chunk()) {
                    wire.ends.to = *mac;
                    return Ok(wire);
                }
            }
        }
        bail!("`{target}` does not answer")
    }

    /// Sends a frame. One that finds no room is lost.
    ///
    /// # Errors
    ///
    /// If the tap is gone.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        match rustix::io::write(&self.tap, frame) {
            Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS | Errno::IO) => Ok(()),
            Err(error) => Err(error).context("cannot send frames"),
        }
    }

    /// Sends a segment.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn segment(&self, segment: &Segment) -> Result<()> {
        self.send(&segment.frame(self.ends))
    }

    /// Whether to let all questions for addresses go unanswered.
    pub fn silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Reads all that is there, for the questions in it to be answered.
    ///
    /// # Errors
    ///
    /// If the tap is gone.
    pub fn pump(&mut self) -> Result<()> {
        while self.receive(Duration::ZERO)?.is_some() {}
        Ok(())
    }

    /// The next frame; `None` if there is none for so long. Answers questions for its addresses.
    ///
    /// # Errors
    ///
    /// If the tap is gone.
    pub fn receive(&mut self, patience: Duration) -> Result<Option<Vec<u8>>> {
        let len = match rustix::io::read(&self.tap, &mut self.buffer[..]) {
            Ok(len) => len,
            Err(Errno::AGAIN) if patience.is_zero() => return Ok(None),
            Err(Errno::AGAIN) => {
                let mut wanted = [PollFd::new(&self.tap, PollFlags::IN)];
                let limit = Timespec::try_from(patience)?;
                poll(&mut wanted, Some(&limit)).context("cannot wait")?;
                return self.receive(Duration::ZERO);
            }
            Err(error) => return Err(error).context("cannot receive frames"),
        };
        let frame = self.buffer[..len].to_vec();
        self.answer(&frame)?;
        Ok(Some(frame))
    }

    fn answer(&self, frame: &[u8]) -> Result<()> {
        let (Some([8, 6]), Some([0, 1])) = (frame.get(12..14), frame.get(20..22)) else {
            return Ok(());
        };
        let Some(&[a, b, c, d]) = frame.get(38..42) else {
            return Ok(());
        };
        if self.silent || [a, b] != [10, 78] || c < OURS {
            return Ok(());
        }
        let sender = (MAC, Ipv4Addr::new(a, b, c, d));
        self.send(&frame::arp(
            self.ends,
            2,
            sender,
            (self.ends.to, self.target),
        ))
    }

    /// An address that is nobody's, far away.
    pub fn stranger(&mut self) -> Ipv4Addr {
        let [.., b, c, d] = (self.random.number() as u32).to_be_bytes();
        Ipv4Addr::new(198, 18 | b & 1, c, d)
    }

    /// An address of this host.
    pub fn neighbour(&mut self) -> Ipv4Addr {
        let [.., c, d] = (self.random.number() as u32).to_be_bytes();
        Ipv4Addr::new(10, 78, OURS.max(c), d)
    }

    /// An address of this host and a port that were not given before: one of a few addresses, or
    /// each would have to be asked for.
    pub fn end(&mut self) -> (Ipv4Addr, u16) {
        let number = self.ends_given;
        self.ends_given += 1;
        let address = Ipv4Addr::new(10, 78, OURS, 2 + (number % HOSTS) as u8);
        (address, 1024 + (number / HOSTS) as u16)
    }

    /// A port of one who connects.
    pub fn port(&mut self) -> u16 {
        self.random.within(1024..=65535) as u16
    }

    /// A number of four bytes.
    pub fn number(&mut self) -> u32 {
        self.random.number() as u32
    }
}

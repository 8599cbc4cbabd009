// SPDX-License-Identifier: ISC
//! The guest's wire: a socket on which each message is a frame.
//!
//! A frame is written at once. When the guest is behind, the frame waits in a queue, and a queue
//! that is not empty stops everything but the guest's own frames ([`Guest::is_behind`]), so it never
//! grows beyond what one turn of the event loop adds to it. Data stays in the sockets of the host
//! meanwhile, where the kernel bounds it.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};
use smoltcp::wire::{EthernetAddress, EthernetProtocol};

use crate::frame::{self, ETHERNET, MAX_FRAME};

/// Frames that may wait; the last resort should a part of the network disregard
/// [`Guest::is_behind`]. What comes then is lost, as on any network.
const MAX_WAITING: usize = 256;

/// The guest as seen from the network.
#[derive(Debug)]
pub(crate) struct Guest {
    socket: OwnedFd,
    /// Its hardware address: what it was given, until a frame of it comes from another. Frames to
    /// all would not do before it has spoken: no host believes a packet for itself that was sent to
    /// all (RFC 1122, section 3.3.6), and one with a fixed address need not ever speak first.
    pub(crate) mac: EthernetAddress,
    waiting: VecDeque<Vec<u8>>,
}

impl Guest {
    pub(crate) fn new(socket: OwnedFd, mac: [u8; 6]) -> Self {
        Self {
            socket,
            mac: EthernetAddress(mac),
            waiting: VecDeque::new(),
        }
    }

    /// Whether frames wait for the guest to take some.
    pub(crate) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a frame of the guest: `None` when there is none now, or too long a one.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the guest has closed its end, or what the socket says.
    pub(crate) fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match recv(
            &self.socket,
            &mut *buffer,
            RecvFlags::TRUNC | RecvFlags::DONTWAIT,
        ) {
            Ok((_, 0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            // Too long for any frame: it is nothing, but more may follow it.
            Ok((_, length)) if length > MAX_FRAME => Ok(Some(&[])),
            Ok((_, length)) => Ok(Some(&buffer[..length])),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a frame, or lets it wait.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        if self.waiting.is_empty() {
            match self.write(frame) {
                Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => {}
                // An error that lasts is met again, and acted on, when receiving.
                Ok(()) | Err(_) => return,
            }
        }
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(frame.to_vec());
        }
    }

    /// Sends an IPv4 packet that `fill` writes.
    pub(crate) fn send_packet<R>(&mut self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut buffer = [0; MAX_FRAME];
        let frame = &mut buffer[..ETHERNET + length];
        frame::put_ethernet(frame, self.mac, EthernetProtocol::Ipv4);
        let result = fill(&mut frame[ETHERNET..]);
        self.send(frame);
        result
    }

    /// Sends what waits, as far as the guest takes it.
    pub(crate) fn flush(&mut self) {
        while let Some(frame) = self.waiting.front() {
            match self.write(frame) {
                Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => return,
                Ok(()) | Err(_) => drop(self.waiting.pop_front()),
            }
        }
    }

    fn write(&self, frame: &[u8]) -> Result<(), Errno> {
        send(
            &self.socket,
            frame,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        )
        .map(drop)
    }
}

impl AsFd for Guest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

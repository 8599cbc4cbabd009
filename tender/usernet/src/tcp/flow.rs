// SPDX-License-Identifier: ISC
//! One connection: a stream of the host, a socket of smoltcp, and the bytes between them.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use rustix::event::epoll::EventFlags;
use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::tcp::{Socket, State},
};

use super::Key;

/// A connection.
pub(super) struct Flow {
    pub(super) key: Key,
    pub(super) stream: TcpStream,
    pub(super) stage: Stage,
}

/// How far a connection is.
pub(super) enum Stage {
    /// The host connects; this SYN waits for how that ends.
    Connecting(Vec<u8>),
    /// Bytes can move, or soon can.
    Open(Open),
}

/// The state of an open connection that neither socket keeps.
pub(super) struct Open {
    pub(super) handle: SocketHandle,
    readable: bool,
    writable: bool,
    /// The host's side has sent its last byte, and the guest been told.
    read_all: bool,
    /// The guest has sent its last byte, and the host been told.
    written_all: bool,
}

impl Stage {
    /// Open, with a new socket.
    pub(super) fn open(handle: SocketHandle) -> Self {
        Self::Open(Open {
            handle,
            readable: true,
            writable: true,
            read_all: false,
            written_all: false,
        })
    }
}

impl Flow {
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::Connecting(_))
    }

    /// Whether nothing remains to be done but to remember the connection for a while.
    pub(super) fn is_remembered(&self, sockets: &SocketSet<'_>) -> bool {
        match &self.stage {
            Stage::Connecting(_) => false,
            Stage::Open(open) => sockets.get::<Socket<'_>>(open.handle).state() == State::TimeWait,
        }
    }

    /// Whether both sides are closed, and no reset remains to be sent.
    pub(super) fn is_over(&self, sockets: &SocketSet<'_>) -> bool {
        match &self.stage {
            Stage::Connecting(_) => false,
            Stage::Open(open) => {
                let socket = sockets.get::<Socket<'_>>(open.handle);
                socket.state() == State::Closed && socket.remote_endpoint().is_none()
            }
        }
    }

    /// Moves what can be moved.
    pub(super) fn pump(&mut self, sockets: &mut SocketSet<'_>) {
        let Stage::Open(open) = &mut self.stage else {
            return;
        };
        let socket = sockets.get_mut::<Socket<'_>>(open.handle);
        if let Err(_broken) = open.copy_to_guest(&mut self.stream, socket) {
            socket.abort();
        }
        if let Err(_broken) = open.copy_to_host(&mut self.stream, socket) {
            socket.abort();
        }
        if socket.state() == State::Closed && !(open.read_all && open.written_all) {
            // The guest reset the connection: so is the other half, by closing it with no linger.
            let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
            open.read_all = true;
            open.written_all = true;
        }
    }
}

impl Open {
    /// Notes what epoll says.
    pub(super) fn note(&mut self, flags: EventFlags) {
        let ended = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        self.readable |= ended || flags.contains(EventFlags::IN);
        self.writable |= ended || flags.contains(EventFlags::OUT);
    }

    fn copy_to_guest(&mut self, stream: &mut TcpStream, socket: &mut Socket<'_>) -> io::Result<()> {
        while self.readable && !self.read_all && socket.can_send() {
            let read = socket.send(|room| match stream.read(room) {
                Ok(length) => (length, Ok(length)),
                Err(error) => (0, Err(error)),
            });
            match read.unwrap_or_else(|_closed| Err(ErrorKind::WouldBlock.into())) {
                Ok(0) => {
                    self.read_all = true;
                    socket.close();
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn copy_to_host(&mut self, stream: &mut TcpStream, socket: &mut Socket<'_>) -> io::Result<()> {
        while self.writable && socket.can_recv() {
            let written = socket.recv(|bytes| match stream.write(bytes) {
                Ok(length) => (length, Ok(())),
                Err(error) => (0, Err(error)),
            });
            match written.unwrap_or_else(|_closed| Err(ErrorKind::WouldBlock.into())) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(error),
            }
        }
        let finished = matches!(
            socket.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        );
        if finished && !socket.can_recv() && !self.written_all {
            self.written_all = true;
            stream.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}

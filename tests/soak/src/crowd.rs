// SPDX-License-Identifier: ISC
//! Many connections through Linux's sockets, in one thread, by epoll(7).
//!
//! Each sends a message that is its own, and what comes back must be that message.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::{
    event::{Timespec, epoll},
    io::Errno,
    net::{self, AddressFamily, SocketFlags, SocketType, sockopt},
};

/// Bytes of a message.
pub const MESSAGE: usize = 32;
/// How long nothing at all may happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a connection ends when its message has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It does not: it is kept.
    Stay,
    /// The client ends its direction first.
    Client,
    /// The server does.
    Server,
    /// The client breaks it.
    Reset,
}

/// What a crowd is to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Whom to connect to.
    pub server: SocketAddrV4,
    /// Where from, in turn.
    pub sources: &'a [Ipv4Addr],
    /// Connections in all.
    pub count: usize,
    /// Connections that are begun and not done, at most.
    pub at_once: usize,
    /// How each ends.
    pub end: End,
    /// Whether some may fail, since the server is too small for all.
    pub lenient: bool,
}

/// What became of a crowd.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Connections that stay.
    pub kept: Vec<TcpStream>,
    /// Connections whose message came back and that ended as planned.
    pub done: usize,
    /// Connections that did not.
    pub failed: usize,
    /// How long it took.
    pub time: Duration,
}

struct Client {
    stream: TcpStream,
    message: [u8; MESSAGE],
    sent: bool,
    got: usize,
}

enum Step {
    Wait,
    Done,
}

/// A socket that is connecting, or has.
///
/// # Errors
///
/// If the host has no port left.
pub fn connect(source: Option<Ipv4Addr>, server: SocketAddrV4) -> Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .context("cannot open a socket (is `ulimit -n` too small?)")?;
    if let Some(source) = source {
        net::bind(&socket, &SocketAddrV4::new(source, 0))
            .with_context(|| format!("no port is left on `{source}`"))?;
    }
    match net::connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error).with_context(|| format!("cannot connect to `{server}`")),
    }
}

/// Breaks a connection.
///
/// # Errors
///
/// If Linux refuses.
pub fn reset(stream: TcpStream) -> Result<()> {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).context("cannot set a socket")?;
    drop(stream);
    Ok(())
}

/// Connections under way.
struct Run {
    epoll: OwnedFd,
    slots: Vec<Option<Client>>,
    free: Vec<usize>,
    begun: usize,
    outcome: Outcome,
}

impl Run {
    fn over(&self) -> usize {
        self.outcome.done + self.outcome.failed
    }

    /// Waits for a connection's events.
    fn add(&mut self, client: Client) -> Result<()> {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        let wanted = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(slot as u64);
        epoll::add(&self.epoll, &client.stream, data, wanted).context("cannot wait")?;
        match self.slots.get_mut(slot) {
            Some(place) => *place = Some(client),
            None => self.slots.push(Some(client)),
        }
        self.begun += 1;
        Ok(())
    }

    /// Lets a connection end as planned.
    fn finish(&mut self, slot: usize, end: End) -> Result<()> {
        self.outcome.done += 1;
        self.free.push(slot);
        match (self.slots[slot].take(), end) {
            (Some(client), End::Stay) => {
                epoll::delete(&self.epoll, &client.stream).context("cannot wait")?;
                self.outcome.kept.push(client.stream);
                Ok(())
            }
            (Some(client), End::Reset) => reset(client.stream),
            _ => Ok(()),
        }
    }
}

impl Plan<'_> {
    /// Does it.
    ///
    /// # Errors
    ///
    /// If a connection fails, or brings a wrong byte, or all stand still.
    pub fn run(&self) -> Result<Outcome> {
        let start = Instant::now();
        let mut run = Run {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("no epoll")?,
            slots: Vec::new(),
            free: Vec::new(),
            begun: 0,
            outcome: Outcome::default(),
        };
        let mut events = Vec::with_capacity(512);
        while run.over() < self.count {
            while run.begun < self.count && run.begun - run.over() < self.at_once {
                run.add(self.begin(run.begun)?)?;
            }
            events.clear();
            // Where refusal is expected, it is not waited for.
            let patience = if self.lenient { PATIENCE / 5 } else { PATIENCE };
            let limit = Timespec::try_from(patience)?;
            let buffer = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&run.epoll, buffer, Some(&limit)).context("cannot wait")?;
            if events.is_empty() {
                let (open, done) = (run.begun - run.over(), run.outcome.done);
                if self.lenient {
                    run.outcome.failed = self.count - done;
                    break;
                }
                bail!("{open} connections stand still, {done} are done");
            }
            for event in &events {
                self.attend(&mut run, event.data.u64() as usize)?;
            }
        }
        run.outcome.time = start.elapsed();
        Ok(run.outcome)
    }

    /// Looks at a connection to which something happened.
    fn attend(&self, run: &mut Run, slot: usize) -> Result<()> {
        let Some(client) = run.slots.get_mut(slot).and_then(Option::as_mut) else {
            return Ok(());
        };
        match self.step(client) {
            Ok(Step::Wait) => Ok(()),
            Ok(Step::Done) => run.finish(slot, self.end),
            Err(_) if self.lenient => {
                run.outcome.failed += 1;
                run.slots[slot] = None;
                run.free.push(slot);
                Ok(())
            }
            Err(error) => {
                let done = run.outcome.done;
                Err(error).with_context(|| format!("after {done} connections"))
            }
        }
    }

    fn begin(&self, number: usize) -> Result<Client> {
        let source = match self.sources {
            [] => None,
            sources => Some(sources[number % sources.len()]),
        };
        let mut message = [0; MESSAGE];
        message[..8].copy_from_slice(&number.to_be_bytes());
        message[8..].fill(number as u8);
        Ok(Client {
            stream: connect(source, self.server)?.into(),
            message,
            sent: false,
            got: 0,
        })
    }

    /// Moves a connection on.
    fn step(&self, client: &mut Client) -> Result<Step> {
        if !client.sent {
            match client.stream.write(&client.message) {
                Ok(MESSAGE) => client.sent = true,
                Ok(len) => bail!("only {len} bytes could be sent"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Wait),
                // Not connected yet.
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(Step::Wait),
                Err(error) => return Err(error).context("a connection failed"),
            }
        }
        loop {
            let mut buffer = [0; MESSAGE + 1];
            let len = match client.stream.read(&mut buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Wait),
                Err(error) => return Err(error).context("a connection broke"),
            };
            if len == 0 {
                let right = client.got == MESSAGE && self.end != End::Stay;
                return match right {
                    true => Ok(Step::Done),
                    false => bail!("a connection ended after {} bytes", client.got),
                };
            }
            if client.message.get(client.got..client.got + len) != Some(&buffer[..len]) {
                bail!(
                    "a connection brought what was not sent: {:?}",
                    &buffer[..len]
                );
            }
            client.got += len;
            if client.got == MESSAGE {
                match self.end {
                    End::Stay | End::Reset => return Ok(Step::Done),
                    End::Client => client.stream.shutdown(Shutdown::Write)?,
                    End::Server => {}
                }
            }
        }
    }
}

/// One connection whose message comes back; says how long it took.
///
/// # Errors
///
/// If it does not within `patience`.
pub fn one(server: SocketAddr, patience: Duration) -> Result<Duration> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&server, patience)
        .with_context(|| format!("cannot connect to `{server}`"))?;
    stream.set_read_timeout(Some(patience))?;
    echo(&mut stream, b"is anybody there")?;
    stream.shutdown(Shutdown::Write)?;
    let end = stream.read(&mut [0]).context("no end")?;
    anyhow::ensure!(end == 0, "more came back than was sent");
    Ok(start.elapsed())
}

/// Sends something that must come back.
///
/// # Errors
///
/// If it does not.
pub fn echo(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).context("cannot send")?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).context("nothing came back")?;
    anyhow::ensure!(back == bytes, "something else came back");
    Ok(())
}

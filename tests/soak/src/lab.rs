// SPDX-License-Identifier: ISC
//! What a load works with: the wire, the sources that it may connect from, and the unikernel's own
//! word on what it holds.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{crowd, wire::Wire};

/// The unikernel.
pub const TARGET: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);
/// The interface with the host's own addresses.
pub const SWITCH: &str = "switch0";
/// Addresses that crowds connect from. The last is the one that dies.
pub const SOURCES: [Ipv4Addr; 4] = [
    Ipv4Addr::new(10, 78, 1, 1),
    Ipv4Addr::new(10, 78, 1, 2),
    Ipv4Addr::new(10, 78, 1, 3),
    Ipv4Addr::new(10, 78, 1, 4),
];

/// How long a good client waits.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long the last connection may be there after a scenario: a silent peer is given up after
/// 20 seconds by keep-alive, a handshake after 31, one that the program has let go after 60.
const DUE: Duration = Duration::from_secs(90);
/// What the unikernel may hold more than in the beginning, in bytes, beside the blocks that it says
/// it keeps for the next connection: its tables of tasks, sockets and neighbours stay as large as
/// they once were, which is some 100 bytes for each of the largest crowd. A leak of 20 bytes a
/// connection is more after those in turn.
const TOLERANCE: u64 = 2 << 20;
/// The same of the crowd of the long form.
const TOLERANCE_FULL: u64 = 16 << 20;
/// Bytes of a connection in TIME-WAIT, with its place in the index, and room to grow.
const TIME_WAIT: u64 = 3 * 64;

/// What a load works with.
pub struct Lab {
    /// The other host.
    pub wire: Wire,
    /// How large it all is.
    pub scale: Scale,
    /// What the unikernel held in the beginning.
    pub base: Numbers,
    numbers: UdpSocket,
}

/// How large a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// For the tests of every day.
    Short,
    /// For `cargo xtask soak`.
    Full,
    /// More than the unikernel has memory for: it may refuse, and must not die.
    Tight,
}

/// What the unikernel says of itself.
#[derive(Clone, Debug, Default)]
pub struct Numbers(HashMap<String, u64>);

impl Numbers {
    /// The number with that name.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// How much a number has grown.
    pub fn since(&self, before: &Self, name: &str) -> u64 {
        self.get(name).saturating_sub(before.get(name))
    }
}

impl Lab {
    /// A lab at a tap.
    ///
    /// # Errors
    ///
    /// If the unikernel does not answer.
    pub fn new(tap: &str, scale: Scale, seed: u64) -> Result<Self> {
        let wire = Wire::new(tap, TARGET, seed)?;
        let numbers = UdpSocket::bind("0.0.0.0:0").context("no socket")?;
        numbers.connect(SocketAddrV4::new(TARGET, 7))?;
        numbers.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut lab = Self {
            wire,
            scale,
            base: Numbers::default(),
            numbers,
        };
        // Who answers this listens too: the socket for it is the last that is made.
        lab.ask()?;
        // What is only ever allocated once is there before memory is compared.
        for _ in 0..20 {
            lab.answers()?;
        }
        lab.base = lab.ask()?;
        Ok(lab)
    }

    /// Which of three, by the scale.
    pub fn scaled<T>(&self, short: T, full: T, tight: T) -> T {
        match self.scale {
            Scale::Short => short,
            Scale::Full => full,
            Scale::Tight => tight,
        }
    }

    /// A port of the unikernel.
    pub fn server(&self, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(TARGET, port)
    }

    /// Asks the unikernel what it holds.
    ///
    /// # Errors
    ///
    /// If it does not say.
    pub fn ask(&self) -> Result<Numbers> {
        let mut buffer = [0; 1500];
        let start = Instant::now();
        loop {
            // Answers that came late to earlier questions are old.
            self.numbers.set_nonblocking(true)?;
            while self.numbers.recv(&mut buffer).is_ok() {}
            self.numbers.set_nonblocking(false)?;
            let answer = self
                .numbers
                .send(b"how are you")
                .and_then(|_| self.numbers.recv(&mut buffer));
            match answer {
                Ok(len) => return Ok(read(&String::from_utf8_lossy(&buffer[..len]))),
                Err(error) if start.elapsed() > PATIENCE => {
                    return Err(error).context("the unikernel does not say what it holds");
                }
                // It is not up yet, or busy.
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Sees that the listener answers a good client, before that gives up.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub fn answers(&mut self) -> Result<Duration> {
        self.wire.pump()?;
        let answered = crowd::one(SocketAddr::V4(self.server(7)), PATIENCE);
        answered.context("a good client is not served")
    }

    /// Waits until no connection is left, and sees that memory is what it was.
    ///
    /// # Errors
    ///
    /// If it is not, after the due time.
    pub fn settle(&mut self) -> Result<Numbers> {
        let start = Instant::now();
        loop {
            self.wire.pump()?;
            let numbers = self.ask()?;
            let left: Vec<String> = ["connections", "half-open", "held", "buffered"]
                .iter()
                .filter(|name| numbers.get(name) > 0)
                .map(|name| format!("{name}={}", numbers.get(name)))
                .collect();
            let spent = TIME_WAIT * numbers.get("time-wait");
            let tolerance = match self.scale {
                Scale::Full => TOLERANCE_FULL,
                Scale::Short | Scale::Tight => TOLERANCE,
            };
            let bound = self.base.get("used") + tolerance + spent;
            let held = numbers.get("used").saturating_sub(numbers.get("spare"));
            if left.is_empty() && held <= bound {
                return Ok(numbers);
            }
            if start.elapsed() > DUE {
                bail!(
                    "{held} bytes are held, {} were in the beginning; left: {left:?}",
                    self.base.get("used"),
                );
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until a number of the unikernel is as it is wanted.
    ///
    /// # Errors
    ///
    /// If it does not get so.
    pub fn wait(&mut self, what: &str, right: impl Fn(&Numbers) -> bool) -> Result<Numbers> {
        let start = Instant::now();
        loop {
            self.wire.pump()?;
            let numbers = self.ask()?;
            if right(&numbers) {
                return Ok(numbers);
            }
            ensure!(start.elapsed() < DUE, "{what} never came; {:?}", numbers.0);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lets the last of the sources die, or live again: nobody there says anything any more.
    ///
    /// # Errors
    ///
    /// If `ip` refuses.
    pub fn die(&self, dead: bool) -> Result<()> {
        let action = if dead { "del" } else { "add" };
        let address = format!("{}/16", SOURCES[SOURCES.len() - 1]);
        let status = Command::new("ip")
            .args(["address", action, &address, "dev", SWITCH])
            .status()
            .context("cannot run `ip`")?;
        ensure!(status.success(), "`ip address {action} {address}` failed");
        Ok(())
    }

    /// Ends the unikernel.
    ///
    /// # Errors
    ///
    /// If it does not say goodbye.
    pub fn quit(&self) -> Result<()> {
        let mut buffer = [0; 1500];
        for _ in 0..20 {
            self.numbers.send(b"quit")?;
            match self.numbers.recv(&mut buffer) {
                Ok(len) if &buffer[..len] == b"bye" => return Ok(()),
                // It has gone, and the answer was lost.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    return Ok(());
                }
                _ => {}
            }
        }
        bail!("the unikernel does not end")
    }
}

fn read(text: &str) -> Numbers {
    let words = text.split_ascii_whitespace();
    let pairs = words.filter_map(|word| word.split_once('='));
    let read = pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    Numbers(read.collect())
}

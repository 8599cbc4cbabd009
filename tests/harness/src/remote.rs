// SPDX-License-Identifier: ISC
//! The debugger's side of gdb's remote protocol, as much of it as rows need: that a guest can be
//! looked into is to be seen also where there is no gdb, as in the nested machine.
//!
//! Read first: GDB manual, "Remote Serial Protocol".

use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{outcome::Ending, pace};

/// How long a tender may take to wait for gdb, and to answer.
const LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);
/// Where the instruction pointer is among the registers.
const RIP: usize = 16;

/// A connection with a tender that waits for gdb. The guest is stopped, but for what
/// [`go_on`](Self::go_on) says.
#[derive(Debug)]
pub struct Remote {
    stream: TcpStream,
}

/// A port that was free a moment ago.
///
/// # Errors
///
/// As it is with sockets.
pub fn free_port() -> Result<u16, Ending> {
    let port = || {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(socket.local_addr()?.port())
    };
    port().map_err(failed)
}

impl Remote {
    /// Connects as soon as there is a tender.
    ///
    /// # Errors
    ///
    /// None comes.
    pub fn connect(port: u16) -> Result<Self, Ending> {
        let limit = pace::limit(LIMIT);
        let start = Instant::now();
        let stream = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Ok(stream) => break stream,
                Err(error) if start.elapsed() > limit => return Err(failed(error)),
                Err(_) => thread::sleep(PAUSE),
            }
        };
        stream.set_read_timeout(Some(limit)).map_err(failed)?;
        Ok(Self { stream })
    }

    /// Sends a packet and returns the answer.
    ///
    /// # Errors
    ///
    /// None comes.
    pub fn ask(&mut self, packet: &str) -> Result<String, Ending> {
        self.send(packet)?;
        self.answer(packet)
    }

    /// Lets the guest run, to be heard of by [`answer`](Self::answer).
    ///
    /// # Errors
    ///
    /// As it is with sockets.
    pub fn go_on(&mut self) -> Result<(), Ending> {
        self.send("vCont;c")
    }

    /// Stops the guest, and returns the reason that is told.
    ///
    /// # Errors
    ///
    /// None comes.
    pub fn interrupt(&mut self) -> Result<String, Ending> {
        self.stream.write_all(&[3]).map_err(failed)?;
        self.answer("an interrupt")
    }

    /// Sends a packet that is answered `OK`.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn tell(&mut self, packet: &str) -> Result<(), Ending> {
        self.expect(packet, "OK").map(drop)
    }

    /// Sends a packet whose answer begins in that way, and returns it.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn expect(&mut self, packet: &str, start: &str) -> Result<String, Ending> {
        let answer = self.ask(packet)?;
        match answer.starts_with(start) {
            true => Ok(answer),
            false => Err(Ending::Failed(format!(
                "gdb was told `{answer}` for `{packet}`, not `{start}`"
            ))),
        }
    }

    /// The general registers and the instruction pointer, in gdb's order.
    ///
    /// # Errors
    ///
    /// They are not told.
    pub fn registers(&mut self) -> Result<[u64; RIP + 1], Ending> {
        let bytes = bytes(&self.ask("g")?)?;
        let (words, _) = bytes.as_chunks();
        if words.len() <= RIP {
            return Err(Ending::Failed(format!("{} registers", words.len())));
        }
        Ok(std::array::from_fn(|n| u64::from_le_bytes(words[n])))
    }

    /// Address of the next instruction.
    ///
    /// # Errors
    ///
    /// It is not told.
    pub fn instruction(&mut self) -> Result<u64, Ending> {
        Ok(self.registers()?[RIP])
    }

    /// Memory of the guest.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn read(&mut self, address: u64, len: usize) -> Result<Vec<u8>, Ending> {
        bytes(&self.ask(&format!("m{address:x},{len:x}"))?)
    }

    /// A word of the guest's memory.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn word(&mut self, address: u64) -> Result<u64, Ending> {
        let bytes = self.read(address, 8)?;
        let word = bytes.try_into();
        word.map(u64::from_le_bytes)
            .map_err(|bytes: Vec<u8>| Ending::Failed(format!("{} bytes of 8", bytes.len())))
    }

    /// Writes a word of the guest's memory.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn set_word(&mut self, address: u64, value: u64) -> Result<(), Ending> {
        let mut packet = format!("M{address:x},8:");
        for byte in value.to_le_bytes() {
            let _ = write!(packet, "{byte:02x}");
        }
        self.tell(&packet)
    }

    fn send(&mut self, packet: &str) -> Result<(), Ending> {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        let packet = format!("${packet}#{sum:02x}");
        self.stream.write_all(packet.as_bytes()).map_err(failed)
    }

    /// Waits for a packet.
    ///
    /// # Errors
    ///
    /// None comes. `to`: what it would be an answer to.
    pub fn answer(&mut self, to: &str) -> Result<String, Ending> {
        let answer = self.packet();
        answer.map_err(|error| Ending::Failed(format!("no answer to `{to}`: {error}")))
    }

    fn packet(&mut self) -> io::Result<String> {
        while self.byte()? != b'$' {}
        let mut content = Vec::new();
        loop {
            match self.byte()? {
                b'#' => break,
                // What stands before it, so many times more.
                b'*' => {
                    let last = content.last().copied().unwrap_or(b'0');
                    let count = self.byte()?.saturating_sub(29);
                    content.extend(std::iter::repeat_n(last, count.into()));
                }
                byte => content.push(byte),
            }
        }
        // The connection is one that loses nothing: the sum is not looked at.
        for _ in 0..2 {
            self.byte()?;
        }
        self.stream.write_all(b"+")?;
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}

fn failed(error: io::Error) -> Ending {
    Ending::Failed(format!("no connection with the tender: {error}"))
}

fn bytes(digits: &str) -> Result<Vec<u8>, Ending> {
    let byte = |at| digits.get(at..at + 2);
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|at| byte(at).and_then(|digits| u8::from_str_radix(digits, 16).ok()));
    let bytes: Option<_> = bytes.collect();
    bytes.ok_or_else(|| Ending::Failed(format!("gdb was told `{digits}`, not bytes")))
}

// SPDX-License-Identifier: ISC
//! Streams that follow from a seed, over TCP: sent, fetched, or sent and fetched back at once.
//!
//! A request is a byte that says what is wanted ([`Kind`]), a seed and a length, both of eight bytes,
//! highest first. `tests/unikernels/transfer` serves the same with Fata's sockets.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    thread,
    time::{Duration, Instant},
};

use fata_device::weather::Random;

/// Port on which hosts serve.
pub const PORT: u16 = 7;
/// Bytes read or written at once.
const CHUNK: usize = 32 << 10;

/// What the client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `p`: the client sends the stream. The server answers with how many bytes came, and how many
    /// were right before the first wrong one.
    Put,
    /// `g`: the server sends the stream.
    Get,
    /// `e`: the client sends the stream, the server sends back what comes.
    Echo,
}

/// A transfer to make.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What is wanted.
    pub kind: Kind,
    /// What the bytes follow from.
    pub seed: u64,
    /// How many.
    pub len: u64,
    /// How long nothing may happen before it has failed.
    pub patience: Duration,
    /// The congestion control of Linux's side.
    pub congestion: &'static str,
}

/// What has arrived, and in which time, counted from when the connection was there.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Bytes, which all were right.
    pub bytes: u64,
    /// Time.
    pub time: Duration,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Put, Self::Get, Self::Echo];

    /// Its word on a command line; the first letter is its byte.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Echo => "echo",
        }
    }

    /// The kind that begins with a byte.
    pub fn of(byte: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word().as_bytes()[0] == byte)
    }
}

impl Request {
    /// Makes the transfer, all of it.
    ///
    /// # Errors
    ///
    /// The connection breaks or stalls, or a byte is wrong.
    pub fn all(&self, to: SocketAddr) -> io::Result<Report> {
        let mut stream = self.connect(to)?;
        let start = Instant::now();
        stream.write_all(&self.header(self.len))?;
        match self.kind {
            Kind::Put => {
                send(&mut stream, self.seed, self.len)?;
                stream.shutdown(Shutdown::Write)?;
                self.judge_put(&mut stream)?;
            }
            Kind::Get => self.compare(&mut stream)?,
            Kind::Echo => {
                let mut writer = stream.try_clone()?;
                let (seed, len) = (self.seed, self.len);
                let writer = thread::spawn(move || {
                    send(&mut writer, seed, len)?;
                    writer.shutdown(Shutdown::Write)
                });
                self.compare(&mut stream)?;
                let sent = writer.join();
                sent.map_err(|_| io::Error::other("the writer panicked"))??;
            }
        }
        Ok(Report {
            bytes: self.len,
            time: start.elapsed(),
        })
    }

    /// Sends or fetches for some time, however much that is, and counts what has arrived by then:
    /// what the peer has acknowledged, or what was read.
    ///
    /// # Errors
    ///
    /// The connection breaks.
    pub fn timed(&self, to: SocketAddr, time: Duration) -> io::Result<Report> {
        let mut stream = self.connect(to)?;
        let start = Instant::now();
        stream.write_all(&self.header(u64::MAX))?;
        let slice = Some(Duration::from_millis(20));
        stream.set_read_timeout(slice)?;
        stream.set_write_timeout(slice)?;
        let mut buffer = vec![0; CHUNK];
        let mut bytes = 0;
        while start.elapsed() < time {
            let moved = match self.kind {
                Kind::Put => stream.write(&buffer),
                Kind::Get | Kind::Echo => stream.read(&mut buffer),
            };
            match moved {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => bytes += len as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if self.kind == Kind::Put {
            bytes = bytes.saturating_sub(unacknowledged(&stream)?);
        }
        Ok(Report {
            bytes,
            time: start.elapsed(),
        })
    }

    fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&to, self.patience)?;
        rustix::net::sockopt::set_tcp_congestion(&stream, self.congestion)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        Ok(stream)
    }

    fn header(&self, len: u64) -> Vec<u8> {
        let mut header = vec![self.kind.word().as_bytes()[0]];
        header.extend(self.seed.to_be_bytes());
        header.extend(len.to_be_bytes());
        header
    }

    /// Reads to the end and compares.
    fn compare(&self, stream: &mut TcpStream) -> io::Result<()> {
        let (came, right) = receive(stream, self.seed)?;
        self.judge(came, right)
    }

    fn judge_put(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut answer = [0; 16];
        stream.read_exact(&mut answer)?;
        if stream.read(&mut [0])? != 0 {
            return Err(io::Error::other("more came than the answer"));
        }
        let [came, right] = [0, 8].map(|at| number(&answer, at));
        self.judge(came, right)
    }

    fn judge(&self, came: u64, right: u64) -> io::Result<()> {
        if came == self.len && right == self.len {
            return Ok(());
        }
        let Self { len, .. } = self;
        Err(io::Error::other(format!(
            "of {len} bytes {came} came, of which the first {right} were right"
        )))
    }
}

/// Serves until the process ends, each connection on a thread.
///
/// # Errors
///
/// The address cannot be listened on.
pub fn serve(address: SocketAddr, congestion: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    rustix::net::sockopt::set_tcp_congestion(listener.as_fd(), congestion)?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        thread::spawn(move || {
            // The client judges; one that leaves early is none of our concern.
            let _ = answer(&mut stream);
        });
    }
    Ok(())
}

fn answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut header = [0; 17];
    stream.read_exact(&mut header)?;
    let (seed, len) = (number(&header, 1), number(&header, 9));
    match Kind::of(header[0]) {
        Some(Kind::Put) => {
            let (came, right) = receive(stream, seed)?;
            let answer = [came.to_be_bytes(), right.to_be_bytes()];
            stream.write_all(&answer.concat())
        }
        Some(Kind::Get) => send(stream, seed, len),
        Some(Kind::Echo) => {
            let mut reader = stream.try_clone()?;
            io::copy(&mut reader, stream).map(|_| ())
        }
        None => Err(ErrorKind::InvalidData.into()),
    }
}

fn send(stream: &mut TcpStream, seed: u64, len: u64) -> io::Result<()> {
    let mut bytes = Random::new(seed).bytes();
    let mut buffer = vec![0; CHUNK];
    let mut left = len;
    while left > 0 {
        let part = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let part = &mut buffer[..part];
        part.iter_mut()
            .zip(&mut bytes)
            .for_each(|(to, byte)| *to = byte);
        stream.write_all(part)?;
        left -= part.len() as u64;
    }
    Ok(())
}

/// Reads to the end; returns how many bytes came, and how many before the first wrong one.
fn receive(stream: &mut TcpStream, seed: u64) -> io::Result<(u64, u64)> {
    let mut bytes = Random::new(seed).bytes();
    let mut buffer = vec![0; CHUNK];
    let (mut came, mut right) = (0, 0);
    loop {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Ok((came, right));
        }
        if came == right {
            let pairs = buffer[..len].iter().zip(&mut bytes);
            right += pairs
                .take_while(|(byte, expected)| *byte == expected)
                .count() as u64;
        }
        came += len as u64;
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
    eight.map_or(0, u64::from_be_bytes)
}

/// Bytes written to `stream` that the peer has not acknowledged, as `/proc/net/tcp` has it
/// (proc(5): `tx_queue`, in hexadecimal like the ports).
fn unacknowledged(stream: &TcpStream) -> io::Result<u64> {
    let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
    let table = if local.is_ipv4() { "tcp" } else { "tcp6" };
    let table = fs::read_to_string(format!("/proc/thread-self/net/{table}"))?;
    let ends =
        |end: Option<&str>, port| end.is_some_and(|end| end.ends_with(&format!(":{port:04X}")));
    let queue = table.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let found = ends(words.next(), local.port()) && ends(words.next(), peer.port());
        let queues = words.nth(1).filter(|_| found)?;
        u64::from_str_radix(queues.split_once(':')?.0, 16).ok()
    });
    queue.ok_or_else(|| io::Error::other("the connection is not in `/proc/net/tcp`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: Kind) -> Request {
        Request {
            kind,
            seed: 5,
            len: 300_001,
            patience: Duration::from_secs(20),
            congestion: "reno",
        }
    }

    /// Serves one connection on loopback after another.
    fn server(answer: fn(&mut TcpStream) -> io::Result<()>) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = answer(&mut stream);
            }
        });
        Ok(address)
    }

    #[test]
    fn all_kinds_arrive() {
        let address = server(answer).unwrap();
        for kind in Kind::ALL {
            assert_eq!(request(kind).all(address).unwrap().bytes, 300_001);
        }
        let time = Duration::from_millis(30);
        for kind in [Kind::Put, Kind::Get] {
            let report = request(kind).timed(address, time).unwrap();
            assert!(report.bytes > 0 && report.time >= time);
        }
    }

    #[test]
    fn a_wrong_byte_and_a_missing_one_are_seen() {
        let wrong = server(|stream| {
            stream.read_exact(&mut [0; 17])?;
            send(stream, 5, 200_000)?;
            send(stream, 6, 100_001)
        });
        let error = request(Kind::Get).all(wrong.unwrap()).unwrap_err();
        assert!(error.to_string().contains("the first 20000"), "{error}");
        let short = server(|stream| {
            stream.read_exact(&mut [0; 17])?;
            send(stream, 5, 300_000)
        });
        let error = request(Kind::Get).all(short.unwrap()).unwrap_err();
        assert!(error.to_string().contains("300000 came"), "{error}");
        let lossy = server(|stream| {
            io::copy(&mut stream.try_clone()?, &mut io::sink())?;
            stream.write_all(&[0; 16])
        });
        assert!(request(Kind::Put).all(lossy.unwrap()).is_err());
    }
}

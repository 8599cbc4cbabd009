// SPDX-License-Identifier: ISC
//! What this program does when it is started again within a network namespace: the clients of the
//! benchmarks, and the peer that has no program of its own.
//!
//! `cargo xtask bench --inside ROLE ...`; a role prints figures and nothing else.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    io::FdFlags,
    net::{AddressFamily, SocketType, sockopt},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use super::{
    lab::{SOURCE, SOURCES, processor_time},
    memory, start,
    table::median,
};

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Round trips before those that are measured.
const WARM_UP: usize = 500;
/// Connections of a process: its files are limited, here and there to 20,000.
const HELD: usize = 15_000;
/// Bytes of a page of memory.
const PAGE: u64 = 4096;

/// Plays the role that `words` name.
pub(super) fn run(words: &[&str]) -> Result<()> {
    match words {
        ["tap", interface, command @ ..] => tap(interface, command),
        ["probe", address] => {
            TcpStream::connect_timeout(&address.parse()?, PATIENCE)?;
            Ok(())
        }
        ["echo", address] => echo(address.parse()?),
        ["latency", address, size, count] => {
            latency(address.parse()?, size.parse()?, count.parse()?)
        }
        ["hold", address, kind, first, count] => {
            hold(address.parse()?, kind, first.parse()?, count.parse()?)
        }
        ["idle", address, kind, count, process] => {
            idle(address.parse()?, kind, count.parse()?, process.parse()?)
        }
        ["cost", address, count, requests, process] => cost(
            address.parse()?,
            count.parse()?,
            requests.parse()?,
            process.parse()?,
        ),
        ["memory", tender, image] => memory::inside(tender, image),
        ["start", until, command @ ..] => start::hvt::inside(until, command),
        _ => bail!("no such role: {words:?}"),
    }
}

/// Becomes `command`, with a tap opened without offloads in place of the word `FD` behind an `@`.
fn tap(interface: &str, command: &[&str]) -> Result<()> {
    use std::os::fd::AsRawFd;
    let tap = fata_tender::attach::plain_tap(interface)?;
    rustix::io::fcntl_setfd(&tap, FdFlags::empty())?;
    let number = format!("@{}", tap.as_raw_fd());
    let words: Vec<String> = command.iter().map(|w| w.replace("@FD", &number)).collect();
    let (program, arguments) = words.split_first().context("no command")?;
    Err(Command::new(program).args(arguments).exec().into())
}

/// An echo service in the plainest way: a thread a connection, blocking.
fn echo(address: SocketAddr) -> Result<()> {
    for stream in TcpListener::bind(address)?.incoming() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        thread::spawn(move || {
            let mut buffer = [0; 32 << 10];
            while let Ok(len @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..len]).is_err() {
                    break;
                }
            }
        });
    }
    Ok(())
}

/// Prints the median and the 99th percentile of the time of a round trip, in nanoseconds.
fn latency(address: SocketAddr, size: usize, count: usize) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    let mut times = round_trips(&mut stream, size, WARM_UP + count)?.split_off(WARM_UP);
    let middle = median(&mut times);
    println!(
        "{} {}",
        middle.as_nanos(),
        times[count * 99 / 100].as_nanos()
    );
    Ok(())
}

fn round_trips(stream: &mut TcpStream, size: usize, count: usize) -> Result<Vec<Duration>> {
    let request = vec![7; size];
    let mut answer = vec![0; size];
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        stream.write_all(&request)?;
        stream.read_exact(&mut answer)?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Prints how many bytes the process `process` has grown by for each of `count` connections, each of
/// which has asked for something once.
fn idle(address: SocketAddrV4, kind: &str, count: usize, process: u32) -> Result<()> {
    // What the first ones cost is the server's own.
    let _first = hold_many(address, kind, 16)?;
    let before = resident(process)?;
    let _open = hold_many(address, kind, count)?;
    thread::sleep(Duration::from_secs(1));
    let grown = resident(process)?.saturating_sub(before);
    println!("{}", grown / count as u64);
    Ok(())
}

/// Prints the nanoseconds that `process` takes for a request on one connection while `count` others
/// are idle.
fn cost(address: SocketAddrV4, count: usize, requests: usize, process: u32) -> Result<()> {
    let _open = hold_many(address, "echo", count)?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    round_trips(&mut stream, 64, WARM_UP)?;
    let before = processor_time(process)?;
    round_trips(&mut stream, 64, requests)?;
    let spent = processor_time(process)? - before;
    println!("{}", spent / requests as u64);
    Ok(())
}

/// Bytes of memory that a process has.
fn resident(process: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/statm"))?;
    let pages = text.split_whitespace().nth(1).context("no figure")?;
    Ok(pages.parse::<u64>()? * PAGE)
}

/// A process that holds connections open until this is dropped.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens connections, in as many processes as the limit on files of one asks for.
fn hold_many(address: SocketAddrV4, kind: &str, count: usize) -> Result<Vec<Holder>> {
    let mut holders = Vec::new();
    for first in (0..count).step_by(HELD) {
        let here = HELD.min(count - first);
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "--inside", "hold", &address.to_string(), kind])
            .args([first.to_string(), here.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        holders.push(Holder(child));
        let mut line = String::new();
        BufReader::new(output.context("no output")?).read_line(&mut line)?;
        ensure!(line == "open\n", "connections from {first} on failed");
    }
    Ok(holders)
}

/// Opens connections, each of which asks for something once, and holds them until the input ends.
fn hold(address: SocketAddrV4, kind: &str, first: usize, count: usize) -> Result<()> {
    let (request, end) = match kind {
        "echo" => (&b"x"[..], &b"x"[..]),
        "www" => (
            &b"GET /small.html HTTP/1.1\r\nHost: bench\r\n\r\n"[..],
            &b"</html>\n"[..],
        ),
        _ => bail!("no such kind: {kind}"),
    };
    let files = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: files,
        maximum: files,
    };
    setrlimit(Resource::Nofile, limit).context("raising the limit on files")?;
    let mut streams = Vec::with_capacity(count);
    for number in first..first + count {
        let opened = connect(address, number).and_then(|stream| ask(stream, request, end));
        streams.push(opened.with_context(|| format!("connection {number}"))?);
    }
    println!("open");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Sends `request` and reads an answer that ends with `end`.
fn ask(mut stream: TcpStream, request: &[u8], end: &[u8]) -> Result<TcpStream> {
    let mut answer = [0; 8192];
    let mut len = 0;
    stream.write_all(request)?;
    while !answer[..len].ends_with(end) {
        let more = stream.read(&mut answer[len..])?;
        ensure!(more > 0, "the answer has no end");
        len += more;
    }
    Ok(stream)
}

/// Connects from the source addresses in turn: one has too few ports.
fn connect(address: SocketAddrV4, number: usize) -> Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    for direction in [sockopt::Timeout::Send, sockopt::Timeout::Recv] {
        sockopt::set_socket_timeout(&socket, direction, Some(PATIENCE))?;
    }
    let [a, b, c, d] = SOURCE;
    let source = Ipv4Addr::new(a, b, c, d + (number % usize::from(SOURCES)) as u8);
    rustix::net::bind(&socket, &SocketAddrV4::new(source, 0))?;
    rustix::net::connect(&socket, &address)?;
    Ok(TcpStream::from(socket))
}

// SPDX-License-Identifier: ISC
//! Doing what a script says.

use std::{
    boxed::Box,
    collections::VecDeque,
    format,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    string::{String, ToString},
    task::{Context, Poll, Waker},
    time::Duration,
    vec,
    vec::Vec,
};

use embedded_io_async::Write;
use fata_device::{Flow, memory::Nic, net::Offload};

use super::{
    parse::{ACK, FIN, Form, PSH, SYN, duration},
    wire::{self, Family, Segment, Sent},
};
use crate::{
    Config, CongestionControl, Error, Stack, TcpListener, TcpStream,
    tests::{
        responder::{put, take},
        world::{World, clock, fixed, wire as join},
    },
};

/// First sequence number of the peer; near its end, so that scripts go over the wrap.
const PEER_ISS: u32 = u32::MAX - 1500;
/// What the clock of the peer's timestamps shows at first.
const PEER_CLOCK: u32 = 1000;
/// A step that waits for a segment gives up after that long.
const PATIENCE: u64 = 4 * 3_600_000_000_000;

type Connecting = Pin<Box<dyn Future<Output = Result<TcpStream, Error>>>>;

/// A script that is being played.
struct Play {
    world: World,
    config: Config,
    syn_queue: Option<usize>,
    stack: Option<Stack>,
    nic: Nic,
    card: Option<Nic>,
    listener: Option<TcpListener>,
    connecting: Option<Connecting>,
    stream: Option<TcpStream>,
    /// What the stack sent and no step has looked at.
    sent: VecDeque<Sent>,
    ports: (u16, u16),
    family: Family,
    /// First sequence number of the stack.
    iss: u32,
    /// What the peer sends and acknowledges next, where a step does not say.
    next: u32,
    acknowledged: u32,
    /// Whether there are timestamps, and the last of the stack.
    stamps: bool,
    stamp: u32,
    began: u64,
    mark: u64,
    written: usize,
    read: usize,
}

/// The byte at a place of a stream.
fn byte(at: usize) -> u8 {
    (at ^ at >> 8 ^ at >> 16) as u8
}

/// Plays a script; panics where the stack does not keep to it.
pub(super) fn play(name: &str, script: &str, family: Family) {
    let first = script.lines().next().unwrap_or_default();
    assert!(first.contains("RFC"), "{name}: the first line names an RFC");
    let mut play = Play::new(family);
    for (number, line) in script.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        if let Err(message) = play.step(&words) {
            panic!("{name}:{}: {}: {message}", number + 1, line.trim());
        }
    }
    play.capture();
    if let Some(sent) = play.sent.front() {
        panic!("{name}: at the end: unexpected {}", play.describe(sent));
    }
}

impl Play {
    fn new(family: Family) -> Self {
        let world = World::new();
        let (nic, card) = join();
        Self {
            world,
            config: fixed(2),
            syn_queue: None,
            stack: None,
            nic,
            card: Some(card),
            listener: None,
            connecting: None,
            stream: None,
            sent: VecDeque::new(),
            ports: (40_000, 80),
            family,
            iss: 0,
            next: 0,
            acknowledged: 0,
            stamps: false,
            stamp: 0,
            began: clock(),
            mark: clock(),
            written: 0,
            read: 0,
        }
    }

    fn step(&mut self, words: &[&str]) -> Result<(), String> {
        let (verb, rest) = words.split_first().ok_or("empty")?;
        match (*verb, rest) {
            ("set", [name, value]) => self.set(name, value),
            ("listen", []) => {
                self.listener = Some(TcpListener::bind(&self.stack(), 80).map_err(text)?);
            }
            ("unlisten", []) => {
                self.capture();
                drop(self.listener.take());
            }
            ("accept", rest) => self.accept(rest)?,
            ("open", form) => self.open(form)?,
            ("connect", []) => self.connect(),
            ("connected", []) => self.connected()?,
            ("in", form) => self.inject(&Form::parse(form))?,
            ("out", form) => self.expect(&Form::parse(form), 0, 0)?,
            ("after", [times, "out", form @ ..]) => {
                let (low, high) = times.split_once("..").ok_or("no range of times")?;
                self.expect(&Form::parse(form), duration(low), duration(high))?;
                return Ok(());
            }
            ("quiet", [time]) => {
                self.nothing()?;
                self.pass(duration(time));
                self.nothing()?;
            }
            ("wait", [time]) => self.pass(duration(time)),
            ("drain", [time]) => {
                self.pass(duration(time));
                self.sent.clear();
            }
            ("write" | "read" | "connect", rest) => self.transfer(verb, rest)?,
            ("icmp", [kind, form @ ..]) => self.icmp(kind, &Form::parse(form))?,
            ("state", [connections, half_open, time_wait]) => {
                self.capture();
                let state = self.stack().shared().engine().tcp.population();
                let wanted = [connections, half_open, time_wait].map(|n| n.parse().unwrap_or(99));
                check(state, wanted.into())?;
            }
            (verb, []) => self.end(verb)?,
            _ => return Err("no such step".to_string()),
        }
        self.mark = clock();
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) {
        let tcp = &mut self.config.tcp;
        let number = value.parse().unwrap_or(0);
        match name {
            "receive_buffer" => tcp.receive_buffer = number,
            "send_buffer" => tcp.send_buffer = number,
            "backlog" => tcp.backlog = number,
            "syn_queue" => self.syn_queue = Some(number),
            "nodelay" => tcp.nodelay = value == "on",
            "ecn" => tcp.ecn = value == "on",
            "reno" => tcp.congestion = CongestionControl::Reno,
            "keepalive" => tcp.keepalive = Some(Duration::from_nanos(duration(value))),
            "user_timeout" => tcp.user_timeout = Some(Duration::from_nanos(duration(value))),
            other => panic!("no setting: {other}"),
        }
    }

    fn stack(&mut self) -> Stack {
        if let Some(card) = self.card.take() {
            let stack = self.world.add(card, self.config.clone());
            if let Some(capacity) = self.syn_queue {
                stack.shared().engine().tcp.syn_queue().limit(capacity);
            }
            self.stack = Some(stack);
            // Addresses may have to be claimed first; what that sends is not TCP.
            self.pass(15_000_000_000);
            self.began = clock();
        }
        self.stack.clone().unwrap()
    }

    /// Takes what the stack has sent by now.
    fn capture(&mut self) -> u64 {
        loop {
            let next = self.world.settle();
            let mut any = false;
            while let Some(frame) = take(&mut self.nic) {
                any = true;
                if let Some(reply) =
                    wire::arp_reply(&frame).or_else(|| wire::neighbor_reply(&frame))
                {
                    put(&mut self.nic, &reply, Offload::default());
                } else if let Some(sent) = wire::dissect(&frame, clock()) {
                    self.sent.push_back(sent);
                }
            }
            if !any {
                return next;
            }
        }
    }

    /// Lets time pass until `end`, or a segment is sent if `stop` says so.
    fn pass_until(&mut self, end: u64, stop: bool) {
        loop {
            let next = self.capture();
            if clock() >= end || stop && !self.sent.is_empty() {
                return;
            }
            self.world.advance(next.min(end));
        }
    }

    fn pass(&mut self, time: u64) {
        self.pass_until(clock() + time, false);
    }

    fn nothing(&mut self) -> Result<(), String> {
        self.capture();
        match self.sent.front() {
            Some(sent) => Err(format!("unexpected {}", self.describe(sent))),
            None => Ok(()),
        }
    }

    fn accept(&mut self, rest: &[&str]) -> Result<(), String> {
        self.capture();
        let listener = self.listener.as_ref().ok_or("nobody listens")?;
        let accepted = listener.poll_accept(&mut Context::from_waker(Waker::noop()));
        match (accepted, rest) {
            (Poll::Pending, ["blocked"]) => Ok(()),
            (Poll::Ready(Ok((stream, _))), []) => {
                self.stream = Some(stream);
                Ok(())
            }
            (Poll::Pending, _) => Err("there is no connection".to_string()),
            _ => Err("there is a connection".to_string()),
        }
    }

    /// Opens a connection from the peer's side.
    fn open(&mut self, options: &[&str]) -> Result<(), String> {
        let mut words = vec!["SYN"];
        words.extend(options.iter().filter(|word| !word.starts_with("win=")));
        self.step(&["listen"])?;
        self.inject(&Form::parse(&words))?;
        let taken = options
            .iter()
            .filter(|word| ["sackok", "ts"].contains(word));
        let words: Vec<&str> = ["SYN", "ACK", "seq=0", "ack=1"]
            .into_iter()
            .chain(taken.copied())
            .collect();
        self.expect(&Form::parse(&words), 0, 0)?;
        let window = options.iter().filter(|word| word.starts_with("win="));
        let words: Vec<&str> = ["ACK"].into_iter().chain(window.copied()).collect();
        self.inject(&Form::parse(&words))?;
        self.accept(&[])
    }

    fn connect(&mut self) {
        let stack = self.stack();
        self.ports = (80, 0);
        let peer = match self.family {
            Family::V4 => SocketAddr::from(([10, 0, 0, 1], 80)),
            Family::V6 => SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 1], 80)),
        };
        self.connecting = Some(Box::pin(
            async move { TcpStream::connect(&stack, peer).await },
        ));
        let _ = self.poll_connecting();
    }

    fn poll_connecting(&mut self) -> Poll<Result<TcpStream, Error>> {
        match &mut self.connecting {
            Some(future) => future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop())),
            None => Poll::Pending,
        }
    }

    fn connected(&mut self) -> Result<(), String> {
        self.capture();
        match self.poll_connecting() {
            Poll::Ready(Ok(stream)) => self.stream = Some(stream),
            Poll::Ready(Err(error)) => return Err(text(error)),
            Poll::Pending => return Err("still connecting".to_string()),
        }
        self.connecting = None;
        Ok(())
    }

    fn transfer(&mut self, verb: &str, rest: &[&str]) -> Result<(), String> {
        self.capture();
        let mut cx = Context::from_waker(Waker::noop());
        let wanted = match rest {
            [count] => count.parse().unwrap_or(1),
            _ => 1,
        };
        let mut done = 0;
        while done < wanted {
            let result = match verb {
                "connect" => self.poll_connecting().map(|result| result.map(|_| 0)),
                "write" => {
                    let bytes: Vec<u8> = (done..wanted).map(|at| byte(self.written + at)).collect();
                    let stream = self.stream.as_mut().ok_or("no connection")?;
                    stream.poll_write(&mut cx, &bytes)
                }
                _ => {
                    let mut buffer = vec![0; wanted - done];
                    let stream = self.stream.as_mut().ok_or("no connection")?;
                    let result = stream.poll_read(&mut cx, &mut buffer);
                    if let Poll::Ready(Ok(len)) = result {
                        let right = |(at, got): (usize, &u8)| *got == byte(self.read + done + at);
                        if !buffer[..len].iter().enumerate().all(right) {
                            return Err("bytes that the peer did not send".to_string());
                        }
                    }
                    result
                }
            };
            let got = match result {
                Poll::Pending => "blocked".to_string(),
                Poll::Ready(Ok(0)) => "end".to_string(),
                Poll::Ready(Err(error)) => format!("error {}", text(error)),
                Poll::Ready(Ok(len)) => {
                    done += len;
                    continue;
                }
            };
            return match got == rest.join(" ") {
                true => Ok(()),
                false => Err(format!("{got}, after {done} bytes")),
            };
        }
        if rest
            .first()
            .is_some_and(|word| word.parse::<usize>().is_err())
        {
            return Err("it went through".to_string());
        }
        match verb {
            "write" => self.written += done,
            _ => self.read += done,
        }
        Ok(())
    }

    fn end(&mut self, verb: &str) -> Result<(), String> {
        self.capture();
        let mut cx = Context::from_waker(Waker::noop());
        let stream = self.stream.as_mut().ok_or("no connection")?;
        match verb {
            "drop" => drop(self.stream.take()),
            "abort" => self.stream.take().ok_or("no connection")?.abort(),
            "shutdown" => {
                let _ = std::pin::pin!(stream.shutdown()).poll(&mut cx);
            }
            "flushed" => match std::pin::pin!(stream.flush()).poll(&mut cx) {
                Poll::Ready(Ok(())) => {}
                other => return Err(format!("{other:?}")),
            },
            _ => return Err("no such step".to_string()),
        }
        Ok(())
    }

    /// The peer sends a segment.
    fn inject(&mut self, form: &Form) -> Result<(), String> {
        self.stack();
        self.nothing()?;
        if form.flags & SYN != 0 && !form.has("odd") {
            self.stamps = form.has("ts");
            if form.flags & ACK == 0 && !form.has("odd") {
                self.next = form.number("seq").unwrap_or(0);
            }
        }
        let seq = form.number("seq").unwrap_or(self.next);
        let len = form.number("len").unwrap_or(0);
        let ack = form.number("ack").unwrap_or(self.acknowledged);
        let elapsed = ((clock() - self.began) / 1_000_000) as u32;
        let stamp = form.number("ts").unwrap_or(PEER_CLOCK + elapsed);
        let echo = form.number("ecr").unwrap_or(self.stamp);
        let mut segment = Segment {
            ports: (
                form.number("port").map_or(self.ports.0, |port| port as u16),
                self.ports.1,
            ),
            seq: PEER_ISS.wrapping_add(seq),
            ack: if form.flags & ACK != 0 {
                self.iss.wrapping_add(ack)
            } else {
                0
            },
            flags: form.flags,
            window: form.number("win").unwrap_or(65_535) as u16,
            urgent: form.number("urg").unwrap_or(0) as u16,
            ecn: match () {
                () if form.has("ce") => 3,
                () if form.has("ect0") => 2,
                () => 0,
            },
            payload: (0..len)
                .map(|at| byte(seq.wrapping_sub(1).wrapping_add(at) as usize))
                .collect(),
            ..Segment::default()
        };
        segment.add_options(form, self.stamps.then_some((stamp, echo)), self.iss);
        let taken = len + u32::from(form.flags & SYN != 0) + u32::from(form.flags & FIN != 0);
        if !form.has("odd") && seq == self.next {
            self.next = seq.wrapping_add(taken);
        }
        put(
            &mut self.nic,
            &segment.frame(self.family),
            Offload::default(),
        );
        Ok(())
    }

    /// The stack has sent a segment, between `low` and `high` after the last step.
    fn expect(&mut self, form: &Form, low: u64, high: u64) -> Result<(), String> {
        let mark = self.mark;
        self.capture();
        if high > 0 && self.sent.is_empty() {
            self.pass_until(mark + PATIENCE.min(high + 1_000_000_000), true);
        }
        let Some(sent) = self.sent.pop_front() else {
            return Err("nothing was sent".to_string());
        };
        let passed = sent.at - mark;
        if high > 0 && !(low..=high).contains(&passed) {
            let passed = passed as f64 / 1e6;
            return Err(format!("{} came after {passed} ms", self.describe(&sent)));
        }
        self.mark = sent.at;
        if sent.flags & SYN != 0 {
            self.iss = sent.seq;
            if self.ports.1 == 0 {
                self.ports.1 = sent.ports.0;
            }
            self.stamps |= sent.flags & ACK == 0 && sent.stamps.is_some() && form.has("ts");
        }
        self.compare(form, &sent)
            .map_err(|message| format!("{message} in {}", self.describe(&sent)))?;
        if let Some((stamp, _)) = sent.stamps {
            self.stamp = stamp;
        }
        let taken = sent.payload.len() as u32
            + u32::from(sent.flags & SYN != 0)
            + u32::from(sent.flags & FIN != 0);
        let end = sent.seq.wrapping_sub(self.iss).wrapping_add(taken);
        if end.wrapping_sub(self.acknowledged).cast_signed() > 0 {
            self.acknowledged = end;
        }
        Ok(())
    }

    fn compare(&self, form: &Form, sent: &Sent) -> Result<(), String> {
        let ports = (sent.ports.1, sent.ports.0);
        let port = form.number("port").map_or(self.ports.0, |port| port as u16);
        check(ports, (port, self.ports.1)).map_err(|e| format!("ports: {e}"))?;
        if sent.flags & !PSH != form.flags & !PSH {
            return Err(format!("flags {}", wire::name(sent.flags)));
        }
        let seq = sent.seq.wrapping_sub(self.iss);
        let ack = sent.ack.wrapping_sub(PEER_ISS);
        let window = u32::from(sent.window);
        let len = sent.payload.len() as u32;
        let ecn = [
            !form.has("ect0") || sent.ecn == 2,
            !form.has("noect") || sent.ecn == 0,
        ];
        let stamp = (
            !form.has("ts") || sent.stamps.is_some(),
            !form.has("nots") || sent.stamps.is_none(),
        );
        let echo = sent.stamps.map_or(0, |stamps| stamps.1);
        for (name, value) in [
            ("seq", seq),
            ("ack", ack),
            ("len", len),
            ("win", window),
            ("mss", sent.mss.unwrap_or(0).into()),
            ("ws", sent.scale.map_or(99, u32::from)),
            ("ecr", echo),
        ] {
            if let Some((low, high)) = form.range(name)
                && !(low..=high).contains(&value)
            {
                return Err(format!("{name} is {value}"));
            }
        }
        let sack: Vec<_> = sent
            .sack
            .iter()
            .map(|(a, b)| (a.wrapping_sub(PEER_ISS), b.wrapping_sub(PEER_ISS)))
            .collect();
        if form.has("sack") && form.ranges("sack") != Some(sack) || ecn.contains(&false) {
            return Err("SACK or ECN".to_string());
        }
        if stamp != (true, true)
            || form.has("sackok") != sent.sack_permitted && sent.flags & SYN != 0
        {
            return Err("timestamps or SACK permitted".to_string());
        }
        let right = |(at, got): (usize, &u8)| *got == byte(seq as usize - 1 + at);
        match sent.payload.iter().enumerate().all(right) && sent.dont_fragment {
            true => Ok(()),
            false => Err("payload that was not written, or may be cut up".to_string()),
        }
    }

    fn icmp(&mut self, kind: &str, form: &Form) -> Result<(), String> {
        self.nothing()?;
        let seq = self.iss.wrapping_add(form.number("seq").unwrap_or(0));
        let mtu = form.number("mtu").unwrap_or(0) as u16;
        let ports = (self.ports.1, self.ports.0);
        let frame = wire::icmp(self.family, kind, mtu, ports, seq);
        put(&mut self.nic, &frame, Offload::default());
        Ok(())
    }

    fn describe(&self, sent: &Sent) -> String {
        let seq = sent.seq.wrapping_sub(self.iss);
        let ack = sent.ack.wrapping_sub(PEER_ISS);
        let sack: Vec<_> = sent
            .sack
            .iter()
            .map(|(a, b)| (a.wrapping_sub(PEER_ISS), b.wrapping_sub(PEER_ISS)))
            .collect();
        format!(
            "`{} seq={seq} ack={ack} len={} win={} ecn={} mss={:?} ws={:?} sack={sack:?} ts={:?}`",
            wire::name(sent.flags),
            sent.payload.len(),
            sent.window,
            sent.ecn,
            sent.mss,
            sent.scale,
            sent.stamps
        )
    }
}

fn check<T: PartialEq + std::fmt::Debug>(got: T, wanted: T) -> Result<(), String> {
    match got == wanted {
        true => Ok(()),
        false => Err(format!("{got:?} instead of {wanted:?}")),
    }
}

fn text(error: Error) -> String {
    format!("{error:?}")
}

// SPDX-License-Identifier: ISC
//! Two taps joined by a link with weather.
//!
//! One thread: it reads what has come, passes on what is due, and sleeps until the next of either.

use std::{
    fmt,
    os::fd::OwnedFd,
    task::{Context, Poll, Waker},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use fata_device::Net;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    io::Errno,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::{
    chain::{Chain, Counts},
    clock::LinkClock,
    forecast::Forecast,
    port::Port,
};

/// A link between two taps.
pub struct Link {
    clock: LinkClock,
    ports: [Port; 2],
    ways: [Way; 2],
}

/// One direction.
struct Way {
    chain: Chain<Port, LinkClock>,
    to: Port,
    delivered: u64,
    bytes: u64,
}

/// Why a link has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its time was over.
    Time,
    /// A tap was deleted.
    Gone,
}

/// What has passed in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Frames that came.
    pub received: u64,
    /// Frames that went on.
    pub delivered: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What happened to the others.
    pub counts: Counts,
    /// Frames that the host did not take.
    pub refused: u64,
}

impl Link {
    /// Joins two taps.
    pub fn new(taps: [OwnedFd; 2], weather: &[Forecast; 2]) -> Self {
        let clock = LinkClock::new();
        let [a, b] = taps.map(Port::new);
        let way = |from: &Port, to: &Port, forecast: &Forecast, direction| Way {
            chain: Chain::new(
                from.clone(),
                &clock,
                forecast,
                (forecast.seed << 1) + direction,
            ),
            to: to.clone(),
            delivered: 0,
            bytes: 0,
        };
        let ways = [way(&a, &b, &weather[0], 0), way(&b, &a, &weather[1], 1)];
        Self {
            clock,
            ports: [a, b],
            ways,
        }
    }

    /// Forwards until `limit` is over or a tap is gone.
    ///
    /// # Errors
    ///
    /// The host cannot wait.
    pub fn run(&mut self, limit: Option<Duration>) -> Result<End> {
        loop {
            let now = Duration::from_nanos(self.clock.tick());
            let left = limit.map(|limit| limit.saturating_sub(now));
            if left == Some(Duration::ZERO) {
                return Ok(End::Time);
            }
            if self.ways.iter_mut().any(|way| way.forward().is_err()) {
                return Ok(End::Gone);
            }
            let idle = match self.ports.iter().any(Port::has_more) {
                true => Some(Duration::ZERO),
                false => self.clock.idle(),
            };
            let timeout = [idle, left].into_iter().flatten().min();
            self.wait(timeout)?;
        }
    }

    /// Sleeps until a frame comes, or `timeout`.
    fn wait(&self, timeout: Option<Duration>) -> Result<()> {
        let mut waits = [0, 1].map(|port: usize| {
            PollFd::from_borrowed_fd(self.ports[port].descriptor(), PollFlags::IN)
        });
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        match poll(&mut waits, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for frames"),
        }
        for (port, wait) in self.ports.iter().zip(&waits) {
            port.ready(!wait.revents().is_empty());
        }
        Ok(())
    }

    /// What has passed from the first tap to the second, and back.
    pub fn summaries(&self) -> [Summary; 2] {
        [0, 1].map(|at| {
            let way = &self.ways[at];
            Summary {
                received: self.ports[at].received(),
                delivered: way.delivered,
                bytes: way.bytes,
                counts: way.chain.counts(),
                refused: way.to.refused(),
            }
        })
    }
}

impl Way {
    /// Passes on what is due.
    fn forward(&mut self) -> Result<(), fata_device::NetError> {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(frame) = self.chain.net().poll_receive(&mut cx) {
            let frame = frame?;
            let len = frame.len() as u64;
            self.to.send(frame)?;
            self.delivered += 1;
            self.bytes += len;
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            received,
            delivered,
            bytes,
            counts,
            refused,
        } = self;
        write!(
            f,
            "received={received} {counts} delivered={delivered} refused={refused} bytes={bytes}"
        )
    }
}

/// Opens the tap `name`: of this network namespace, or with the path of another and a colon before
/// it of that one.
///
/// # Errors
///
/// There is no such tap or namespace, or it may not be used.
pub fn open(name: &str) -> Result<OwnedFd> {
    let Some((namespace, tap)) = name.rsplit_once(':') else {
        return plain_tap(name);
    };
    let own = descriptor("/proc/thread-self/ns/net")?;
    enter(&descriptor(namespace)?).with_context(|| format!("cannot enter `{namespace}`"))?;
    let tap = plain_tap(tap);
    enter(&own).context("cannot return to the network namespace")?;
    tap
}

fn plain_tap(name: &str) -> Result<OwnedFd> {
    fata_tender::attach::plain_tap(name).map_err(|error| anyhow!("{error}"))
}

fn descriptor(path: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("cannot open `{path}`"))
}

fn enter(namespace: &OwnedFd) -> rustix::io::Result<()> {
    use std::os::fd::AsFd;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
}

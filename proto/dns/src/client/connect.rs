// SPDX-License-Identifier: ISC
//! Connecting to a name: lookups and attempts side by side, as `eyeballs` says.

use alloc::{boxed::Box, vec::Vec};
use core::{
    fmt,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use fata_runtime::time::{Instant, Sleep, sleep_until};
use fata_tcpip::{Error, Stack, TcpStream};

use super::{
    Resolver,
    eyeballs::{Eyeballs, Next},
    now,
};
use crate::{
    resolver::{Answer, LookupError},
    types::Type,
};

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The name has no address that was found.
    Lookup(LookupError),
    /// No address could be connected to; why the last one could not.
    Connect(Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup(error) => error.message(),
            Self::Connect(error) => error.message(),
        })
    }
}

impl core::error::Error for ConnectError {}

type Attempt = Pin<Box<dyn Future<Output = Result<TcpStream, Error>>>>;

/// Connects to a port of a host by its name, or by its address as text.
///
/// IPv6 and IPv4 addresses are looked up at the same time and tried in turn, a new one every 250 ms
/// until one is connected; the others are dropped then. So a host is reached as fast as its best
/// address answers, whichever family works (RFC 8305).
///
/// # Errors
///
/// [`ConnectError::Lookup`] where no address was found, [`ConnectError::Connect`] where none could
/// be connected to. How long that takes is the sum of what servers and hosts take to say nothing:
/// put a `timeout` around it.
pub async fn connect(
    resolver: &Resolver,
    name: &str,
    port: u16,
) -> Result<TcpStream, ConnectError> {
    let mut v6 = pin!(resolver.lookup(name, Type::AAAA));
    let mut v4 = pin!(resolver.lookup(name, Type::A));
    let mut race = Race::new(resolver.stack(), port);
    let (mut found6, mut found4) = (false, false);
    poll_fn(|cx| {
        if !found6 && let Poll::Ready(result) = v6.as_mut().poll(cx) {
            found6 = true;
            let answer = race.note(result);
            race.eyeballs
                .found_v6(answer.iter().flat_map(Answer::ipv6), now());
        }
        if !found4 && let Poll::Ready(result) = v4.as_mut().poll(cx) {
            found4 = true;
            let answer = race.note(result);
            race.eyeballs
                .found_v4(answer.iter().flat_map(Answer::ipv4), now());
        }
        race.poll(cx)
    })
    .await
}

/// The attempts under way.
struct Race {
    stack: Stack,
    port: u16,
    eyeballs: Eyeballs,
    attempts: Vec<Attempt>,
    alarm: Option<Pin<Box<Sleep>>>,
    lookup_error: LookupError,
    error: Option<Error>,
}

impl Race {
    fn new(stack: &Stack, port: u16) -> Self {
        Self {
            stack: stack.clone(),
            port,
            eyeballs: Eyeballs::new(has_ipv6(stack)),
            attempts: Vec::new(),
            alarm: None,
            lookup_error: LookupError::NoData(0),
            error: None,
        }
    }

    /// Keeps the error of a lookup, the one that says most.
    fn note(&mut self, result: Result<Answer, LookupError>) -> Option<Answer> {
        match result {
            Ok(answer) => Some(answer),
            Err(LookupError::NoData(_)) => None,
            Err(error) => {
                self.lookup_error = error;
                None
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<TcpStream, ConnectError>> {
        loop {
            let mut index = 0;
            while let Some(attempt) = self.attempts.get_mut(index) {
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => index += 1,
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        drop(self.attempts.swap_remove(index));
                        self.error = Some(error);
                        self.eyeballs.failed(now());
                    }
                }
            }
            match self.eyeballs.next(now()) {
                Next::Start(address) => self.start(address),
                Next::Wait(None) => return Poll::Pending,
                Next::Wait(Some(at)) => {
                    let mut alarm = Box::pin(sleep_until(Instant::from_nanos(at)));
                    let fired = alarm.as_mut().poll(cx).is_ready();
                    self.alarm = Some(alarm);
                    if !fired {
                        return Poll::Pending;
                    }
                }
                Next::Failed => {
                    let none = ConnectError::Lookup(self.lookup_error);
                    return Poll::Ready(Err(self.error.map_or(none, ConnectError::Connect)));
                }
            }
        }
    }

    fn start(&mut self, address: IpAddr) {
        let stack = self.stack.clone();
        let peer = SocketAddr::new(address, self.port);
        let attempt = async move { TcpStream::connect(&stack, peer).await };
        self.attempts.push(Box::pin(attempt));
    }
}

/// Whether the stack has an IPv6 address that reaches beyond the link: without one, IPv4 goes first
/// (RFC 6724 section 6, rule 1 in its simple form).
fn has_ipv6(stack: &Stack) -> bool {
    let mut addresses = stack.addresses().into_iter();
    addresses.any(|prefix| match prefix.address() {
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    })
}

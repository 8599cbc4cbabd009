// SPDX-License-Identifier: ISC
//! Asking a host whether it is there. Read first: RFC 1122 section 3.2.2.6, RFC 4443 section 4.

use alloc::{rc::Rc, vec::Vec};
use core::{
    future::poll_fn,
    net::IpAddr,
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    addr::Addr,
    error::Error,
    ip::{EchoReply, IcmpError, SendError},
    stack::{Shared, Stack},
};

/// The questions that wait for an answer.
pub(crate) struct Pings {
    /// Marks our questions among those of others with the same address.
    ident: u16,
    sequence: u16,
    waiting: Vec<Ping>,
}

struct Ping {
    sequence: u16,
    peer: Addr,
    deadline: u64,
    answer: Option<Result<(), Error>>,
    waker: Waker,
}

impl Pings {
    pub(crate) fn new(ident: u16) -> Self {
        Self {
            ident,
            sequence: 0,
            waiting: Vec::new(),
        }
    }

    /// Takes in an answer.
    pub(crate) fn receive(&mut self, reply: &EchoReply) {
        if reply.ident == self.ident {
            self.settle(reply.sequence, reply.source, Ok(()));
        }
    }

    /// Takes in a complaint about a question.
    pub(crate) fn icmp(&mut self, error: &IcmpError) {
        let [_, _, _, _, i0, i1, s0, s1] = error.header;
        if u16::from_be_bytes([i0, i1]) == self.ident {
            let sequence = u16::from_be_bytes([s0, s1]);
            self.settle(sequence, error.destination, Err(Error::HostUnreachable));
        }
    }

    fn settle(&mut self, sequence: u16, peer: Addr, answer: Result<(), Error>) {
        let mut waiting = self.waiting.iter_mut();
        if let Some(ping) = waiting.find(|ping| ping.sequence == sequence && ping.peer == peer)
            && ping.answer.is_none()
        {
            ping.answer = Some(answer);
            ping.waker.wake_by_ref();
        }
    }

    /// Gives up on those whose time is over.
    pub(crate) fn expire(&mut self, now: u64) {
        for ping in &mut self.waiting {
            if ping.answer.is_none() && ping.deadline <= now {
                ping.answer = Some(Err(Error::TimedOut));
                ping.waker.wake_by_ref();
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let open = self.waiting.iter().filter(|ping| ping.answer.is_none());
        open.map(|ping| ping.deadline).min()
    }

    /// The answer to a question, which then is forgotten.
    fn take(&mut self, sequence: u16, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let found = |ping: &Ping| ping.sequence == sequence;
        let Some(index) = self.waiting.iter().position(found) else {
            return Poll::Ready(Err(Error::TimedOut));
        };
        match self.waiting.get_mut(index) {
            Some(ping) if ping.answer.is_none() => {
                ping.waker.clone_from(cx.waker());
                Poll::Pending
            }
            _ => {
                let answer = self.waiting.swap_remove(index).answer;
                Poll::Ready(answer.unwrap_or(Err(Error::TimedOut)))
            }
        }
    }
}

/// A question that is forgotten when nobody waits for it any more.
struct Question {
    shared: Rc<Shared>,
    sequence: u16,
}

impl Drop for Question {
    fn drop(&mut self) {
        let mut engine = self.shared.engine();
        let waiting = &mut engine.pings.waiting;
        waiting.retain(|ping| ping.sequence != self.sequence);
    }
}

impl Stack {
    /// Sends an echo request with `len` bytes to `peer` and waits for the answer. Says how long
    /// that took.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`]; [`Error::NetworkUnreachable`] when no route leads there;
    /// [`Error::HostUnreachable`] when a router says so, or a neighbour does not answer to ARP; [`Error::InvalidInput`] when the request is too long for the network.
    pub async fn ping(
        &self,
        peer: IpAddr,
        len: usize,
        timeout: Duration,
    ) -> Result<Duration, Error> {
        let shared = self.shared();
        let mut sent = 0;
        let sequence = poll_fn(|cx| {
            sent = shared.precisely_now();
            poll_ask(shared, cx, peer.into(), len, timeout)
        })
        .await?;
        let question = Question {
            shared: Rc::clone(shared),
            sequence,
        };
        poll_fn(|cx| question.shared.engine().pings.take(sequence, cx)).await?;
        let took = shared.precisely_now().saturating_sub(sent);
        Ok(Duration::from_nanos(took))
    }
}

fn poll_ask(
    shared: &Shared,
    cx: &mut Context<'_>,
    peer: Addr,
    len: usize,
    timeout: Duration,
) -> Poll<Result<u16, Error>> {
    let mut engine = shared.engine();
    let engine = &mut *engine;
    let sequence = engine.pings.sequence.wrapping_add(1);
    let ident = engine.pings.ident;
    let now = shared.now();
    let sent = engine
        .ip
        .ping(&mut *shared.link(), peer, ident, sequence, len, now);
    match sent {
        Ok(()) => {}
        Err(SendError::NoBuffer) => return shared.sent(cx, false).map(|()| Ok(sequence)),
        Err(SendError::NoRoute) => return Poll::Ready(Err(Error::NetworkUnreachable)),
        Err(SendError::TooLong(_)) => return Poll::Ready(Err(Error::InvalidInput)),
    }
    engine.pings.sequence = sequence;
    engine.pings.waiting.push(Ping {
        sequence,
        peer,
        deadline: now.saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)),
        answer: None,
        waker: cx.waker().clone(),
    });
    shared.sent(cx, true).map(|()| Ok(sequence))
}

// SPDX-License-Identifier: ISC
//! What the connections of a server share: seats, buffers that are lent, and the date.

use alloc::{boxed::Box, rc::Rc, vec, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::exchange::State;
use crate::{
    clock::{self, Instant},
    date,
    head::Head,
    limits::Limits,
};

/// Bytes of the input buffer at first; it grows to what the limits allow.
const INPUT: usize = 4_096;
/// Sets of buffers that are kept for the next who needs one.
const SPARE: usize = 32;

/// What a connection has while it has something to say.
pub(crate) struct Buffers {
    /// Received: `start..filled` is not used up.
    pub(crate) input: Vec<u8>,
    pub(crate) start: usize,
    pub(crate) filled: usize,
    /// Responses that are to be written.
    pub(crate) output: Vec<u8>,
    pub(crate) head: Head,
    pub(crate) state: State,
}

impl Buffers {
    fn new() -> Box<Self> {
        Box::new(Self {
            input: vec![0; INPUT],
            start: 0,
            filled: 0,
            output: Vec::with_capacity(INPUT),
            head: Head::new(),
            state: State::new(),
        })
    }

    /// Received and not used up.
    pub(crate) fn received(&self) -> &[u8] {
        self.input.get(self.start..self.filled).unwrap_or_default()
    }

    /// Makes room behind what was received, at most `most` bytes in all, and gives it.
    pub(crate) fn room(&mut self, most: usize) -> &mut [u8] {
        if self.start > 0 {
            self.input.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
        }
        if self.filled == self.input.len() && self.filled < most {
            let len = (self.filled * 2).min(most);
            self.input.resize(len, 0);
        }
        self.input.get_mut(self.filled..).unwrap_or_default()
    }
}

/// A connection's place among the others, while it is open.
pub(crate) struct Seat {
    pub(crate) shared: Rc<Shared>,
    at: usize,
}

#[derive(Default)]
struct Place {
    taken: bool,
    /// Waits for a request, and would notice being sent away.
    idle: bool,
    /// Is to leave when it is idle.
    sent_away: bool,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Seats {
    places: Vec<Place>,
    free: Vec<usize>,
    /// Where the search for an idle connection goes on, so that each has its turn.
    next: usize,
}

/// What the connections of a server share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    seats: RefCell<Seats>,
    open: Cell<usize>,
    stopped: Cell<bool>,
    /// Who accepts connections, and who waits for the last to go.
    acceptor: Cell<Option<Waker>>,
    closer: Cell<Option<Waker>>,
    #[expect(
        clippy::vec_box,
        reason = "they are handed out and taken back as boxes"
    )]
    spare: RefCell<Vec<Box<Buffers>>>,
    date: RefCell<Date>,
}

/// The `date` field, as it is sent.
struct Date {
    line: [u8; LINE],
    /// When the second is over.
    until: Instant,
}

const LINE: usize = 6 + date::LEN + 2;

impl Shared {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            seats: RefCell::default(),
            open: Cell::new(0),
            stopped: Cell::new(false),
            acceptor: Cell::new(None),
            closer: Cell::new(None),
            spare: RefCell::default(),
            date: RefCell::new(Date {
                line: [0; LINE],
                until: Instant::from_nanos(0),
            }),
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.open.get()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Sends everybody away.
    pub(crate) fn stop(&self) {
        self.stopped.set(true);
        let count = self.seats.borrow().places.len();
        for at in 0..count {
            let waker = self
                .seats
                .borrow_mut()
                .places
                .get_mut(at)
                .and_then(|place| place.waker.take());
            waker.into_iter().for_each(Waker::wake);
        }
        self.acceptor.take().into_iter().for_each(Waker::wake);
    }

    pub(crate) fn poll_stopped(&self, cx: &Context<'_>) -> Poll<()> {
        if self.stopped.get() {
            return Poll::Ready(());
        }
        self.acceptor.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    pub(crate) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        if self.open.get() == 0 {
            return Poll::Ready(());
        }
        self.closer.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// A seat; when all are taken, an idle connection is asked to leave.
    pub(crate) fn poll_seat(self: &Rc<Self>, cx: &Context<'_>) -> Poll<Seat> {
        let mut seats = self.seats.borrow_mut();
        if self.open.get() >= self.limits.connections {
            let leaver = seats.send_away();
            drop(seats);
            self.acceptor.set(Some(cx.waker().clone()));
            leaver.into_iter().for_each(Waker::wake);
            return Poll::Pending;
        }
        let at = seats.free.pop().unwrap_or_else(|| {
            seats.places.push(Place::default());
            seats.places.len() - 1
        });
        if let Some(place) = seats.places.get_mut(at) {
            *place = Place {
                taken: true,
                ..Place::default()
            };
        }
        self.open.set(self.open.get() + 1);
        Poll::Ready(Seat {
            shared: Rc::clone(self),
            at,
        })
    }

    /// Buffers, empty.
    pub(crate) fn lend(&self) -> Box<Buffers> {
        let spare = self.spare.borrow_mut().pop();
        spare.unwrap_or_else(Buffers::new)
    }

    /// Takes buffers back. Those that have grown large are not kept.
    pub(crate) fn take_back(&self, mut buffers: Box<Buffers>) {
        let mut spare = self.spare.borrow_mut();
        let is_small = buffers.input.len() == INPUT && buffers.output.capacity() <= 4 * INPUT;
        if is_small && spare.len() < SPARE {
            buffers.output.clear();
            (buffers.start, buffers.filled) = (0, 0);
            spare.push(buffers);
        }
    }

    /// Appends the `date` field (RFC 9110 section 6.6.1). The clock is read once a second.
    pub(crate) fn push_date(&self, output: &mut Vec<u8>) {
        let mut date = self.date.borrow_mut();
        let now = clock::recent();
        if now >= date.until {
            let wall = clock::wall();
            let text = date::format(wall.as_secs());
            let (name, end) = (b"date: ", b"\r\n");
            let line = name.iter().chain(&text).chain(end);
            for (to, from) in date.line.iter_mut().zip(line) {
                *to = *from;
            }
            let rest = 1_000_000_000 - u64::from(wall.subsec_nanos());
            date.until = now + Duration::from_nanos(rest);
        }
        output.extend_from_slice(&date.line);
    }
}

impl Seats {
    /// The waker of an idle connection that is to leave, if one is not on its way already.
    fn send_away(&mut self) -> Option<Waker> {
        if self.places.iter().any(|place| place.sent_away) {
            return None;
        }
        let count = self.places.len();
        for _ in 0..count {
            let at = self.next % count;
            self.next = at + 1;
            if let Some(place) = self.places.get_mut(at)
                && place.taken
                && place.idle
            {
                place.sent_away = true;
                return place.waker.take();
            }
        }
        None
    }
}

impl Seat {
    /// Whether this connection, which has nothing to do, is to leave. If not, the task of `cx` is
    /// woken when it is.
    pub(crate) fn must_leave(&self, cx: &Context<'_>) -> bool {
        let mut seats = self.shared.seats.borrow_mut();
        let Some(place) = seats.places.get_mut(self.at) else {
            return true;
        };
        if place.sent_away || self.shared.stopped.get() {
            return true;
        }
        let known = place.waker.as_ref();
        if !known.is_some_and(|waker| waker.will_wake(cx.waker())) {
            place.waker = Some(cx.waker().clone());
        }
        if !place.idle {
            place.idle = true;
            drop(seats);
            self.tell_acceptor();
        }
        false
    }

    /// Says that the connection has something to do.
    pub(crate) fn busy(&self) {
        if let Some(place) = self.shared.seats.borrow_mut().places.get_mut(self.at) {
            place.idle = false;
        }
    }

    /// Wakes who waits for a seat.
    fn tell_acceptor(&self) {
        if self.shared.open.get() >= self.shared.limits.connections {
            let acceptor = self.shared.acceptor.take();
            acceptor.into_iter().for_each(Waker::wake);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.tell_acceptor();
        let mut seats = self.shared.seats.borrow_mut();
        if let Some(place) = seats.places.get_mut(self.at) {
            *place = Place::default();
        }
        seats.free.push(self.at);
        drop(seats);
        self.shared.open.set(self.shared.open.get() - 1);
        if self.shared.open.get() == 0 {
            let closer = self.shared.closer.take();
            closer.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a silent connection holds beside its task.
    #[test]
    fn a_place_is_small() {
        assert!(size_of::<Place>() <= 24);
    }
}

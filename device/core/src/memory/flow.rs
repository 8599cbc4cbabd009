// SPDX-License-Identifier: ISC
//! Two ends of a byte stream in memory.

use alloc::{collections::VecDeque, rc::Rc};
use core::{
    cell::RefCell,
    future::poll_fn,
    task::{Context, Poll, Waker},
};

use crate::flow::{ErrorKind, ErrorType, Flow, Read, Write};

/// Two ends of a stream; each direction holds at most `capacity` bytes that were not read yet.
///
/// # Panics
///
/// If `capacity` is zero: nothing would ever cross.
pub fn flow_pair(capacity: usize) -> (FlowEnd, FlowEnd) {
    assert!(capacity > 0);
    let pipes = [Pipe::new(capacity), Pipe::new(capacity)];
    let end = |incoming: &Rc<RefCell<Pipe>>, outgoing: &Rc<RefCell<Pipe>>| FlowEnd {
        incoming: Rc::clone(incoming),
        outgoing: Rc::clone(outgoing),
    };
    (end(&pipes[0], &pipes[1]), end(&pipes[1], &pipes[0]))
}

/// One end of a [`flow_pair`]. Dropping it without shutdown resets the connection.
pub struct FlowEnd {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
}

/// One direction.
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    state: State,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The writer has shut down.
    Ended,
    /// An end is gone.
    Reset,
}

impl Pipe {
    fn new(capacity: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            bytes: VecDeque::new(),
            capacity,
            state: State::Open,
            reader: None,
            writer: None,
        }))
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<Result<usize, ErrorKind>> {
        if into.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.state == State::Reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset));
        }
        let len = into.len().min(self.bytes.len());
        if len == 0 && self.state == State::Open {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for (to, from) in into.iter_mut().zip(self.bytes.drain(..len)) {
            *to = from;
        }
        self.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(len))
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ErrorKind>> {
        if self.bytes.is_empty() && self.state == State::Open {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, from: &[u8]) -> Poll<Result<usize, ErrorKind>> {
        match self.state {
            State::Reset => return Poll::Ready(Err(ErrorKind::ConnectionReset)),
            State::Ended => return Poll::Ready(Err(ErrorKind::BrokenPipe)),
            State::Open => {}
        }
        let len = from.len().min(self.capacity - self.bytes.len());
        if len == 0 && !from.is_empty() {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.bytes.extend(&from[..len]);
        self.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(len))
    }

    /// Leaves `Open` or `Ended` for `state`, and tells both sides.
    fn end(&mut self, state: State) {
        self.state = state;
        let wakers = [self.reader.take(), self.writer.take()];
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl ErrorType for FlowEnd {
    type Error = ErrorKind;
}

impl Read for FlowEnd {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|cx| self.incoming.borrow_mut().poll_read(cx, buffer)).await
    }
}

impl Write for FlowEnd {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        poll_fn(|cx| self.outgoing.borrow_mut().poll_write(cx, bytes)).await
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        match self.outgoing.borrow().state {
            State::Reset => Err(ErrorKind::ConnectionReset),
            State::Open | State::Ended => Ok(()),
        }
    }
}

impl Flow for FlowEnd {
    async fn shutdown(&mut self) -> Result<(), ErrorKind> {
        self.flush().await?;
        self.outgoing.borrow_mut().end(State::Ended);
        Ok(())
    }

    async fn readable(&mut self) -> Result<(), ErrorKind> {
        poll_fn(|cx| self.incoming.borrow_mut().poll_readable(cx)).await
    }
}

impl Drop for FlowEnd {
    fn drop(&mut self) {
        // What was ended before stays an end: the peer may read it in its own time.
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = pipe.borrow_mut();
            if pipe.state == State::Open {
                pipe.end(State::Reset);
            }
        }
    }
}

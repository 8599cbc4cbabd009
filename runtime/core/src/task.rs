// SPDX-License-Identifier: ISC
//! Tasks: futures that run beside each other on the one thread of the image.

use alloc::{boxed::Box, rc::Rc, sync::Arc};
use core::{
    cell::Cell,
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use crate::executor::{self, Signal};

/// Starts `future` as a task of its own. It runs whether or not the handle is kept.
///
/// Tasks that still exist when the program's `main` returns are dropped.
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let join = Rc::new(Join {
        output: Cell::new(None),
        waiter: Cell::new(None),
        finished: Cell::new(false),
    });
    let result = join.clone();
    let signal = executor::spawn(Box::pin(async move {
        let output = future.await;
        result.output.set(Some(output));
        result.finished.set(true);
        if let Some(waiter) = result.waiter.take() {
            waiter.wake();
        }
    }));
    JoinHandle { signal, join }
}

/// Lets all other tasks that are ready run first.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs `future` and all tasks until it is done; what [`program::launch`](crate::program::launch)
/// does with `main`, and a test with its body.
///
/// # Panics
///
/// If called from within a task, or if every task waits and nothing is left to wake one.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut output = None;
    executor::run(&mut |cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => {
            output = Some(value);
            true
        }
        Poll::Pending => false,
    });
    match output {
        Some(output) => output,
        None => unreachable!("executor returned before its future"),
    }
}

struct Join<T> {
    output: Cell<Option<T>>,
    waiter: Cell<Option<Waker>>,
    finished: Cell<bool>,
}

/// A task that was spawned. As a future it waits for the task and yields its output.
///
/// Dropping the handle leaves the task running.
pub struct JoinHandle<T> {
    signal: Arc<Signal>,
    join: Rc<Join<T>>,
}

impl<T> JoinHandle<T> {
    /// Drops the future of the task and returns its output if it had finished. When this returns,
    /// destructors of the task have run, except where a task cancels itself: then they run when it
    /// next waits.
    pub fn cancel(self) -> Option<T> {
        if !self.join.finished.get() {
            executor::cancel(&self.signal);
        }
        self.join.output.take()
    }

    /// Leaves the task running on its own; the same as dropping the handle, in a word.
    pub fn detach(self) {}

    /// Whether the task has finished.
    pub fn is_finished(&self) -> bool {
        self.join.finished.get()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if self.join.finished.get() {
            return match self.join.output.take() {
                Some(output) => Poll::Ready(output),
                None => panic!("task joined twice"),
            };
        }
        self.join.waiter.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish()
    }
}

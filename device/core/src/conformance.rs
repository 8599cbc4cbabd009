// SPDX-License-Identifier: ISC
//! What every implementation of a device trait must pass: one suite a trait.
//!
//! A suite is an async function that panics where the device breaks its contract, so it runs where
//! the device does: in a unit test under [`block_on`], or in a unikernel against real hardware.

mod block;
mod flow;
mod kv;
mod net;

#[cfg(test)]
mod tests;

use alloc::{boxed::Box, sync::Arc, task::Wake, vec::Vec};
use core::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
};

pub use block::block;
pub use flow::flow;
pub use kv::{kv, kv_read_only};
pub use net::net;

/// Runs `future`, for devices in memory: polls it only when it was woken.
///
/// # Panics
///
/// If it waits and nobody has woken it: with nothing else running, nobody ever would. A device that
/// forgets a waker is found that way.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        assert!(
            woken.0.swap(false, Ordering::Relaxed),
            "waits, and nothing is left that could wake it"
        );
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls `future` once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Runs `futures` side by side and returns what they did, in their order.
async fn all<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(Some).collect();
    let mut outputs: Vec<Option<T>> = running.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if let Some(running) = future
                && let Poll::Ready(value) = running.as_mut().poll(cx)
            {
                *output = Some(value);
                *future = None;
            }
        }
        if running.iter().any(Option::is_some) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

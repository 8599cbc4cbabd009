// SPDX-License-Identifier: ISC
//! A disk that takes its time.

use core::{cell::RefCell, future::poll_fn, ops::RangeInclusive, task::Poll};

use super::{Clock, Random};
use crate::block::{Block, BlockError, BlockInfo, Buffer};

/// Delays every request, each by itself: what was started later may be finished earlier.
pub struct Slow<B, C> {
    disk: B,
    clock: C,
    nanoseconds: RangeInclusive<u64>,
    random: RefCell<Random>,
}

impl<B: Block, C: Clock> Slow<B, C> {
    /// Delays each request to `disk` by a time out of `nanoseconds`.
    pub const fn new(disk: B, clock: C, nanoseconds: RangeInclusive<u64>, seed: u64) -> Self {
        Self {
            disk,
            clock,
            nanoseconds,
            random: RefCell::new(Random::new(seed)),
        }
    }

    async fn wait(&self) {
        let delay = self.random.borrow_mut().within(self.nanoseconds.clone());
        let due = self.clock.now().saturating_add(delay);
        poll_fn(|cx| {
            if self.clock.now() >= due {
                return Poll::Ready(());
            }
            self.clock.wake_at(due, cx.waker());
            Poll::Pending
        })
        .await;
    }
}

impl<B: Block, C: Clock> Block for Slow<B, C> {
    fn info(&self) -> BlockInfo {
        self.disk.info()
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> (Buffer, Result<(), BlockError>) {
        self.wait().await;
        self.disk.read(offset, buffer).await
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> (Buffer, Result<(), BlockError>) {
        self.wait().await;
        self.disk.write(offset, buffer).await
    }

    async fn flush(&self) -> Result<(), BlockError> {
        self.wait().await;
        self.disk.flush().await
    }
}

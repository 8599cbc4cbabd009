// SPDX-License-Identifier: ISC
//! Byte streams as the server wants to see them, and the two loops whose speed a test measures.
//!
//! Streams are asked by polling, so that all of them read into one buffer: it stays in the cache of
//! the processor, and many streams cost no more memory than one.

use alloc::rc::Rc;
use core::{
    cell::RefCell,
    future::poll_fn,
    task::{Context, Poll, ready},
};

use fata::{prelude::*, time::sleep_until};

use crate::meter::Meter;

/// Bytes that are read or written at a time, at most.
pub const BLOCK: usize = 128 << 10;
/// A sender that is ahead of its bandwidth by less goes on, as iperf3's does.
const AHEAD: Duration = Duration::from_millis(1);

/// The peer has ended, or broken, the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A byte stream in both directions; dropping it ends it.
pub trait Flow: 'static {
    /// Reads at least one byte.
    ///
    /// # Errors
    ///
    /// [`Gone`] at the end too.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Gone>>;

    /// Writes at least one byte.
    ///
    /// # Errors
    ///
    /// [`Gone`].
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Gone>>;

    /// Whether small writes are sent at once.
    fn set_nodelay(&mut self, nodelay: bool);
}

/// Fills `buffer`.
///
/// # Errors
///
/// [`Gone`].
pub async fn read_exact(flow: &mut impl Flow, mut buffer: &mut [u8]) -> Result<(), Gone> {
    while !buffer.is_empty() {
        let len = poll_fn(|cx| flow.poll_read(cx, buffer)).await?;
        buffer = buffer.get_mut(len..).ok_or(Gone)?;
    }
    Ok(())
}

/// Writes all of `bytes`.
///
/// # Errors
///
/// [`Gone`].
pub async fn write_all(flow: &mut impl Flow, mut bytes: &[u8]) -> Result<(), Gone> {
    while !bytes.is_empty() {
        let len = poll_fn(|cx| flow.poll_write(cx, bytes)).await?;
        bytes = bytes.get(len..).ok_or(Gone)?;
    }
    Ok(())
}

/// Reads until the peer is gone.
pub async fn receive(
    mut flow: impl Flow,
    block: usize,
    buffer: Rc<RefCell<Vec<u8>>>,
    meter: Rc<Meter>,
) {
    poll_fn(|cx| {
        let mut buffer = buffer.borrow_mut();
        let len = block.min(buffer.len());
        loop {
            match ready!(flow.poll_read(cx, &mut buffer[..len])) {
                Ok(len) => meter.add(len),
                Err(Gone) => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Writes until the peer is gone, at `bandwidth` bits a second or, at zero, as fast as it goes.
pub async fn send(
    mut flow: impl Flow,
    block: usize,
    bandwidth: u64,
    zeros: &'static [u8],
    meter: Rc<Meter>,
) {
    let bytes = &zeros[..block.min(zeros.len())];
    if bandwidth != 0 {
        let mut pace = Pace::new(bandwidth);
        while let Ok(()) = write_all(&mut flow, bytes).await {
            meter.add(bytes.len());
            pace.keep(bytes.len()).await;
        }
        return;
    }
    poll_fn(|cx| {
        loop {
            match ready!(flow.poll_write(cx, bytes)) {
                Ok(len) => meter.add(len),
                Err(Gone) => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Keeps a bandwidth.
pub(crate) struct Pace {
    start: Instant,
    bits: u64,
    bandwidth: u64,
}

impl Pace {
    /// Begins now. A bandwidth of zero is none to keep.
    pub(crate) fn new(bandwidth: u64) -> Self {
        Self {
            start: Instant::now(),
            bits: 0,
            bandwidth,
        }
    }

    /// Waits until the next block may go, after one of `len` bytes.
    pub(crate) async fn keep(&mut self, len: usize) {
        if self.bandwidth == 0 {
            return;
        }
        self.bits += 8 * len as u64;
        let whole = self.bits / self.bandwidth;
        let part = u128::from(self.bits % self.bandwidth) * 1_000_000_000;
        let nanos = (part / u128::from(self.bandwidth)) as u64;
        let due = self.start + Duration::from_secs(whole) + Duration::from_nanos(nanos);
        if due > Instant::now() + AHEAD {
            sleep_until(due).await;
        }
    }
}

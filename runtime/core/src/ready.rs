// SPDX-License-Identifier: ISC
//! Waiting for devices.

use alloc::vec::Vec;
use core::task::{Context, Waker};

use fata_abi::{Handle, HandleSet};

use crate::single::Single;

struct Waiters {
    /// A handful at most, so a list that is searched beats anything cleverer.
    list: Vec<(Handle, Waker)>,
}

static WAITERS: Single<Waiters> = Single::new(Waiters { list: Vec::new() });

/// Wakes the task of `cx` when the device `handle` next has something to take.
///
/// To be called after the device has answered [`Again`](fata_abi::Error::Again), and again after
/// each wake that led to another such answer. Several tasks may wait for one device; all are
/// woken.
pub fn register(handle: Handle, cx: &Context<'_>) {
    let waker = cx.waker();
    let known = WAITERS.with(|w| {
        w.list
            .iter()
            .any(|(h, known)| *h == handle && known.will_wake(waker))
    });
    if !known {
        let waker = waker.clone();
        WAITERS.with(|w| w.list.push((handle, waker)));
    }
}

/// Whether any task waits for a device.
pub(crate) fn awaited() -> bool {
    WAITERS.with(|w| !w.list.is_empty())
}

/// Wakes the tasks that wait for a device in `set`; whether there were any.
pub(crate) fn wake(set: HandleSet) -> bool {
    let mut woken = false;
    if !set.is_empty() {
        while let Some(waker) = WAITERS.with(|w| {
            let at = w.list.iter().position(|(h, _)| set.contains(*h))?;
            Some(w.list.swap_remove(at).1)
        }) {
            waker.wake();
            woken = true;
        }
    }
    woken
}

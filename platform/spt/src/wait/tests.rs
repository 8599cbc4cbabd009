// SPDX-License-Identifier: ISC
//! Waiting on descriptors like those that a tender opens.

use std::{os::fd::AsRawFd, os::unix::net::UnixDatagram};

use rustix::{
    event::epoll::{self, EventData, EventFlags},
    time::{TimerfdClockId, TimerfdFlags, timerfd_create},
};

use super::*;
use crate::syscall::{CLOCK_MONOTONIC, clock_gettime};

const MILLISECOND: u64 = 1_000_000;

#[test]
fn waits_for_time_and_for_devices() {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).unwrap();
    let add = |fd: std::os::fd::BorrowedFd<'_>, data| {
        epoll::add(&epoll, fd, EventData::new_u64(data), EventFlags::IN).unwrap();
    };
    use std::os::fd::AsFd;
    add(timer.as_fd(), EPOLL_TIMER);
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    add(ours.as_fd(), 5);
    let waiter = Waiter::new();
    waiter.init(epoll.as_raw_fd(), timer.as_raw_fd());
    let now = || clock_gettime(CLOCK_MONOTONIC);

    let start = now();
    assert_eq!(waiter.wait(start + 20 * MILLISECOND), HandleSet::EMPTY);
    assert!(now() >= start + 20 * MILLISECOND);
    // Past deadlines, the same as before and another one, return at once, as does zero.
    assert_eq!(waiter.wait(start + 20 * MILLISECOND), HandleSet::EMPTY);
    assert_eq!(waiter.wait(start), HandleSet::EMPTY);
    assert_eq!(waiter.wait(1), HandleSet::EMPTY);
    assert_eq!(waiter.wait(0), HandleSet::EMPTY);
    // A deadline further off than the one that has fired is waited for.
    let start = now();
    waiter.wait(start + 20 * MILLISECOND);
    assert!(now() >= start + 20 * MILLISECOND);
    // Readiness is a level, and ends every kind of wait.
    theirs.send(&[1]).unwrap();
    for deadline in [0, u64::MAX, u64::MAX, now() + 1_000_000 * MILLISECOND] {
        assert_eq!(waiter.wait(deadline), HandleSet(1 << 5));
    }
}

// SPDX-License-Identifier: ISC
//! What timers promise.

use std::{cell::RefCell, future::pending, rc::Rc, task::Poll, time::Duration, vec, vec::Vec};

use super::{Session, with};
use crate::{
    task::{block_on, spawn, yield_now},
    time::{Alarm, Elapsed, Instant, next_deadline, sleep, sleep_until, timeout, wake_at, wall},
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn sleeping_takes_as_long_as_asked() {
    let session = Session::start();
    block_on(async {
        let start = Instant::now();
        sleep(3 * MS).await;
        assert_eq!(start.elapsed(), 3 * MS);
        sleep(Duration::ZERO).await;
        sleep_until(Instant::from_nanos(0)).await;
        assert_eq!(start.elapsed(), 3 * MS);
        assert_eq!(wall(), Duration::from_secs(1_000_000_000) + 3 * MS);
    });
    // Without looking at devices the loop would not have moved the clock.
    session.with(|host| assert!(host.calls.wait >= 3));
}

#[test]
fn timers_fire_in_order_and_ties_as_they_were_set() {
    let _session = Session::start();
    let order: Rc<RefCell<Vec<u32>>> = Rc::default();
    block_on(async {
        let mut tasks = Vec::new();
        for (name, ms) in [(0, 5), (1, 2), (2, 5), (3, 1), (4, 2)] {
            let order = order.clone();
            tasks.push(spawn(async move {
                sleep(ms * MS).await;
                order.borrow_mut().push(name);
            }));
        }
        for task in tasks {
            task.await;
        }
    });
    assert_eq!(*order.borrow(), [3, 1, 4, 0, 2]);
}

#[test]
fn a_dropped_sleep_leaves_nothing_behind() {
    let session = Session::start();
    block_on(async {
        for _ in 0..100 {
            assert_eq!(timeout(Duration::from_secs(60), async { 1 }).await, Ok(1));
        }
        let sleeper = spawn(sleep(Duration::from_secs(60)));
        yield_now().await;
        assert!(next_deadline().is_some());
        sleeper.cancel();
        assert_eq!(next_deadline(), None);
    });
    session.with(|host| assert_eq!(host.clock, 0));
}

#[test]
fn timeouts_end_what_takes_too_long() {
    let _session = Session::start();
    block_on(async {
        assert_eq!(timeout(MS, pending::<()>()).await, Err(Elapsed));
        assert_eq!(timeout(2 * MS, sleep(MS)).await, Ok(()));
        assert_eq!(
            timeout(MS, sleep(MS)).await,
            Ok(()),
            "the future wins a tie"
        );
    });
}

#[test]
fn an_alarm_can_be_moved_and_cleared() {
    let _session = Session::start();
    block_on(async {
        let mut alarm = Alarm::new();
        std::future::poll_fn(|cx| {
            alarm.set(Instant::from_nanos(9_000), cx.waker());
            alarm.set(Instant::from_nanos(5_000), cx.waker());
            alarm.set(Instant::from_nanos(7_000), cx.waker());
            Poll::Ready(())
        })
        .await;
        assert_eq!(next_deadline(), Some(7_000));
        assert!(!alarm.fired());
        sleep_until(Instant::from_nanos(8_000)).await;
        assert!(alarm.fired());
        alarm.clear();
        assert!(!alarm.fired());
        assert_eq!(next_deadline(), None);
    });
}

#[test]
fn wake_at_wakes_once() {
    let _session = Session::start();
    block_on(async {
        let mut polls = vec![];
        std::future::poll_fn(|cx| {
            polls.push(with(|host| host.clock));
            if polls.len() == 3 {
                return Poll::Ready(());
            }
            wake_at(Instant::from_nanos(1_000 * polls.len() as u64), cx.waker());
            Poll::Pending
        })
        .await;
        assert_eq!(polls, [0, 1_000, 2_000]);
    });
}

#[test]
fn the_present_is_read_once_a_turn() {
    let session = Session::start();
    block_on(async {
        for _ in 0..10 {
            Instant::recent();
        }
        assert_eq!(with(|host| host.calls.clock), 1);
        sleep(MS).await;
        assert_eq!(
            Instant::recent().as_nanos(),
            1_000_000,
            "not that of before"
        );
    });
    drop(session);
}

#[test]
fn arithmetic_does_not_overflow() {
    let late = Instant::NEVER + Duration::MAX;
    assert_eq!(late, Instant::NEVER);
    assert_eq!(
        Instant::from_nanos(3) - Instant::from_nanos(5),
        Duration::ZERO
    );
    assert_eq!(Instant::from_nanos(5) + MS, Instant::from_nanos(1_000_005));
}

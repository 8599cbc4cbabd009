// SPDX-License-Identifier: ISC
//! What the executor promises: order, fairness, cancelling, and few calls to the platform.

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
    vec::Vec,
};

use fata_abi::Handle;

use super::{Session, allocations, with};
use crate::{
    ready,
    task::{block_on, spawn, yield_now},
    time::{Instant, sleep},
};

const NIC: Handle = match Handle::new(1) {
    Some(handle) => handle,
    None => panic!(),
};

const DISK: Handle = match Handle::new(2) {
    Some(handle) => handle,
    None => panic!(),
};

/// Waits until the device has something and takes it, as a driver does.
async fn receive() {
    take(NIC).await;
}

async fn take(handle: Handle) {
    poll_fn(|cx| {
        if with(|host| host.take(handle)) {
            return Poll::Ready(());
        }
        ready::register(handle, cx);
        Poll::Pending
    })
    .await;
}

#[test]
fn tasks_run_in_the_order_in_which_they_were_woken() {
    let _session = Session::start();
    let order = Rc::new(RefCell::new(Vec::new()));
    block_on(async {
        let handles: Vec<_> = (0..3)
            .map(|task| {
                let order = order.clone();
                spawn(async move {
                    for round in 0..2 {
                        order.borrow_mut().push((round, task));
                        yield_now().await;
                    }
                    task * 10
                })
            })
            .collect();
        for (task, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.await, task * 10);
        }
    });
    assert_eq!(
        *order.borrow(),
        [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    );
}

#[test]
fn thousands_of_tasks_sleep_and_end() {
    let session = Session::start();
    let sum = block_on(async {
        let handles: Vec<_> = (0..5000u64)
            .map(|i| {
                spawn(async move {
                    sleep(Duration::from_millis(i * 7919 % 5000)).await;
                    assert_eq!(Instant::now().as_nanos(), i * 7919 % 5000 * 1_000_000);
                    i
                })
            })
            .collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await;
        }
        sum
    });
    assert_eq!(sum, 4999 * 5000 / 2);
    session.with(|host| assert_eq!(host.clock, 4999 * 1_000_000));
}

#[test]
fn cancelling_drops_the_future_at_once() {
    struct Told(Rc<Cell<bool>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let _session = Session::start();
    block_on(async {
        let dropped = Rc::new(Cell::new(false));
        let told = Told(dropped.clone());
        let handle = spawn(async move {
            let _told = told;
            pending::<()>().await;
        });
        yield_now().await;
        assert!(!dropped.get());
        assert_eq!(handle.cancel(), None);
        assert!(dropped.get());

        let handle = spawn(async { 7 });
        yield_now().await;
        assert!(handle.is_finished());
        assert_eq!(handle.cancel(), Some(7), "had finished before");
    });
}

#[test]
fn a_task_may_cancel_itself() {
    let _session = Session::start();
    block_on(async {
        let own: Rc<Cell<Option<crate::task::JoinHandle<()>>>> = Rc::default();
        let after = Rc::new(Cell::new(false));
        let (own_, after_) = (own.clone(), after.clone());
        own.set(Some(spawn(async move {
            if let Some(handle) = own_.take() {
                handle.cancel();
            }
            yield_now().await;
            after_.set(true);
        })));
        for _ in 0..5 {
            yield_now().await;
        }
        assert!(!after.get());
    });
}

#[test]
fn a_dropped_handle_leaves_the_task_running() {
    let _session = Session::start();
    let done = Rc::new(Cell::new(0));
    block_on(async {
        let (a, b) = (done.clone(), done.clone());
        drop(spawn(async move { a.set(a.get() + 1) }));
        spawn(async move { b.set(b.get() + 1) }).detach();
        yield_now().await;
    });
    assert_eq!(done.get(), 2);
}

#[test]
fn tasks_that_are_left_over_are_dropped() {
    let _session = Session::start();
    let shared = Rc::new(());
    let held = shared.clone();
    block_on(async {
        spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        yield_now().await;
    });
    assert_eq!(Rc::strong_count(&shared), 1);
    assert_eq!(block_on(async { 3 }), 3, "the executor can be used again");
}

#[test]
fn wakers_of_ended_tasks_do_nothing() {
    let _session = Session::start();
    block_on(async {
        let stale: Rc<RefCell<Vec<Waker>>> = Rc::default();
        let polls = Rc::new(Cell::new(0));
        for round in 0..200 {
            let stale_ = stale.clone();
            // Ends with its own number in the queue once more, at times.
            let ended = spawn(poll_fn(move |cx| {
                stale_.borrow_mut().push(cx.waker().clone());
                if round % 3 == 0 {
                    cx.waker().wake_by_ref();
                }
                Poll::Ready(())
            }));
            ended.await;
            let polls_ = polls.clone();
            let counted = spawn(poll_fn(move |_| {
                polls_.set(polls_.get() + 1);
                Poll::<()>::Pending
            }));
            for waker in stale.borrow().iter() {
                waker.wake_by_ref();
            }
            yield_now().await;
            yield_now().await;
            assert_eq!(polls.replace(0), 1, "polled by another task's waker");
            counted.cancel();
        }
    });
}

#[test]
fn a_busy_task_starves_neither_timers_nor_devices() {
    let session = Session::start();
    session.with(|host| host.arrive(NIC, 1_000_000));
    block_on(async {
        let busy = spawn(async {
            loop {
                // Each turn takes time, or the clock of this platform would stand still.
                with(|host| host.clock += 10_000);
                yield_now().await;
            }
        });
        receive().await;
        // A wait every 16 polls, each of 10 us.
        assert!(with(|host| host.clock) <= 1_000_000 + 17 * 10_000);
        let start = with(|host| host.clock);
        sleep(Duration::from_millis(5)).await;
        // A look at the clock every eighth wait.
        assert!(with(|host| host.clock) <= start + 5_000_000 + 8 * 17 * 10_000);
        busy.cancel();
    });
}

#[test]
fn a_busy_device_starves_neither_timers_nor_tasks() {
    let session = Session::start();
    session.with(|host| (0..10_000).for_each(|_| host.arrive(NIC, 0)));
    block_on(async {
        let received = Rc::new(Cell::new(0));
        let (count, yields) = (received.clone(), Rc::new(Cell::new(0)));
        let driver = spawn(async move {
            loop {
                receive().await;
                count.set(count.get() + 1);
                with(|host| host.clock += 1_000);
                // A driver that took all there is without a pause would itself be unfair.
                yield_now().await;
            }
        });
        let yields_ = yields.clone();
        let other = spawn(async move {
            loop {
                yields_.set(yields_.get() + 1);
                yield_now().await;
            }
        });
        sleep(Duration::from_millis(1)).await;
        assert!(
            received.get() < 1200,
            "timer fired after {}",
            received.get()
        );
        assert!(
            yields.get() + 2 >= received.get(),
            "task had {} turns",
            yields.get()
        );
        driver.cancel();
        other.cancel();
    });
}

#[test]
fn a_device_wakes_all_that_wait_for_it_and_no_others() {
    let session = Session::start();
    session.with(|host| {
        host.arrive(DISK, 1_000);
        host.arrive(DISK, 1_000);
        host.arrive(NIC, 2_000);
    });
    block_on(async {
        let polls = Rc::new(Cell::new(0));
        let polls_ = polls.clone();
        let nic = spawn(async move {
            let mut receive = pin!(receive());
            poll_fn(|cx| {
                polls_.set(polls_.get() + 1);
                receive.as_mut().poll(cx)
            })
            .await;
        });
        let disks = [spawn(take(DISK)), spawn(take(DISK))];
        for disk in disks {
            disk.await;
        }
        assert_eq!(polls.get(), 1, "only its first");
        assert_eq!(with(|host| host.clock), 1_000);
        nic.await;
        assert_eq!(polls.get(), 2);
        assert_eq!(with(|host| host.clock), 2_000);
    });
}

/// A server that answers one packet after another makes one call to the platform for each, and
/// where timers are armed one more now and then.
#[test]
fn a_packet_costs_one_wait_and_hardly_a_clock() {
    const PACKETS: u64 = 800;
    for timer in [false, true] {
        let session = Session::start();
        session.with(|host| (1..=PACKETS).for_each(|i| host.arrive(NIC, i * 1_000)));
        block_on(async {
            let retry = timer.then(|| spawn(sleep(Duration::from_secs(3600))));
            for _ in 0..PACKETS {
                receive().await;
            }
            if let Some(retry) = retry {
                retry.cancel();
            }
        });
        let (waits, clocks) = session.with(|host| (host.calls.wait, host.calls.clock));
        assert_eq!(waits as u64, PACKETS);
        // One for `sleep` itself.
        let expected = if timer { 1 + PACKETS / 8 } else { 0 };
        assert_eq!(clocks as u64, expected, "timer: {timer}");
    }
}

#[test]
fn waking_does_not_allocate() {
    let _session = Session::start();
    block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                spawn(async {
                    loop {
                        yield_now().await;
                    }
                })
            })
            .collect();
        yield_now().await;
        let before = allocations();
        for _ in 0..50 {
            yield_now().await;
        }
        assert_eq!(allocations(), before);
        drop(tasks);
    });
}

#[test]
fn a_deadlock_is_told() {
    let _session = Session::start();
    let panic = catch_unwind(|| block_on(pending::<()>())).expect_err("returned");
    let message = panic.downcast_ref::<&str>().expect("message");
    assert!(message.starts_with("deadlock"), "{message}");
    block_on(async {});
}

#[test]
fn no_executor_inside_the_executor() {
    let _session = Session::start();
    block_on(async {
        assert!(catch_unwind(AssertUnwindSafe(|| block_on(async {}))).is_err());
        yield_now().await;
    });
}

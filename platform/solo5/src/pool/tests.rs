// SPDX-License-Identifier: ISC
//! What is lent is lent once, and leaves enough to answer with.

mod fixture;

use std::{collections::HashSet, vec::Vec};

use super::*;

pub(crate) use fixture::{pool, pool_of};

#[test]
fn a_pool_without_memory_lends_nothing() {
    assert!(Pool::new().take(false).is_none());
    assert!(Pool::new().take_to_receive(true).is_none());
}

#[test]
fn buffers_are_apart_and_come_back() {
    let pool = pool(1500);
    for _ in 0..2 {
        let mut frames: Vec<Frame> = core::iter::from_fn(|| pool.take(false)).collect();
        assert_eq!(frames.len(), BUFFERS);
        let starts: HashSet<usize> = frames.iter().map(|frame| frame.as_ptr().addr()).collect();
        assert_eq!(starts.len(), BUFFERS);
        for (n, frame) in frames.iter_mut().enumerate() {
            assert!(frame.capacity() > 1500 + 18 && frame.capacity() % LINE == 0);
            frame.fill(n as u8);
        }
        for (n, frame) in frames.iter().enumerate() {
            assert!(
                frame.iter().all(|&byte| byte == n as u8),
                "buffer {n} was overwritten"
            );
        }
    }
}

#[test]
fn receiving_leaves_buffers_to_answer_with() {
    let pool = pool(1500);
    let received: Vec<Frame> = core::iter::from_fn(|| pool.take_to_receive(false)).collect();
    assert_eq!(received.len(), BUFFERS - RESERVED);
    let answers: Vec<Frame> = core::iter::from_fn(|| pool.take(false)).collect();
    assert_eq!(answers.len(), RESERVED);
    drop(received);
    assert!(pool.take_to_receive(false).is_some());
}

#[test]
fn the_buffer_used_last_is_lent_first() {
    let pool = pool(9000);
    let first = pool.take(false).unwrap().as_ptr();
    assert_eq!(pool.take(false).unwrap().as_ptr(), first);
    assert!(pool.take(false).unwrap().capacity() > 9018);
}

#[test]
fn large_buffers_are_apart_from_small_ones() {
    let pool = pool_of(Sizes {
        mtu: 1500,
        large: 5,
    });
    let mut frames: Vec<Frame> = core::iter::from_fn(|| pool.take(true)).collect();
    assert_eq!(frames.len(), 5);
    frames.extend(core::iter::from_fn(|| pool.take(false)));
    assert_eq!(frames.len(), 5 + BUFFERS);
    for (n, frame) in frames.iter_mut().enumerate() {
        assert_eq!(frame.capacity() == LARGE_BUFFER, n < 5);
        frame.fill(n as u8);
    }
    for (n, frame) in frames.iter().enumerate() {
        assert!(
            frame.iter().all(|&byte| byte == n as u8),
            "buffer {n} was overwritten"
        );
    }
    assert!(!pool.can_receive(true) && !pool.can_receive(false));
    frames.clear();
    assert!(pool.can_receive(true) && pool.can_receive(false));
}

#[test]
fn what_is_small_leaves_its_large_buffer() {
    let pool = pool_of(Sizes {
        mtu: 1500,
        large: 4,
    });
    let received = |len: usize| {
        let mut frame = pool.take_to_receive(true).unwrap();
        frame.set_len(len);
        frame.fill(len as u8);
        let frame = pool.fit(frame);
        assert!(frame.len() == len && frame.iter().all(|&byte| byte == len as u8));
        frame.capacity() == LARGE_BUFFER
    };
    assert!(!received(60) && !received(1514) && received(10_000));
    // Where nobody gives back small ones, answers still can be sent.
    let kept: Vec<Frame> = core::iter::from_fn(|| pool.take_to_receive(false)).collect();
    assert!(received(60) && pool.take(false).is_some());
    drop(kept);
    assert!(!received(60));
}

#[test]
fn a_buffer_is_known_by_what_lies_in_it() {
    let pool = pool_of(Sizes {
        mtu: 1500,
        large: 5,
    });
    let mut frames: Vec<Frame> = core::iter::from_fn(|| pool.take(false)).collect();
    frames.extend(core::iter::from_fn(|| pool.take(true)));
    assert_eq!(frames.len(), BUFFERS + 5);
    for (number, mut frame) in frames.into_iter().enumerate() {
        let (start, capacity) = (frame.as_ptr(), frame.capacity());
        assert_eq!(pool.token(&frame), Some(number));
        frame.advance(capacity - 1);
        assert_eq!(pool.token(&frame), Some(number));
        core::mem::forget(frame);
        // SAFETY: the frame was forgotten.
        let again = unsafe { pool.frame(number) }.unwrap();
        assert_eq!((again.as_ptr(), again.len()), (start, capacity));
    }
    assert_eq!(pool.take(true).map(drop), Some(()), "given back");
    // SAFETY: there is no such buffer.
    assert!(unsafe { pool.frame(BUFFERS + 5) }.is_none());
    for (address, len) in [(start_of(pool) - 1, 1), (end_of(pool), 1)] {
        let release = Release {
            call: |_| (),
            token: 0,
        };
        let data = ptr::NonNull::new(ptr::without_provenance_mut(address)).unwrap();
        // SAFETY: nothing is read, and nothing is there to be given back.
        let stranger = unsafe { Frame::from_raw(data, len, len, Offload::default(), release) };
        assert_eq!(pool.token(&stranger), None);
    }
}

fn start_of(pool: &Pool) -> usize {
    pool.start.get().addr()
}

fn end_of(pool: &Pool) -> usize {
    start_of(pool) + BUFFERS * pool.size.get() as usize + pool.large.get() * LARGE_BUFFER
}

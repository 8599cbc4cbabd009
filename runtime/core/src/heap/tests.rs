// SPDX-License-Identifier: ISC
//! The heap: that it is one, and that its checks find what they are for.

use core::{
    alloc::{GlobalAlloc, Layout},
    slice,
};
use std::{boxed::Box, string::String, vec, vec::Vec};

use super::{Guards, Heap, Manual, State, Talc, statistics};
use crate::{console::Line, tests::Session};

/// A heap over memory of its own.
struct Arena {
    state: State,
    _memory: Box<[u64]>,
}

impl Arena {
    fn new(size: usize, checks: bool) -> Self {
        let mut memory = vec![0u64; size / 8].into_boxed_slice();
        let start = memory.as_mut_ptr() as usize;
        let mut state = State {
            talc: Talc::new(Manual),
            memory: 0..0,
            guards: Guards::off(),
        };
        // SAFETY: the memory lives as long as the state, and nothing else uses it.
        unsafe { state.start(start..start + size, checks) };
        Self {
            state,
            _memory: memory,
        }
    }

    fn alloc(&mut self, size: usize, align: usize) -> *mut u8 {
        // SAFETY: tests ask for no empty block.
        unsafe { self.state.allocate(layout(size, align)) }
    }

    fn free(&mut self, block: *mut u8, size: usize, align: usize) {
        // SAFETY: tests pass what `alloc` returned, or expect to be told.
        unsafe { self.state.free(block, layout(size, align)) }
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("layout")
}

/// Writes a byte where the program has no business.
fn poke(block: *mut u8, offset: isize) {
    // SAFETY: the tests stay inside of the arena's memory, as a bug in a program might not.
    unsafe { *block.wrapping_offset(offset) ^= 0x55 };
}

/// What is said when `damage` is done to a block of 24 bytes.
fn told(damage: impl FnOnce(&mut Arena, *mut u8)) -> String {
    let session = Session::start();
    let console = session.aborts(|| {
        let mut arena = Arena::new(1 << 16, true);
        let block = arena.alloc(24, 8);
        damage(&mut arena, block);
        // Whatever is wrong with a block shows when it leaves the queue, at the latest.
        for _ in 0..100 {
            let other = arena.alloc(8, 8);
            arena.free(other, 8, 8);
        }
    });
    assert!(
        console.starts_with("fatal: heap: block of 24 bytes at 0x"),
        "{console}"
    );
    console
}

#[test]
fn an_overflow_is_found() {
    for offset in [24, 25, 31] {
        let message = told(|arena, block| {
            poke(block, offset);
            arena.free(block, 24, 8);
        });
        assert!(
            message.contains("was overwritten after its end (seen when it was freed)"),
            "{message}"
        );
    }
}

#[test]
fn an_underflow_is_found() {
    for offset in [-1, -4, -8] {
        let message = told(|arena, block| {
            poke(block, offset);
            arena.free(block, 24, 8);
        });
        assert!(
            message.contains("was overwritten before its start"),
            "{message}"
        );
    }
}

#[test]
fn freeing_twice_is_found() {
    let message = told(|arena, block| {
        arena.free(block, 24, 8);
        arena.free(block, 24, 8);
    });
    assert!(message.contains("was freed before"), "{message}");
}

#[test]
fn freeing_with_another_size_is_found() {
    let session = Session::start();
    let console = session.aborts(|| {
        let mut arena = Arena::new(1 << 16, true);
        let block = arena.alloc(24, 8);
        arena.free(block, 32, 8);
    });
    assert!(console.contains("or has another size"), "{console}");
}

#[test]
fn writing_after_freeing_is_found() {
    for offset in [0, 23] {
        let message = told(|arena, block| {
            arena.free(block, 24, 8);
            poke(block, offset);
        });
        assert!(
            message.contains("was written to after it was freed"),
            "{message}"
        );
    }
    let message = told(|arena, block| {
        arena.free(block, 24, 8);
        poke(block, 24);
    });
    assert!(
        message.contains("after its end (seen when its memory was to be used again)"),
        "{message}"
    );
}

#[test]
fn freed_memory_is_poisoned() {
    let _session = Session::start();
    let mut arena = Arena::new(1 << 16, true);
    let block = arena.alloc(100, 8);
    arena.free(block, 100, 8);
    // SAFETY: the arena's memory is still there.
    let bytes = unsafe { slice::from_raw_parts(block, 100) };
    assert_eq!(bytes, [0xdf; 100]);
}

#[test]
fn growing_checks_and_keeps_the_guards() {
    let session = Session::start();
    let mut arena = Arena::new(1 << 16, true);
    let block = arena.alloc(24, 8);
    // SAFETY: the block is as allocated.
    assert!(unsafe { arena.state.resize(block, layout(24, 8), 500) });
    // SAFETY: the block is as resized.
    assert!(unsafe { arena.state.resize(block, layout(500, 8), 60) });
    arena.free(block, 60, 8);
    drop(session);
    let message = told(|arena, block| {
        poke(block, 24);
        // SAFETY: the damage is found before anything else happens.
        unsafe { arena.state.resize(block, layout(24, 8), 500) };
    });
    assert!(message.contains("seen when it was resized"), "{message}");
}

#[test]
fn a_heap_lays_itself_out_by_the_boot_arguments() {
    for (line, checked) in [("", true), ("--heap-checks=false", false)] {
        let session = Session::start();
        let pages = vec![[0u64; 512]; 256].leak();
        let start = (pages.as_ptr() as usize).next_multiple_of(4096);
        let end = start + (255 << 12);
        session.with(|host| {
            host.memory = Some(start..end);
            host.command_line = line;
        });
        let heap = Heap::new();
        // SAFETY: not empty.
        let block = unsafe { heap.alloc(layout(100, 8)) };
        assert!(
            (start..end - (128 << 10)).contains(&(block as usize)),
            "not in the stack"
        );
        // SAFETY: the block is as allocated.
        let block = unsafe { heap.realloc(block, layout(100, 8), 5000) };
        // SAFETY: the block is as reallocated.
        unsafe { heap.dealloc(block, layout(5000, 8)) };
        assert_eq!(heap.with(|state| state.guards.on), checked);
        assert!(statistics().size > 512 << 10);
        crate::stack::reset();
    }
}

/// Allocates, fills, checks and frees at random, with and without checks.
#[test]
fn blocks_do_not_overlap() {
    let _session = Session::start();
    for checks in [false, true] {
        let mut arena = Arena::new(1 << 20, checks);
        let used = statistics().used;
        let mut live: Vec<(*mut u8, usize, usize, u8)> = Vec::new();
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) % below) as usize
        };
        for round in 0..20_000u32 {
            if random(2) == 0 && live.len() < 200 {
                let (size, align) = (1 + random(3000), 1 << random(7));
                let block = arena.alloc(size, align);
                assert!(!block.is_null());
                assert_eq!(block as usize % align, 0);
                let fill = round as u8;
                // SAFETY: the block is ours.
                unsafe { block.write_bytes(fill, size) };
                live.push((block, size, align, fill));
            } else if !live.is_empty() {
                let (block, size, align, fill) = live.swap_remove(random(live.len() as u64));
                // SAFETY: the block is ours.
                let bytes = unsafe { slice::from_raw_parts(block, size) };
                assert!(bytes.iter().all(|byte| *byte == fill));
                arena.free(block, size, align);
            }
        }
        let in_blocks: usize = live.iter().map(|(_, size, ..)| size).sum();
        assert_eq!(statistics().used - used, in_blocks);
        assert!(statistics().peak >= statistics().used);
        assert_eq!(statistics().size, 1 << 20);
        for (block, size, align, _) in live {
            arena.free(block, size, align);
        }
        assert_eq!(statistics().used, used);
    }
}

#[test]
fn exhaustion_is_survived_and_explained() {
    let session = Session::start();
    let mut arena = Arena::new(1 << 16, true);
    assert!(arena.alloc(1 << 20, 8).is_null());
    super::explain_failure(&mut Line::new());
    let message = session.console();
    assert!(
        message.starts_with("out of memory: 1048576 bytes asked for, "),
        "{message}"
    );
    assert!(
        message.ends_with(" of 65536 in use; give more with `--mem`\n"),
        "{message}"
    );
    // All of it can be had, also what is held back.
    let blocks: Vec<_> = (0..30).map(|_| arena.alloc(1000, 8)).collect();
    blocks
        .into_iter()
        .for_each(|block| arena.free(block, 1000, 8));
    let large = arena.alloc(60_000, 8);
    assert!(!large.is_null());
    super::explain_failure(&mut Line::new());
    assert_eq!(session.console(), "", "the failure is over");
    arena.free(large, 60_000, 8);
}

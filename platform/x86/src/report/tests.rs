// SPDX-License-Identifier: ISC
//! Reports as a reader sees them, and stacks that lead nowhere.

use std::{cell::RefCell, string::String, vec::Vec};

use super::*;

std::thread_local! {
    static CONSOLE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn write(bytes: &[u8]) {
    CONSOLE.with_borrow_mut(|console| console.extend_from_slice(bytes));
}

fn written(report: impl FnOnce()) -> String {
    report();
    String::from_utf8(CONSOLE.take()).unwrap()
}

fn trap(vector: u64, error: u64, cr2: u64) -> TrapFrame {
    TrapFrame {
        vector,
        error,
        cr2,
        rip: 0x10_2030,
        ..TrapFrame::default()
    }
}

fn line(vector: u64, error: u64, cr2: u64) -> String {
    written(|| summary(&trap(vector, error, cr2), "exception", write))
}

#[test]
fn the_first_line_says_what_happened() {
    assert_eq!(line(0, 0, 7), "exception: #DE divide error, at 0x102030\n");
    assert_eq!(
        line(12, 0x18, 0),
        "exception: #SS stack segment fault, error code 0x18, at 0x102030\n"
    );
    assert_eq!(line(31, 0, 0), "exception: reserved, at 0x102030\n");
    assert_eq!(
        line(13, 0x40 << 3 | 2, 0),
        "exception: #GP general protection fault, there is no gate for interrupt 0x40, at 0x102030\n"
    );
    assert!(line(30, 0, 0).contains("#SX"));
    // Beyond what there is, as a broken stack might have it.
    assert_eq!(line(1 << 40, 0, 0), "exception: , at 0x102030\n");
}

#[test]
fn a_page_fault_says_what_was_tried() {
    let fault = |error| line(14, error, 0xfff8);
    assert_eq!(
        fault(0),
        "exception: #PF page fault, reading from 0xfff8, where there is no memory, at 0x102030\n"
    );
    assert!(fault(2).contains("writing to 0xfff8, where there is no memory"));
    assert!(fault(3).contains("writing to 0xfff8, which is not allowed there"));
    assert!(fault(0x11).contains("executing 0xfff8, which is not allowed there"));
    assert!(fault(9).contains("reading from 0xfff8, whose page table is malformed"));
}

#[test]
fn the_guard_below_the_stack_is_told() {
    let hint = |vector, cr2| {
        let trap = trap(vector, 2, cr2);
        !written(|| overflow(&trap, &(0x8000..0x10000), write)).is_empty()
    };
    assert!(hint(14, 0x7fff) && hint(14, 0x7000));
    assert!(!hint(14, 0x8000) && !hint(14, 0x6fff) && !hint(14, u64::MAX));
    assert!(!hint(13, 0x7fff), "not what a register of old says");
}

#[test]
fn every_register_is_there() {
    let mut frame = trap(14, 2, 0x1234);
    for (index, register) in frame.registers.iter_mut().enumerate() {
        *register = 0x100 + index as u64;
    }
    frame.rsp = 0x1f_fff8;
    frame.rflags = 0x1_0046;
    assert_eq!(
        written(|| registers(&frame, 0x3000, write)),
        "\
rip 0x0000000000102030  rsp 0x00000000001ffff8  flg 0x0000000000010046
cr2 0x0000000000001234  cr3 0x0000000000003000  err 0x0000000000000002
rax 0x0000000000000100  rbx 0x0000000000000101  rcx 0x0000000000000102
rdx 0x0000000000000103  rsi 0x0000000000000104  rdi 0x0000000000000105
rbp 0x0000000000000106  r8  0x0000000000000107  r9  0x0000000000000108
r10 0x0000000000000109  r11 0x000000000000010a  r12 0x000000000000010b
r13 0x000000000000010c  r14 0x000000000000010d  r15 0x000000000000010e
"
    );
}

/// The addresses printed for a stack of `words`, in which `Frame` stands for an address in it,
/// with the frame pointer at `first`.
fn walk(words: &[Word], first: usize) -> String {
    let mut memory = std::vec![0u64; words.len()];
    let base = memory.as_ptr().expose_provenance() as u64;
    for (place, word) in memory.iter_mut().zip(words) {
        *place = match word {
            Word::Frame(offset) => base + offset,
            Word::Is(value) => *value,
        };
    }
    let stack = base as usize..base as usize + memory.len() * 8;
    let mut frame = trap(14, 0, 0);
    frame.registers[6] = base.wrapping_add(first as u64);
    // SAFETY: the vector lives until after the call.
    written(|| unsafe { backtrace(&frame, &stack, write) })
}

enum Word {
    Frame(u64),
    Is(u64),
}
use Word::{Frame, Is};

#[test]
fn the_walk_begins_at_the_instruction_and_ends_at_the_first_frame() {
    let stack = [
        Frame(24),
        Is(0x11),
        Is(9),
        Frame(48),
        Is(0x22),
        Is(9),
        Is(0),
        Is(0x33),
    ];
    assert_eq!(walk(&stack, 0), "backtrace: 0x102031 0x11 0x22 0x33\n");
}

#[test]
fn a_call_that_led_astray_is_told_by_its_return_address() {
    let memory = [0x77u64, 0, 0];
    let base = memory.as_ptr().expose_provenance();
    let mut frame = TrapFrame {
        rip: 0x10,
        rsp: base as u64,
        ..trap(14, 0x10, 0x10)
    };
    let told = |frame: &TrapFrame| {
        // SAFETY: the array lives until after the call.
        written(|| unsafe { backtrace(frame, &(base..base + 24), write) })
    };
    assert_eq!(told(&frame), "backtrace: 0x11 0x77\n");
    for wild in [base + 4, base + 24, base - 8, 0, usize::MAX - 7] {
        frame.rsp = wild as u64;
        assert_eq!(told(&frame), "backtrace: 0x11\n");
    }
    frame.rsp = base as u64;
    frame.cr2 = 0x18;
    assert_eq!(told(&frame), "backtrace: 0x11\n", "what it read was wrong");
}

#[test]
fn the_walk_survives_what_is_no_stack() {
    let one = "backtrace: 0x102031 0x1\n";
    let none = "backtrace: 0x102031\n";
    assert_eq!(walk(&[Frame(0), Is(1)], 0), one, "itself");
    assert_eq!(walk(&[Frame(8), Is(1)], 0), one, "half outside");
    assert_eq!(walk(&[Frame(4), Is(1), Is(1), Is(1)], 0), one, "odd");
    assert_eq!(walk(&[Is(u64::MAX - 7), Is(1)], 0), one, "far");
    assert_eq!(walk(&[Frame(0), Is(0)], 0), none, "the end");
    assert_eq!(walk(&[Is(0), Is(1)], 16), none, "above");
    assert_eq!(walk(&[Is(0), Is(1)], usize::MAX - 7), none, "below");
    assert_eq!(walk(&[Is(0)], 0), none, "half a frame");
    assert_eq!(walk(&[], 0), none, "empty");
}

#[test]
fn the_walk_reads_nothing_but_the_stack() {
    let mut random = 3u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        random >> 33
    };
    for _ in 0..2000 {
        let words: Vec<Word> = (0..next() % 40)
            .map(|_| match next() % 3 {
                0 => Frame(next() % 400),
                1 => Frame((next() % 50) * 8),
                _ => Is(next() << (next() % 33)),
            })
            .collect();
        let text = walk(&words, (next() % 400) as usize);
        assert!(text.ends_with('\n') && text.split(' ').count() <= DEPTH + 2);
    }
}

#[test]
fn a_deep_stack_is_cut() {
    let words: Vec<Word> = (0..200)
        .map(|index| {
            if index % 2 == 0 {
                Frame(index * 8 + 16)
            } else {
                Is(0x777)
            }
        })
        .collect();
    assert_eq!(walk(&words, 0).matches("0x777").count(), DEPTH);
}

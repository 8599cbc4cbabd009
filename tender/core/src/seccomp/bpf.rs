// SPDX-License-Identifier: ISC
//! From rules to the instructions of a seccomp filter.
//!
//! The code has one block a system call, tried in turn; within a block one sequence a rule, which
//! ends in `ALLOW` or goes on to the next when a condition fails; and `KILL` at the end of each.
//! Classic BPF has one 32-bit accumulator, and jumps go forward by at most 255 (`JA`: any distance).
//!
//! Read first: Linux `Documentation/networking/filter.rst` (classic BPF), `struct seccomp_data`.

use super::{Condition, Rule};

/// One instruction: code, instructions to skip if a condition holds and if not, operand.
pub use libc::sock_filter as Instruction;

/// Most instructions of a filter (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = libc::BPF_MAXINSNS as usize;

// Operations, `BPF_...` in Linux's `bpf_common.h`: A is the accumulator, X the index register, K the
// operand, M scratch memory, P the `struct seccomp_data`.

/// `A = P[K]`
pub const LOAD: u16 = 0x20;
/// `X = M[K]`
pub const LOAD_INDEX_SCRATCH: u16 = 0x61;
/// `M[K] = A`
pub const STORE_SCRATCH: u16 = 0x02;
/// Skip K instructions.
pub const JUMP: u16 = 0x05;
/// A == K
pub const IF_EQUAL: u16 = 0x15;
/// A > K
pub const IF_GREATER: u16 = 0x25;
/// A >= K
pub const IF_AT_LEAST: u16 = 0x35;
/// A & K != 0
pub const IF_BITS: u16 = 0x45;
/// A |= X
pub const OR_INDEX: u16 = 0x4c;
/// A += X
pub const ADD_INDEX: u16 = 0x0c;
/// A <<= K
pub const SHIFT_LEFT: u16 = 0x64;
/// A >>= K
pub const SHIFT_RIGHT: u16 = 0x74;
/// X = A
pub const ACCUMULATOR_TO_INDEX: u16 = 0x07;
/// The verdict is K.
pub const RETURN: u16 = 0x06;

/// A verdict: the call is made.
pub const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
/// A verdict: the call is not made, and all threads end.
pub const KILL_PROCESS: u32 = libc::SECCOMP_RET_KILL_PROCESS;

const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

/// Makes the filter that allows what `rules` allow, and kills the process for anything else: also
/// for calls of other architectures; x32 calls have numbers of their own, which no rule names. Calls
/// are tried in the order in which the rules first name them: the most frequent come first.
///
/// # Panics
///
/// If the filter has more than [`MAX_INSTRUCTIONS`]: three rules for each of as many devices as
/// a manifest has are fewer.
pub fn compile(rules: &[Rule]) -> Vec<Instruction> {
    let mut filter = vec![
        plain(LOAD, ARCHITECTURE),
        branch(IF_EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        plain(RETURN, KILL_PROCESS),
        plain(LOAD, NUMBER),
    ];
    for (at, &Rule { call, .. }) in rules.iter().enumerate() {
        if rules[..at].iter().any(|earlier| earlier.call == call) {
            continue;
        }
        let same = rules[at..].iter().filter(|rule| rule.call == call);
        let mut body: Vec<_> = same.flat_map(sequence).collect();
        body.push(plain(RETURN, KILL_PROCESS));
        match u8::try_from(body.len()) {
            Ok(skip) => filter.push(branch(IF_EQUAL, call as u32, 0, skip)),
            Err(_) => {
                filter.push(branch(IF_EQUAL, call as u32, 1, 0));
                filter.push(plain(JUMP, body.len() as u32));
            }
        }
        filter.extend(body);
    }
    filter.push(plain(RETURN, KILL_PROCESS));
    assert!(
        filter.len() <= MAX_INSTRUCTIONS,
        "a filter that the kernel would refuse"
    );
    filter
}

/// Stands for the end of the sequence until that is known. No jump of a condition is as long.
const FAIL: u8 = u8::MAX;

/// The code of one rule: `ALLOW`, or on to what follows.
fn sequence(rule: &Rule) -> Vec<Instruction> {
    let mut code = Vec::new();
    for condition in &rule.conditions {
        match *condition {
            Condition::Equal(argument, value) => code.extend(equal(argument, value)),
            Condition::AtMost(argument, value) => code.extend(at_most(argument, value)),
            Condition::Within(start, end) => code.extend(within(start, end)),
        }
    }
    code.push(plain(RETURN, ALLOW));
    let len = code.len();
    for (at, instruction) in code.iter_mut().enumerate() {
        let to_end = u8::try_from(len - at - 1).expect("a rule has a few conditions");
        for jump in [&mut instruction.jt, &mut instruction.jf] {
            if *jump == FAIL {
                *jump = to_end;
            }
        }
    }
    code
}

fn equal(argument: u32, value: u64) -> [Instruction; 4] {
    [
        plain(LOAD, low(argument)),
        branch(IF_EQUAL, value as u32, 0, FAIL),
        plain(LOAD, high(argument)),
        branch(IF_EQUAL, (value >> 32) as u32, 0, FAIL),
    ]
}

fn at_most(argument: u32, value: u64) -> Vec<Instruction> {
    let upper = (value >> 32) as u32;
    let mut code = vec![plain(LOAD, high(argument))];
    if upper == 0 {
        code.push(branch(IF_EQUAL, 0, 0, FAIL));
    } else {
        code.push(branch(IF_GREATER, upper, FAIL, 0));
        // Less in the upper half: the lower does not matter.
        code.push(branch(IF_EQUAL, upper, 0, 2));
    }
    code.push(plain(LOAD, low(argument)));
    code.push(branch(IF_GREATER, value as u32, FAIL, 0));
    code
}

/// `start <= argument 0`, and `argument 0 + argument 1 <= end`, without overflow: in pages, of which
/// no number up to `end` has more than 31 bits.
fn within(start: u64, end: u64) -> Vec<Instruction> {
    let page = |address: u64| i32::try_from(address >> 12).expect("guest memory below 8 TB") as u32;
    let at_end = branch(IF_GREATER, page(end), FAIL, 0);
    let mut code = page_number(0).to_vec();
    code.extend([branch(IF_AT_LEAST, page(start), 0, FAIL), at_end]);
    code.push(plain(STORE_SCRATCH, 0));
    code.extend(page_number(1));
    code.extend([at_end, plain(LOAD_INDEX_SCRATCH, 0), plain(ADD_INDEX, 0)]);
    code.push(at_end);
    code
}

/// Leaves in the accumulator the number of the page that `argument` is the start of; fails if it is
/// the start of none.
fn page_number(argument: u32) -> [Instruction; 8] {
    [
        plain(LOAD, high(argument)),
        branch(IF_GREATER, 0xfff, FAIL, 0),
        plain(SHIFT_LEFT, 20),
        plain(ACCUMULATOR_TO_INDEX, 0),
        plain(LOAD, low(argument)),
        branch(IF_BITS, 0xfff, FAIL, 0),
        plain(SHIFT_RIGHT, 12),
        plain(OR_INDEX, 0),
    ]
}

fn low(argument: u32) -> u32 {
    ARGUMENTS + 8 * argument
}

fn high(argument: u32) -> u32 {
    low(argument) + 4
}

fn plain(code: u16, operand: u32) -> Instruction {
    branch(code, operand, 0, 0)
}

fn branch(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

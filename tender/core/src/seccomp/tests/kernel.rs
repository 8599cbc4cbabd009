// SPDX-License-Identifier: ISC
//! What the kernel would say: filters run on calls, by an interpreter of the few operations that they
//! use, and rules tried one by one. The tests of each tender's rules include this file too.

use super::seccomp::{
    Condition::{self, AtMost, Equal, Within},
    Rule,
    bpf::{
        ACCUMULATOR_TO_INDEX, ADD_INDEX, ALLOW, IF_AT_LEAST, IF_BITS, IF_EQUAL, IF_GREATER,
        Instruction, JUMP, KILL_PROCESS, LOAD, LOAD_INDEX_SCRATCH, OR_INDEX, RETURN, SHIFT_LEFT,
        SHIFT_RIGHT, STORE_SCRATCH,
    },
    compile,
};

const X86_64: u32 = 0xc000_003e;

/// A system call as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) architecture: u32,
    pub(crate) number: u32,
    pub(crate) arguments: [u64; 6],
}

/// A call with these arguments, and odd ones where none are given.
pub(crate) fn call(number: libc::c_long, arguments: &[u64]) -> Call {
    let mut all = [0x5a5a_5a5a_5a5a_5a5a; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    Call {
        architecture: X86_64,
        number: number as u32,
        arguments: all,
    }
}

/// Runs `filter`, and checks that it is one the kernel takes: jumps forward, within itself.
pub(crate) fn allows(filter: &[Instruction], call: Call) -> bool {
    let (mut a, mut x, mut scratch, mut at) = (0u32, 0u32, [0u32; 16], 0usize);
    loop {
        let Instruction { code, jt, jf, k } = filter[at];
        at += 1;
        let condition = match code {
            IF_EQUAL => Some(a == k),
            IF_GREATER => Some(a > k),
            IF_AT_LEAST => Some(a >= k),
            IF_BITS => Some(a & k != 0),
            _ => None,
        };
        if let Some(condition) = condition {
            at += usize::from(if condition { jt } else { jf });
            continue;
        }
        match code {
            LOAD => a = load(call, k),
            LOAD_INDEX_SCRATCH => x = scratch[k as usize],
            STORE_SCRATCH => scratch[k as usize] = a,
            JUMP => at += k as usize,
            OR_INDEX => a |= x,
            ADD_INDEX => a = a.wrapping_add(x),
            SHIFT_LEFT => a <<= k,
            SHIFT_RIGHT => a >>= k,
            ACCUMULATOR_TO_INDEX => x = a,
            RETURN => {
                assert!(k == ALLOW || k == KILL_PROCESS);
                return k == ALLOW;
            }
            _ => panic!("operation {code:#x}"),
        }
    }
}

/// A word of `struct seccomp_data`.
fn load(call: Call, offset: u32) -> u32 {
    match offset {
        0 => call.number,
        4 => call.architecture,
        16..64 if offset.is_multiple_of(4) => {
            let argument = call.arguments[(offset as usize - 16) / 8];
            (argument >> (offset % 8 * 8)) as u32
        }
        _ => panic!("offset {offset}"),
    }
}

/// A call with arguments that satisfy `rule` as narrowly as it allows.
fn satisfying(rule: &Rule) -> Call {
    let mut call = call(rule.call, &[]);
    for condition in &rule.conditions {
        match *condition {
            Equal(argument, value) | AtMost(argument, value) => {
                call.arguments[argument as usize] = value;
            }
            Within(start, end) => {
                call.arguments[0] = start;
                call.arguments[1] = end - start;
            }
        }
    }
    call
}

/// Calls that break this condition of a call that satisfies it, by as little as possible and by the
/// upper half alone.
fn breaking(condition: Condition, good: Call) -> Vec<Call> {
    let with = |argument: u32, value: u64| {
        let mut bad = good;
        bad.arguments[argument as usize] = value;
        bad
    };
    match condition {
        Equal(argument, value) => [value ^ 1, value ^ 1 << 32, value ^ 1 << 63, !value]
            .map(|value| with(argument, value))
            .to_vec(),
        AtMost(argument, value) => [value + 1, value + (1 << 32), 1 << 63, u64::MAX]
            .map(|value| with(argument, value))
            .to_vec(),
        Within(start, end) => {
            let mut bad = vec![
                with(0, start - 4096),
                with(0, start + 4096),
                with(0, start + 1),
                with(0, end + 4096),
                with(0, start + (1 << 44)),
                with(0, start + (1 << 63)),
                with(1, end - start + 4096),
                with(1, end - start + 1),
                with(1, 1 << 44),
                with(1, u64::MAX),
            ];
            // Address and length whose sum overflows into the range.
            bad.push(with(1, (start + 8192).wrapping_sub(start + 12288)));
            bad
        }
    }
}

/// Each rule allows what it says and nothing beside it, and is needed; but those of the calls
/// `overlapping` may allow in part what another does.
pub(crate) fn check_each(all: &[Rule], overlapping: &[libc::c_long]) {
    let filter = compile(all);
    for (index, rule) in all.iter().enumerate() {
        let good = satisfying(rule);
        assert!(allows(&filter, good), "{rule:?}");
        assert!(!rule.why.is_empty());
        // Without this rule, and those that overlap it, the call is denied: the rule is needed.
        let mut others = all.to_vec();
        others.remove(index);
        let overlap = overlapping.contains(&rule.call);
        assert!(overlap || !allows(&compile(&others), good), "{rule:?}");
        // With it alone, breaking any one of its conditions is denied.
        let alone = compile(std::slice::from_ref(rule));
        assert!(allows(&alone, good));
        for &condition in &rule.conditions {
            for bad in breaking(condition, good) {
                assert!(!allows(&alone, bad), "{rule:?}: {bad:x?}");
            }
        }
    }
}

/// No call is allowed that no rule names, whichever of `values` its arguments are, and none of
/// another architecture.
pub(crate) fn check_others(all: &[Rule], values: &[u64]) {
    let filter = compile(all);
    for number in (0..1024).filter(|number| all.iter().all(|rule| rule.call != *number)) {
        for &argument in values {
            assert!(!allows(&filter, call(number, &[argument; 6])), "{number}");
        }
    }
    for rule in all {
        let good = satisfying(rule);
        let x32 = Call {
            number: good.number | 0x4000_0000,
            ..good
        };
        let i386 = Call {
            architecture: 0x4000_0003,
            ..good
        };
        assert!(!allows(&filter, x32) && !allows(&filter, i386), "{rule:?}");
    }
}

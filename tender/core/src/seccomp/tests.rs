// SPDX-License-Identifier: ISC
//! Tests of the compiler on rules that no tender has together, and of the kernel's view of a filter.
//! Each tender tests its own rules.

use super::{Condition::*, *};
use crate::seccomp;

mod kernel;

use kernel::{allows, call};

const RULES: [(libc::c_long, &[Condition]); 6] = [
    (libc::SYS_read, &[Condition::descriptor(3)]),
    (
        libc::SYS_pread64,
        &[Equal(0, 4), AtMost(2, 512), AtMost(3, 5 << 32 | 7)],
    ),
    (libc::SYS_read, &[Condition::descriptor(5), AtMost(2, 9)]),
    (libc::SYS_pread64, &[Equal(0, 6), Equal(2, 1 << 40)]),
    (
        libc::SYS_mprotect,
        &[Within(0x1_0000, 20 << 30), Equal(2, 0)],
    ),
    (libc::SYS_exit_group, &[]),
];

fn rules() -> Vec<Rule> {
    let rule =
        |&(call, conditions): &(libc::c_long, &[Condition])| Rule::new(call, conditions, "a test");
    RULES.iter().map(rule).collect()
}

#[test]
fn conditions_mean_what_they_say() {
    kernel::check_each(&rules(), &[]);
    kernel::check_others(&rules(), &[0, 3, 4, 5, 6]);
}

#[test]
fn no_rules_allow_nothing() {
    kernel::check_others(&[], &[0, 1]);
}

#[test]
fn calls_are_tried_in_the_order_of_the_rules() {
    let filter = compile(&rules());
    let is_number = |call: libc::c_long| {
        let at = filter
            .iter()
            .position(|i| i.code == bpf::IF_EQUAL && i.k == call as u32);
        at.expect("a comparison")
    };
    let order = [
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_mprotect,
        libc::SYS_exit_group,
    ];
    assert!(order.map(is_number).is_sorted());
}

#[test]
fn a_call_with_many_rules_is_passed_over() {
    // Their code is longer than a conditional jump reaches.
    let mut many: Vec<_> = (0..200)
        .map(|fd| Rule::new(libc::SYS_read, &[Condition::descriptor(fd)], "a test"))
        .collect();
    many.push(Rule::new(libc::SYS_exit_group, &[], "a test"));
    let filter = compile(&many);
    assert!(allows(&filter, call(libc::SYS_exit_group, &[])));
    assert!(allows(&filter, call(libc::SYS_read, &[199])));
    assert!(!allows(&filter, call(libc::SYS_read, &[200])));
}

// SPDX-License-Identifier: ISC
//! Tests of the policy, whose filters are run as the kernel would; `tests/filter.rs` has the kernel's
//! word on the most important calls.

use std::collections::BTreeSet;

use fata_tender::seccomp::bpf::MAX_INSTRUCTIONS;

use super::*;

#[path = "../../../core/src/seccomp/tests/kernel.rs"]
mod kernel;

use kernel::{allows, call};

const CPU: Thread<'static> = Thread::Cpu {
    descriptors: &[3],
    requests: &[0xae80, 0x8090_ae81],
};
const NET_RING: Thread<'static> = Thread::Net { epoll: 4 };
const BLOCK_RING: Thread<'static> = Thread::Block { epoll: 5 };
const NET: i32 = 6;
const DISK: i32 = 7;
const CAPACITY: u64 = 6 << 30;

fn net(fd: i32) -> Attachment {
    let mac = [2, 0, 0, 0, 0, 1];
    let properties = Properties::Net { mac, mtu: 1500 };
    Attachment { fd, properties }
}

fn disk(fd: i32) -> Attachment {
    let properties = Properties::Block {
        capacity: CAPACITY,
        block_size: 512,
    };
    Attachment { fd, properties }
}

fn numbers(rules: &[Rule]) -> BTreeSet<libc::c_long> {
    rules.iter().map(|rule| rule.call).collect()
}

#[test]
fn each_rule_allows_what_it_says_and_nothing_beside_it() {
    let devices = [net(NET), disk(DISK)];
    for thread in [CPU, NET_RING, BLOCK_RING] {
        let rules = rules(thread, &devices);
        kernel::check_each(&rules, &[]);
        kernel::check_others(&rules, &[0, 1, 2, 3, 4, 5, NET as u64, DISK as u64]);
    }
}

#[test]
fn fewer_calls_than_solo5_allows_without_looking_at_arguments() {
    let devices = [net(NET), disk(DISK)];
    let mut all = BTreeSet::new();
    for (name, thread) in [("cpu", CPU), ("net", NET_RING), ("block", BLOCK_RING)] {
        let rules = rules(thread, &devices);
        let numbers = numbers(&rules);
        println!("{name}: {} calls", numbers.len());
        for Rule {
            call,
            conditions,
            why,
        } in &rules
        {
            println!("  {call:3} {conditions:x?}: {why}");
        }
        all.extend(numbers);
    }
    println!("all threads: {} calls: {all:?}", all.len());
    // Two of them are one, by its older and its newer number.
    assert!(all.contains(&libc::SYS_epoll_pwait) && all.contains(&libc::SYS_epoll_pwait2));
    assert_eq!(all.len(), 13);
    // Solo5's list has 18, for each of its threads.
    assert!(all.len() < 18);
}

#[test]
fn a_thread_gets_the_calls_of_its_work_only() {
    let devices = [net(NET), disk(DISK)];
    let filter = |thread, devices: &[Attachment]| seccomp::compile(&rules(thread, devices));
    let [cpu, nets, blocks] = [CPU, NET_RING, BLOCK_RING].map(|thread| filter(thread, &devices));
    let read = |fd: i32| call(libc::SYS_read, &[fd as u64, 0, 64]);
    let write = |fd: i32| call(libc::SYS_write, &[fd as u64, 0, 64]);
    let pread = |fd: i32| call(libc::SYS_pread64, &[fd as u64, 0, 512, 0]);
    let pwrite = |fd: i32| call(libc::SYS_pwrite64, &[fd as u64, 0, 512, 0]);
    let sync = |fd: i32| call(libc::SYS_fdatasync, &[fd as u64]);
    let bare = filter(CPU, &[]);
    for fd in 0..16 {
        for filter in [&cpu, &nets] {
            assert_eq!(allows(filter, read(fd)), fd == NET);
        }
        for filter in [&cpu, &blocks] {
            assert_eq!(allows(filter, pread(fd)), fd == DISK);
            assert_eq!(allows(filter, pwrite(fd)), fd == DISK);
        }
        assert_eq!(allows(&cpu, write(fd)), [STDOUT, STDERR, NET].contains(&fd));
        assert_eq!(allows(&nets, write(fd)), [STDERR, NET].contains(&fd));
        assert_eq!(allows(&blocks, write(fd)), fd == STDERR);
        assert_eq!(allows(&blocks, sync(fd)), fd == DISK);
        assert!(!allows(&cpu, sync(fd)) && !allows(&nets, sync(fd)));
        assert!(!allows(&nets, pread(fd)) && !allows(&nets, pwrite(fd)));
        assert!(!allows(&blocks, read(fd)) && !allows(&bare, read(fd)));
        assert!(!allows(&bare, pread(fd)) && !allows(&bare, pwrite(fd)));
        assert_eq!(allows(&bare, write(fd)), [STDOUT, STDERR].contains(&fd));
    }
    let run = call(libc::SYS_ioctl, &[3, 0xae80, 0]);
    assert!(allows(&cpu, run) && !allows(&nets, run) && !allows(&blocks, run));
    // Another request, another descriptor.
    assert!(!allows(&cpu, call(libc::SYS_ioctl, &[3, 0xae01, 0])));
    assert!(!allows(
        &cpu,
        call(libc::SYS_ioctl, &[NET as u64, 0xae80, 0])
    ));
}

#[test]
fn blocks_are_those_of_the_device() {
    let filter = seccomp::compile(&rules(BLOCK_RING, &[disk(DISK)]));
    let request = |len, offset| call(libc::SYS_pwrite64, &[DISK as u64, 0, len, offset]);
    for (len, offset, allowed) in [
        (512, 0, true),
        (128 << 10, CAPACITY - 512, true),
        (CAPACITY, 0, true),
        (CAPACITY + 1, 0, false),
        // What is left of a block of which a part was written.
        (1, CAPACITY - 1, true),
        (512, CAPACITY, false),
        (512, u64::MAX - 511, false),
    ] {
        assert_eq!(allows(&filter, request(len, offset)), allowed);
    }
}

#[test]
fn the_largest_filter_is_one_that_the_kernel_takes() {
    let disks: Vec<_> = (0..63).map(|index| disk(8 + index)).collect();
    for thread in [CPU, BLOCK_RING] {
        let filter = seccomp::compile(&rules(thread, &disks));
        assert!(filter.len() <= MAX_INSTRUCTIONS, "{}", filter.len());
        assert!(allows(&filter, call(libc::SYS_pread64, &[70, 0, 512, 0])));
        assert!(!allows(&filter, call(libc::SYS_pread64, &[71, 0, 512, 0])));
    }
}

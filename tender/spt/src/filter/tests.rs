// SPDX-License-Identifier: ISC
//! Tests of the policy, whose filter is run as the kernel would; `tests/sandbox.rs` has the kernel's
//! word on the most important calls.

use fata_tender::seccomp::bpf::{IF_EQUAL, MAX_INSTRUCTIONS};

use super::*;

#[path = "../../../core/src/seccomp/tests/kernel.rs"]
mod kernel;

use kernel::{allows, call};

const MEMORY: u64 = 64 << 20;
const EPOLL: i32 = 3;
const TIMER: i32 = 4;
const NET: i32 = 5;
const DISK: i32 = 6;
const CAPACITY: u64 = 6 << 30;

fn attachment(fd: i32, properties: Properties) -> Attachment {
    Attachment { fd, properties }
}

fn net(fd: i32) -> Attachment {
    let mac = [2, 0, 0, 0, 0, 1];
    attachment(fd, Properties::Net { mac, mtu: 1500 })
}

fn disk(fd: i32, capacity: u64) -> Attachment {
    let block_size = 512;
    attachment(
        fd,
        Properties::Block {
            capacity,
            block_size,
        },
    )
}

fn input(devices: &[Attachment], offered: bool) -> Input {
    Input {
        epoll: EPOLL,
        timer: TIMER,
        devices: devices.to_vec(),
        offered,
        gather: offered,
        memory_end: MEMORY,
    }
}

#[test]
fn each_rule_allows_what_it_says_and_nothing_beside_it() {
    let input = input(&[net(NET), disk(DISK, CAPACITY)], true);
    kernel::check_each(&rules(&input), &[libc::SYS_pread64, libc::SYS_pwrite64]);
}

#[test]
fn no_other_call_is_allowed() {
    let with_devices = input(&[net(NET), disk(DISK, CAPACITY)], true);
    for input in [input(&[], false), with_devices] {
        let values = [0, 1, EPOLL as u64, NET as u64, DISK as u64];
        kernel::check_others(&rules(&input), &values);
    }
}

#[test]
fn a_guest_gets_the_calls_of_its_devices_only() {
    let read = |fd: i32| call(libc::SYS_read, &[fd as u64, 0, 64]);
    let write = |fd: i32| call(libc::SYS_write, &[fd as u64, 0, 64]);
    let gather = |fd: i32| call(libc::SYS_writev, &[fd as u64, 0, 4]);
    let block = |number, fd: i32| call(number, &[fd as u64, 0, 512, 0]);
    let none = compile(&input(&[], true));
    let net_only = compile(&input(&[net(NET)], true));
    let disk_only = compile(&input(&[disk(DISK, CAPACITY)], true));
    assert!(allows(&none, write(1)) && allows(&net_only, write(1)) && allows(&disk_only, write(1)));
    for fd in [0, 1, 2, EPOLL, TIMER, NET, DISK, 7] {
        for filter in [&none, &disk_only] {
            assert!(!allows(filter, read(fd)) && (fd == 1 || !allows(filter, write(fd))));
        }
        assert_eq!(allows(&net_only, read(fd)), fd == NET);
        assert_eq!(allows(&net_only, gather(fd)), fd == NET);
        assert!(!allows(&none, gather(fd)) && !allows(&disk_only, gather(fd)));
        for number in [libc::SYS_pread64, libc::SYS_pwrite64] {
            assert!(!allows(&none, block(number, fd)) && !allows(&net_only, block(number, fd)));
            assert_eq!(allows(&disk_only, block(number, fd)), fd == DISK);
        }
    }
}

#[test]
fn block_requests_stay_within_the_device() {
    let most = u64::from(MAX_TRANSFER);
    let stock = compile(&input(&[disk(DISK, CAPACITY)], false));
    let offered = compile(&input(&[disk(DISK, CAPACITY)], true));
    let small = compile(&input(&[disk(DISK, most - 512)], true));
    let request = |len, offset| call(libc::SYS_pwrite64, &[DISK as u64, 0, len, offset]);
    for (len, offset, in_stock, in_offered) in [
        (512, 0, true, true),
        (512, CAPACITY - 512, true, true),
        (512, CAPACITY - 511, false, false),
        (512, CAPACITY, false, false),
        (512, u64::MAX - 511, false, false),
        (0, 0, false, true),
        (1024, 0, false, true),
        (most, CAPACITY - most, false, true),
        (most, CAPACITY - most + 1, false, false),
        (most + 1, 0, false, false),
        (1024, CAPACITY - 1024, false, false),
        (512 + (1 << 32), 0, false, false),
    ] {
        assert_eq!(
            allows(&stock, request(len, offset)),
            in_stock,
            "{len} {offset}"
        );
        assert_eq!(
            allows(&offered, request(len, offset)),
            in_offered,
            "{len} {offset}"
        );
    }
    assert!(allows(&small, request(512, most - 1024)) && !allows(&small, request(1024, 0)));
    let sync = call(libc::SYS_fdatasync, &[DISK as u64]);
    assert!(allows(&offered, sync) && !allows(&stock, sync));
}

#[test]
fn what_was_not_offered_is_denied() {
    let guard = call(libc::SYS_mprotect, &[0x20_0000, 4096, 0]);
    assert!(!allows(&compile(&input(&[], false)), guard));
    let filter = compile(&input(&[], true));
    assert!(allows(&filter, guard));
    assert!(allows(
        &filter,
        call(libc::SYS_mprotect, &[MEMORY - 4096, 4096, 0])
    ));
    for arguments in [
        [0x20_0000, 4096, 1],
        [0x20_0000, 4096, 4],
        [0x20_0000, 4096, 1 << 32],
        [0, 4096, 0],
        [MEMORY, 4096, 0],
        [MEMORY - 4096, 8192, 0],
        [0x7fff_f7dd_0000, 4096, 0],
    ] {
        assert!(
            !allows(&filter, call(libc::SYS_mprotect, &arguments)),
            "{arguments:x?}"
        );
    }
}

#[test]
fn frames_in_parts_have_few_of_them_and_an_image_that_knows() {
    let parts = |count| call(libc::SYS_writev, &[NET as u64, 0x20_0000, count]);
    let mut input = input(&[net(NET), net(NET + 2)], true);
    let filter = compile(&input);
    for count in [0, 1, 4] {
        assert!(allows(&filter, parts(count)));
    }
    for count in [5, 1024, 1 << 32, u64::MAX] {
        assert!(!allows(&filter, parts(count)), "{count}");
    }
    assert!(allows(
        &filter,
        call(libc::SYS_writev, &[NET as u64 + 2, 0, 4])
    ));
    input.gather = false;
    assert!(!allows(&compile(&input), parts(4)));
}

#[test]
fn guest_memory_beyond_four_gigabytes() {
    let mut input = input(&[], true);
    input.memory_end = 40 << 30;
    let filter = compile(&input);
    let guard = |address: u64, len: u64| call(libc::SYS_mprotect, &[address, len, 0]);
    assert!(allows(&filter, guard((40 << 30) - 4096, 4096)));
    assert!(allows(&filter, guard(1 << 32, 36 << 30)));
    assert!(!allows(&filter, guard(40 << 30, 4096)));
    assert!(!allows(&filter, guard(1 << 32, (36 << 30) + 4096)));
}

#[test]
fn the_largest_filter_is_one_that_the_kernel_takes() {
    let disks: Vec<_> = (0..63).map(|index| disk(5 + index, CAPACITY)).collect();
    let filter = compile(&input(&disks, true));
    assert!(filter.len() <= MAX_INSTRUCTIONS, "{}", filter.len());
    // The last device is reached as well as the first.
    for fd in [5, 67] {
        assert!(allows(&filter, call(libc::SYS_pread64, &[fd, 0, 512, 0])));
        assert!(allows(&filter, call(libc::SYS_pwrite64, &[fd, 0, 4096, 0])));
        assert!(allows(&filter, call(libc::SYS_fdatasync, &[fd])));
    }
    assert!(!allows(&filter, call(libc::SYS_pread64, &[68, 0, 512, 0])));
}

#[test]
fn frames_pass_few_instructions() {
    // A frame costs two calls; their path through the filter is bounded, so that it stays short.
    let filter = compile(&input(&[net(NET)], true));
    let read = filter
        .iter()
        .position(|i| i.code == IF_EQUAL && i.k == libc::SYS_read as u32);
    let write = filter
        .iter()
        .position(|i| i.code == IF_EQUAL && i.k == libc::SYS_write as u32);
    assert_eq!((read, write), (Some(4), Some(11)));
}

// SPDX-License-Identifier: ISC
//! Tests of the policy. The filter is run on calls as the kernel would, by an interpreter of the few
//! operations that it uses; `tests/sandbox.rs` has the kernel's word on the most important ones.

use super::{
    bpf::{
        ACCUMULATOR_TO_INDEX, ALLOW, IF_AT_LEAST, IF_BITS, IF_EQUAL, IF_GREATER, IF_GREATER_INDEX,
        JUMP, KILL_PROCESS, LOAD, LOAD_CONSTANT, LOAD_INDEX_SCRATCH, MAX_INSTRUCTIONS, OR_INDEX,
        RETURN, SHIFT_LEFT, SHIFT_RIGHT, STORE_SCRATCH, SUBTRACT_INDEX,
    },
    *,
};

const MEMORY: u64 = 64 << 20;
const EPOLL: i32 = 3;
const TIMER: i32 = 4;
const NET: i32 = 5;
const DISK: i32 = 6;
const CAPACITY: u64 = 6 << 30;
const X86_64: u32 = 0xc000_003e;

/// A system call as a filter sees it.
#[derive(Clone, Copy, Debug)]
struct Call {
    architecture: u32,
    number: u32,
    arguments: [u64; 6],
}

fn call(number: u32, arguments: &[u64]) -> Call {
    let mut all = [0x5a5a_5a5a_5a5a_5a5a; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    Call {
        architecture: X86_64,
        number,
        arguments: all,
    }
}

/// Runs `filter`, and checks that it is one the kernel takes: jumps forward, within itself.
fn allows(filter: &[Instruction], call: Call) -> bool {
    let (mut a, mut x, mut scratch, mut at) = (0u32, 0u32, [0u32; 16], 0usize);
    loop {
        let Instruction {
            code,
            jump_true,
            jump_false,
            operand: k,
        } = filter[at];
        at += 1;
        let condition = match code {
            IF_EQUAL => Some(a == k),
            IF_GREATER => Some(a > k),
            IF_AT_LEAST => Some(a >= k),
            IF_GREATER_INDEX => Some(a > x),
            IF_BITS => Some(a & k != 0),
            _ => None,
        };
        if let Some(condition) = condition {
            at += usize::from(if condition { jump_true } else { jump_false });
            continue;
        }
        match code {
            LOAD => a = load(call, k),
            LOAD_CONSTANT => a = k,
            LOAD_INDEX_SCRATCH => x = scratch[k as usize],
            STORE_SCRATCH => scratch[k as usize] = a,
            JUMP => at += k as usize,
            OR_INDEX => a |= x,
            SUBTRACT_INDEX => a = a.wrapping_sub(x),
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
        memory: MEMORY,
    }
}

/// Calls with arguments that satisfy `rule` as narrowly as it allows.
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

#[test]
fn each_rule_allows_what_it_says_and_nothing_beside_it() {
    let input = input(&[net(NET), disk(DISK, CAPACITY)], true);
    let all = rules(&input);
    let filter = compile(&input);
    for (index, rule) in all.iter().enumerate() {
        let good = satisfying(rule);
        assert!(allows(&filter, good), "{rule:?}");
        assert!(!rule.why.is_empty());
        // Without this rule, and those that overlap it, the call is denied: the rule is needed.
        let mut others = all.clone();
        others.remove(index);
        let overlap = [number::PREAD64, number::PWRITE64].contains(&rule.call);
        assert!(overlap || !allows(&bpf::compile(&others), good), "{rule:?}");
        // With it alone, breaking any one of its conditions is denied.
        let alone = bpf::compile(std::slice::from_ref(rule));
        assert!(allows(&alone, good));
        for &condition in &rule.conditions {
            for bad in breaking(condition, good) {
                assert!(!allows(&alone, bad), "{rule:?}: {bad:x?}");
            }
        }
    }
}

#[test]
fn no_other_call_is_allowed() {
    let with_devices = input(&[net(NET), disk(DISK, CAPACITY)], true);
    for input in [input(&[], false), with_devices] {
        let filter = compile(&input);
        let known: Vec<u32> = rules(&input).iter().map(|rule| rule.call).collect();
        for number in (0..1024).filter(|number| !known.contains(number)) {
            for argument in [0, 1, EPOLL as u64, NET as u64, DISK as u64] {
                assert!(!allows(&filter, call(number, &[argument; 6])), "{number}");
            }
        }
        for rule in rules(&input) {
            let good = satisfying(&rule);
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
}

#[test]
fn a_guest_gets_the_calls_of_its_devices_only() {
    let read = |fd: i32| call(number::READ, &[fd as u64, 0, 64]);
    let write = |fd: i32| call(number::WRITE, &[fd as u64, 0, 64]);
    let gather = |fd: i32| call(number::WRITEV, &[fd as u64, 0, 4]);
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
        for number in [number::PREAD64, number::PWRITE64] {
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
    let request = |len, offset| call(number::PWRITE64, &[DISK as u64, 0, len, offset]);
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
    let sync = call(number::FDATASYNC, &[DISK as u64]);
    assert!(allows(&offered, sync) && !allows(&stock, sync));
}

#[test]
fn what_was_not_offered_is_denied() {
    let guard = call(number::MPROTECT, &[0x20_0000, 4096, 0]);
    assert!(!allows(&compile(&input(&[], false)), guard));
    let filter = compile(&input(&[], true));
    assert!(allows(&filter, guard));
    assert!(allows(
        &filter,
        call(number::MPROTECT, &[MEMORY - 4096, 4096, 0])
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
            !allows(&filter, call(number::MPROTECT, &arguments)),
            "{arguments:x?}"
        );
    }
}

#[test]
fn frames_in_parts_have_few_of_them_and_an_image_that_knows() {
    let parts = |count| call(number::WRITEV, &[NET as u64, 0x20_0000, count]);
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
        call(number::WRITEV, &[NET as u64 + 2, 0, 4])
    ));
    input.gather = false;
    assert!(!allows(&compile(&input), parts(4)));
}

#[test]
fn guest_memory_beyond_four_gigabytes() {
    let mut input = input(&[], true);
    input.memory = 40 << 30;
    let filter = compile(&input);
    let guard = |address: u64, len: u64| call(number::MPROTECT, &[address, len, 0]);
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
        assert!(allows(&filter, call(number::PREAD64, &[fd, 0, 512, 0])));
        assert!(allows(&filter, call(number::PWRITE64, &[fd, 0, 4096, 0])));
        assert!(allows(&filter, call(number::FDATASYNC, &[fd])));
    }
    assert!(!allows(&filter, call(number::PREAD64, &[68, 0, 512, 0])));
}

#[test]
fn frames_pass_few_instructions() {
    // A frame costs two calls; their path through the filter is bounded, so that it stays short.
    let filter = compile(&input(&[net(NET)], true));
    let read = filter
        .iter()
        .position(|i| i.code == IF_EQUAL && i.operand == number::READ);
    let write = filter
        .iter()
        .position(|i| i.code == IF_EQUAL && i.operand == number::WRITE);
    assert_eq!((read, write), (Some(4), Some(11)));
}

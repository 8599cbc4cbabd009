// SPDX-License-Identifier: ISC
//! The filters of the tender's threads with the kernel as the judge. No virtual machine is needed: a
//! process gives up its rights as the tender does, a thread of it becomes one of the tender's, and
//! then makes calls.
//!
//! The process is this program once more, with the name of what it is to do in its environment.

use std::{
    fs,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::process::ExitStatusExt,
    },
    process::{Command, Stdio},
    sync::atomic::Ordering::{Acquire, Release},
    time::Duration,
};

use fata_abi::{
    hvt::{
        BlockTransfer, HYPERCALL_PORT, Hypercall, Poll, Puts, UNSPECIFIED,
        ring::{NET_READ, RINGS_SIZE, Ring},
    },
    manifest::{Attachment, Properties},
};
use fata_hvt::{
    console::Console,
    devices::Devices,
    filter::{self, Thread},
    hypercall::{Host, Outcome},
    memory::Memory,
    ring::{self, Bell, Wake, net::Net, serve},
};
use fata_tender::{attach::Attached, system};
use rustix::{
    event::{EventfdFlags, epoll, eventfd},
    fs::{MemfdFlags, ftruncate, memfd_create},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};

const CASE: &str = "FATA_HVT_TEST_CASE";
const SIGSYS: i32 = 31;
/// Status of a process that was not killed.
const ALIVE: usize = 7;
const KVM_RUN: u64 = 0xae80;
const CAPACITY: u64 = 1 << 20;
/// Where the guest's memory is.
const START: u64 = 0x10_0000;
const END: u64 = 2 * START;
/// Where the structures of hypercalls are.
const CALL: u64 = 0x10_1000;

/// Descriptors such as a tender has. That of the CPU is none, so that it refuses to run.
struct World {
    cpu: OwnedFd,
    hypervisor: [RawFd; 1],
    epoll: OwnedFd,
    net: OwnedFd,
    peer: OwnedFd,
    disk: OwnedFd,
}

impl World {
    fn new() -> Self {
        let kind = SocketType::SEQPACKET;
        let (net, peer) =
            socketpair(AddressFamily::UNIX, kind, SocketFlags::NONBLOCK, None).unwrap();
        let disk = memfd_create("disk", MemfdFlags::empty()).unwrap();
        ftruncate(&disk, CAPACITY).unwrap();
        let cpu = eventfd(0, EventfdFlags::empty()).unwrap();
        Self {
            hypervisor: [cpu.as_raw_fd()],
            cpu,
            epoll: epoll::create(epoll::CreateFlags::empty()).unwrap(),
            net,
            peer,
            disk,
        }
    }

    fn devices(&self) -> [Attachment; 2] {
        let mac = [2, 0, 0, 0, 0, 1];
        let net = Properties::Net { mac, mtu: 1500 };
        let disk = Properties::Block {
            capacity: CAPACITY,
            block_size: 512,
        };
        [(&self.net, net), (&self.disk, disk)].map(|(fd, properties)| Attachment {
            fd: fd.as_raw_fd(),
            properties,
        })
    }

    fn thread(&self, name: &str) -> Thread<'_> {
        let epoll = self.epoll.as_raw_fd();
        match name {
            "cpu" => Thread::Cpu {
                descriptors: &self.hypervisor,
                requests: &[KVM_RUN],
            },
            "net" => Thread::Net { epoll },
            _ => Thread::Block { epoll },
        }
    }

    /// Gives up what the tender gives up, but for the filter.
    fn enter(&self) {
        let kept = [&self.cpu, &self.epoll, &self.net, &self.peer, &self.disk];
        filter::enter(kept.map(AsRawFd::as_raw_fd).to_vec(), false).unwrap();
    }

    /// The number that a word of a case stands for.
    fn number(&self, word: &str) -> usize {
        let fd = match word {
            "CPU" => &self.cpu,
            "EPOLL" => &self.epoll,
            "NET" => &self.net,
            "DISK" => &self.disk,
            _ => return word.parse().unwrap(),
        };
        fd.as_raw_fd() as usize
    }
}

fn call(number: libc::c_long, arguments: [usize; 5]) {
    // SAFETY: the addresses among the arguments are zero or no memory, so the kernel finds nothing
    // there; what else the calls of the cases do ends with this process, which uses nothing after.
    let _ = unsafe { system::call(number, arguments) };
}

/// Becomes the thread that the case begins with, and makes the call that follows.
fn make(case: &str) {
    let world = World::new();
    let (thread, rest) = case.split_once(' ').unwrap();
    let mut words: Vec<_> = rest.split(' ').map(|word| world.number(word)).collect();
    words.resize(6, 0);
    world.enter();
    filter::close(world.thread(thread), &world.devices()).unwrap();
    let number = words[0] as libc::c_long;
    call(number, words[1..].try_into().unwrap());
    call(libc::SYS_exit_group, [ALIVE, 0, 0, 0, 0]);
}

/// A ring is served and its guest woken, by two threads behind their filters.
fn serve_a_ring() {
    let world = World::new();
    let memory = Memory::new(&[0..4096, START..END + RINGS_SIZE]).unwrap();
    let ring = memory.ring(END).unwrap();
    let wake = Wake::new([ring; 2]);
    let bell = Bell::new().unwrap();
    let (attachments, device) = (world.devices(), world.net.as_raw_fd());
    let devices = Devices::new(vec![Attached {
        index: 1,
        descriptor: world.net,
        properties: attachments[0].properties,
        vnet: None,
    }]);
    let mut net = Net::new(&memory, &devices, true, &bell).unwrap();
    let epoll = bell.epoll.as_raw_fd();
    let descriptors = [
        bell.kick.as_fd(),
        bell.epoll.as_fd(),
        world.peer.as_fd(),
        world.cpu.as_fd(),
    ];
    let mut kept = descriptors.map(|fd| fd.as_raw_fd()).to_vec();
    kept.push(device);
    filter::enter(kept, false).unwrap();
    rustix::io::write(&world.peer, b"a frame").unwrap();
    lend(ring);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            // So that there is somebody to wake.
            std::thread::sleep(Duration::from_millis(100));
            filter::close(Thread::Net { epoll }, &attachments).unwrap();
            let _ = serve(ring::Host::new(ring, &wake), &bell, |host, readable| {
                net.round(host, readable)
            });
        });
        let thread = Thread::Cpu {
            descriptors: &world.hypervisor,
            requests: &[KVM_RUN],
        };
        filter::close(thread, &attachments).unwrap();
        while ring.commits_tail.load(Acquire) == 0 {
            wake.wait(Duration::from_secs(5));
        }
        let console = Console::new(rustix::stdio::stdout());
        let rings = None;
        let (memory, devices) = (&memory, &devices);
        let mut host = Host {
            memory,
            devices,
            rings,
            console,
        };
        make_hypercalls(&mut host, ring.commits[0].len.load(Acquire));
        call(libc::SYS_exit_group, [ALIVE, 0, 0, 0, 0]);
    });
}

/// The last block of a disk that has become shorter by half of one is read.
fn read_what_is_gone() {
    let world = World::new();
    ftruncate(&world.disk, CAPACITY - 256).unwrap();
    let memory = Memory::new(&[0..4096, START..END]).unwrap();
    let attachments = world.devices();
    let devices = Devices::new(vec![Attached {
        index: 2,
        descriptor: world.disk,
        properties: attachments[1].properties,
        vnet: None,
    }]);
    filter::enter(vec![attachments[1].fd], false).unwrap();
    let thread = Thread::Cpu {
        descriptors: &world.hypervisor,
        requests: &[KVM_RUN],
    };
    filter::close(thread, &attachments).unwrap();
    let mut host = Host {
        memory: &memory,
        devices: &devices,
        rings: None,
        console: Console::new(rustix::stdio::stdout()),
    };
    let transfer = BlockTransfer {
        handle: 2,
        offset: CAPACITY - 512,
        data: START,
        len: 512,
        ..BlockTransfer::default()
    };
    memory.write(CALL, transfer).unwrap();
    call_host(&mut host, Hypercall::BlockRead);
    let result = memory.read::<BlockTransfer>(CALL).unwrap().result;
    let status = if result == UNSPECIFIED { ALIVE } else { 1 };
    call(libc::SYS_exit_group, [status, 0, 0, 0, 0]);
}

/// The thread of a ring says why it ends the guest while another says something, slowly.
fn speak_meanwhile() {
    let world = World::new();
    world.enter();
    let _slow = std::io::stderr().lock();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            filter::close(world.thread("net"), &world.devices()).unwrap();
            fata_hvt::say(format_args!("a lie"));
            call(libc::SYS_exit_group, [ALIVE, 0, 0, 0, 0]);
        });
    });
}

/// Lends a buffer at [`START`] for a frame of device 1.
fn lend(ring: &Ring) {
    let entry = &ring.entries[0];
    for (word, value) in [
        (&entry.operation, NET_READ),
        (&entry.handle, 1),
        (&entry.len, 64),
    ] {
        word.store(value, Release);
    }
    entry.data.store(START, Release);
    ring.entries_tail.store(1, Release);
}

/// Waits, looks at the clock, and writes the frame of `len` bytes to the console.
fn make_hypercalls(host: &mut Host<'_>, len: u32) {
    let len = u64::from(len);
    let timeout = 1_000_000;
    host.memory
        .write(
            CALL,
            Poll {
                timeout,
                ..Poll::default()
            },
        )
        .unwrap();
    call_host(host, Hypercall::Poll);
    call_host(host, Hypercall::WallTime);
    host.memory.write(CALL, Puts { data: START, len }).unwrap();
    call_host(host, Hypercall::Puts);
}

/// Makes a hypercall whose structure is at [`CALL`].
fn call_host(host: &mut Host<'_>, hypercall: Hypercall) {
    let port = HYPERCALL_PORT + hypercall as u16;
    assert_eq!(host.call(port, CALL as u32), Ok(Outcome::Continue));
}

#[test]
#[ignore = "not a test of its own, but the process of the others"]
fn child() {
    match std::env::var(CASE).as_deref() {
        Ok("ring") => serve_a_ring(),
        Ok("speak") => speak_meanwhile(),
        Ok("short") => read_what_is_gone(),
        Ok(case) => make(case),
        Err(_) => println!("only with {CASE} in the environment"),
    }
}

/// A process that does what `case` says.
fn process(case: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(CASE, case)
        .stdin(Stdio::null());
    command
}

/// Whether a process survives the call that `case` says.
fn survives(case: &str) -> bool {
    let output = process(case).output().unwrap();
    match (output.status.code(), output.status.signal()) {
        (Some(status), _) if status == ALIVE as i32 => true,
        (_, Some(SIGSYS)) => false,
        _ => panic!("{case}: {output:?}"),
    }
}

#[test]
fn calls_that_a_thread_needs() {
    for case in [
        "cpu 16 CPU 44672 0",
        "cpu 1 1 0 0",
        "cpu 1 2 0 0",
        "cpu 0 NET 0 0",
        "cpu 1 NET 0 0",
        "cpu 17 DISK 0 512 1048064",
        "cpu 18 DISK 0 512 0",
        "cpu 271 0 0 1 0",
        "cpu 202 0 128 0 0",
        "cpu 228 0 0",
        "net 0 NET 0 0",
        "net 281 EPOLL 0 0 0 0",
        "net 441 EPOLL 0 0 0 0",
        "net 202 0 129 1 0",
        "block 75 DISK",
        "block 17 DISK 0 512 0",
        "block 18 DISK 0 512 0",
    ] {
        assert!(survives(case), "{case}");
    }
}

#[test]
fn two_threads_may_say_something_at_once() {
    assert!(survives("speak"));
}

#[test]
fn a_disk_that_has_become_shorter_fails_and_the_guest_goes_on() {
    assert!(survives("short"));
}

#[test]
fn other_calls_kill_the_process() {
    for (case, what) in [
        ("cpu 16 CPU 44545 0", "another ioctl"),
        ("cpu 16 NET 44672 0", "an ioctl of another descriptor"),
        ("cpu 0 0 0 0", "read standard input"),
        ("cpu 1 DISK 0 0", "write to the disk where it stands"),
        ("cpu 2 0 0", "open"),
        ("cpu 3 1", "close"),
        ("cpu 9 0 4096 7 34", "mmap"),
        ("cpu 10 0 4096 5", "mprotect"),
        ("cpu 17 DISK 0 512 1048576", "read beyond the disk"),
        ("cpu 18 DISK 0 512 1048576", "write beyond the disk"),
        ("cpu 18 NET 0 512 0", "write to a network at an offset"),
        ("cpu 56 0 0 0 0", "clone"),
        ("cpu 59 0 0 0", "execve"),
        ("cpu 41 2 1 0", "socket"),
        ("cpu 13 15 0 0 8", "a signal handler"),
        ("cpu 202 0 129 1 0", "wake, which nobody waits for"),
        ("cpu 228 2 0", "another clock"),
        ("cpu 317 1 0 0", "another filter"),
        ("cpu 425 1 0", "io_uring_setup"),
        ("net 16 CPU 44672 0", "run the guest"),
        ("net 1 1 0 0", "write to the console"),
        ("net 17 DISK 0 512 0", "read the disk"),
        ("net 281 NET 0 1 0 0", "wait with another descriptor"),
        ("net 281 EPOLL 0 1 0 1", "wait with a signal mask"),
        ("block 0 NET 0 0", "receive a frame"),
        ("block 75 NET", "flush a network"),
        ("block 17 DISK 0 512 1048576", "read beyond the disk"),
    ] {
        assert!(!survives(case), "{what}: {case}");
    }
}

#[test]
fn a_ring_is_served_behind_filters() {
    let output = process("ring").output().unwrap();
    assert_eq!(output.status.code(), Some(ALIVE as i32), "{output:?}");
    assert!(output.stdout.ends_with(b"a frame"), "{output:?}");
}

#[test]
fn a_thread_behind_its_filter_has_no_rights() {
    // Waits for ever.
    let mut child = process("cpu 271 0 0 0 0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = format!("/proc/{}/task", child.id());
    let filtered = || {
        let tasks = fs::read_dir(&folder).unwrap().flatten();
        let status = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
        status
            .into_iter()
            .find(|status| status.contains("\nSeccomp:\t2"))
    };
    let status = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        filtered()
    });
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let status = status.expect("a thread with a filter");
    for line in [
        "NoNewPrivs:\t1",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
    ] {
        assert!(status.contains(line), "{line}: {status}");
    }
    for limit in [
        "Max core file size        0 ",
        "Max open files            64 ",
    ] {
        assert!(limits.contains(limit), "{limits}");
    }
}

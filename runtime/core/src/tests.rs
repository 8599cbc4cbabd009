// SPDX-License-Identifier: ISC
//! A platform for tests: its clock moves only when a test says so or the executor waits, and its
//! devices become ready when a test has written it into their plan.

mod executor;
mod program;
mod time;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::VecDeque,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    string::String,
    sync::{Mutex, MutexGuard, PoisonError},
    vec::Vec,
};

use fata_abi::{
    block::{BlockInfo, Completion, Request},
    frame::Frame,
    image::{Argument, ArgumentTree, Image, LAYOUT, REPEATED, REQUIRED, Slice, Text},
    net::NetInfo,
    platform::{Error, Handle, HandleSet, Memory, Platform},
};

/// How often the platform was called.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) clock: usize,
    pub(crate) wait: usize,
    pub(crate) entropy: usize,
}

/// What the platform does.
pub(crate) struct Host {
    pub(crate) clock: u64,
    pub(crate) command_line: &'static str,
    /// Bytes of entropy that it gives.
    pub(crate) entropy: usize,
    /// Memory with the stack inside; a plain process without.
    pub(crate) memory: Option<Range<usize>>,
    pub(crate) guarded: Vec<(usize, usize)>,
    /// When each device gets something to take.
    arrivals: [VecDeque<u64>; 4],
    console: Vec<u8>,
    pub(crate) calls: Calls,
}

impl Host {
    const fn new() -> Self {
        Self {
            clock: 0,
            command_line: "",
            entropy: 0,
            memory: None,
            guarded: Vec::new(),
            arrivals: [const { VecDeque::new() }; 4],
            console: Vec::new(),
            calls: Calls {
                clock: 0,
                wait: 0,
                entropy: 0,
            },
        }
    }

    /// Lets device `handle` have something to take at `time`.
    pub(crate) fn arrive(&mut self, handle: Handle, time: u64) {
        self.arrivals[handle.index()].push_back(time);
    }

    /// Takes what `handle` has, if it has anything.
    pub(crate) fn take(&mut self, handle: Handle) -> bool {
        let arrivals = &mut self.arrivals[handle.index()];
        let ready = arrivals.front().is_some_and(|time| *time <= self.clock);
        ready && arrivals.pop_front().is_some()
    }

    fn ready(&self) -> HandleSet {
        let mut set = HandleSet::EMPTY;
        for (index, arrivals) in self.arrivals.iter().enumerate() {
            if arrivals.front().is_some_and(|time| *time <= self.clock)
                && let Some(handle) = Handle::new(index)
            {
                set.insert(handle);
            }
        }
        set
    }

    fn wait(&mut self, deadline: u64) -> HandleSet {
        self.calls.wait += 1;
        if self.ready().is_empty() && deadline > self.clock {
            let arrivals = self.arrivals.iter().filter_map(|a| a.front());
            let next = arrivals.min().map_or(deadline, |a| deadline.min(*a));
            assert_ne!(next, u64::MAX, "waits for ever");
            self.clock = next;
        }
        self.ready()
    }
}

static HOST: Mutex<Host> = Mutex::new(Host::new());
static SESSION: Mutex<()> = Mutex::new(());

/// The right to use the platform: one test has it at a time.
pub(crate) struct Session(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

impl Session {
    /// Waits for the right, and starts with a fresh platform.
    pub(crate) fn start() -> Self {
        let session = Self(SESSION.lock().unwrap_or_else(PoisonError::into_inner));
        session.with(|host| *host = Host::new());
        session
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Host) -> R) -> R {
        with(f)
    }

    /// Takes what was written to the console.
    pub(crate) fn console(&self) -> String {
        let bytes = self.with(|host| std::mem::take(&mut host.console));
        String::from_utf8(bytes).expect("console holds text")
    }

    /// Runs `f`, which must abort the image, and returns the console.
    pub(crate) fn aborts(&self, f: impl FnOnce()) -> String {
        let error = catch_unwind(AssertUnwindSafe(f)).expect_err("did not abort");
        assert!(error.is::<Aborted>(), "panicked instead");
        self.console()
    }
}

pub(crate) fn with<R>(f: impl FnOnce(&mut Host) -> R) -> R {
    f(&mut HOST.lock().unwrap_or_else(PoisonError::into_inner))
}

struct Aborted;

struct Mock;

impl Platform for Mock {
    const NAME: &'static str = "mock";

    fn command_line() -> &'static str {
        with(|host| host.command_line)
    }

    fn memory() -> Memory {
        let memory = with(|host| host.memory.clone());
        Memory {
            start: memory.as_ref().map_or(0, |m| m.start),
            end: memory.as_ref().map_or(0, |m| m.end),
            stack_inside: memory.is_some(),
        }
    }

    fn guard(start: usize, len: usize) -> Result<(), Error> {
        with(|host| host.guarded.push((start, len)));
        Ok(())
    }

    fn exit(status: u8) -> ! {
        panic!("exit {status}")
    }

    fn abort() -> ! {
        std::panic::resume_unwind(std::boxed::Box::new(Aborted))
    }

    fn console_write(bytes: &[u8]) {
        with(|host| host.console.extend_from_slice(bytes));
    }

    fn clock_monotonic() -> u64 {
        with(|host| {
            host.calls.clock += 1;
            host.clock
        })
    }

    fn clock_wall() -> u64 {
        1_000_000_000_000_000_000 + with(|host| host.clock)
    }

    fn entropy(seed: &mut [u8]) -> usize {
        with(|host| {
            host.calls.entropy += 1;
            let count = host.entropy.min(seed.len());
            seed[..count].fill(host.calls.entropy as u8);
            count
        })
    }

    fn wait(deadline: u64) -> HandleSet {
        with(|host| host.wait(deadline))
    }

    fn net_open(_: Handle) -> Result<NetInfo, Error> {
        Err(Error::Invalid)
    }

    fn net_receive(_: Handle) -> Result<Frame, Error> {
        Err(Error::Invalid)
    }

    fn net_reserve(_: Handle, _: usize) -> Result<Frame, Error> {
        Err(Error::Invalid)
    }

    fn net_send(_: Handle, _: Frame, _: [&[u8]; 2]) -> Result<(), Error> {
        Err(Error::Invalid)
    }

    fn net_flush(_: Handle) {}

    fn block_open(_: Handle) -> Result<BlockInfo, Error> {
        Err(Error::Invalid)
    }

    unsafe fn block_submit(_: Handle, _: Request) -> Result<(), Error> {
        Err(Error::Invalid)
    }

    fn block_complete(_: Handle) -> Result<Completion, Error> {
        Err(Error::Again)
    }
}

fata_abi::export_platform!(Mock);

/// An image with every kind of argument.
pub(crate) static IMAGE: Image = image(0, "");

pub(crate) const fn image(sealed: u32, boot_arguments: &'static str) -> Image {
    const fn argument(
        name: &'static str,
        value: &'static str,
        default: &'static str,
        help: &'static str,
        flags: u32,
    ) -> Argument {
        Argument {
            name: Text::new(name),
            value: Text::new(value),
            default: Text::new(default),
            help: Text::new(help),
            flags,
        }
    }
    static STACK: ArgumentTree = ArgumentTree::new(
        &[argument("ipv4", "IPV4", "", "Address of the interface.", 0)],
        &[],
    );
    static SECOND: ArgumentTree = ArgumentTree::prefixed("second", &[&STACK]);
    static DEVICES: ArgumentTree = ArgumentTree::new(&[], &[&STACK, &SECOND]);
    static ARGUMENTS: ArgumentTree = ArgumentTree::new(
        &[
            argument("port", "N", "53", "Port to answer on.", 0),
            argument("zone", "TEXT", "", "Name of the zone.", REQUIRED),
            argument(
                "peer",
                "IP",
                "",
                "Who may transfer a zone, which is a long story that goes \
                on to the next line.",
                REPEATED,
            ),
            argument("verbose", "", "", "Say more.", 0),
        ],
        &[],
    );
    static TREE: ArgumentTree = ArgumentTree::new(&[], &[&DEVICES, &ARGUMENTS]);
    Image {
        layout: LAYOUT,
        sealed,
        name: Text::new("resolver"),
        version: Text::new("1.2.3"),
        about: Text::new("Answers."),
        platform: Text::new("mock"),
        boot_arguments: Text::new(boot_arguments),
        arguments: &TREE,
        manifest: Slice::new(&[]),
    }
}

#[unsafe(export_name = "__fata_image")]
fn the_image() -> &'static Image {
    &IMAGE
}

#[unsafe(export_name = "__fata_main")]
fn the_main() -> u8 {
    0
}

/// Counts what a thread allocates.
struct Counting;

std::thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Allocations of this thread so far.
pub(crate) fn allocations() -> usize {
    ALLOCATIONS.get()
}

// SAFETY: passes everything on.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

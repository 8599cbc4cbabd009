// SPDX-License-Identifier: ISC
//! A platform in memory, whose clock moves only when everybody waits.

use std::{
    collections::VecDeque,
    mem,
    ptr::NonNull,
    sync::{Mutex, MutexGuard},
};

use fata_abi::{
    BlockInfo, Error, Frame, Handle, HandleSet, Memory, NetInfo, Offload, Platform,
    block::{Completion, Operation, Request},
    frame::Release,
    image::{ArgumentTree, Image, LAYOUT, Slice, Text},
    manifest::{NOTE_PADDING, encode_note, note_size},
    net::Capabilities,
    note::{HEADER_SIZE, Note},
};

use crate::ENTRIES;

pub(crate) const NET_A: &str = "neta";
pub(crate) const NET_B: &str = "netb";
pub(crate) const SYNCHRONOUS: &str = "synchronous";
pub(crate) const ASYNCHRONOUS: &str = "asynchronous";
pub(crate) const FAILING: &str = "failing";
pub(crate) const SILENT: &str = "silent";

const BLOCK: usize = 512;
pub(crate) const BLOCKS: usize = 80;
const BUFFERS: usize = 6;
const FRAME: usize = 2048;

struct Test;

fata_abi::export_platform!(Test);

static NOTE: Note<{ note_size(ENTRIES.len()) }> = encode_note(ENTRIES);
static IMAGE: Image = Image {
    layout: LAYOUT,
    sealed: 0,
    name: Text::new("test"),
    version: Text::new("0"),
    about: Text::new(""),
    platform: Text::new(Test::NAME),
    boot_arguments: Text::new(""),
    arguments: &ArgumentTree::EMPTY,
    manifest: Slice::new(NOTE.0.split_at(HEADER_SIZE + NOTE_PADDING).1),
};

#[unsafe(export_name = "__fata_image")]
fn image() -> &'static Image {
    &IMAGE
}

#[unsafe(export_name = "__fata_main")]
fn program() -> u8 {
    unreachable!("the test harness has a `main` of its own")
}

struct State {
    now: u64,
    turns: usize,
    disks: Vec<Disk>,
    /// Frames on their way to the first and to the second card.
    inboxes: [VecDeque<Vec<u8>>; 2],
    /// Buffers of either that are not in use.
    free: [usize; 2],
}

struct Disk {
    name: &'static str,
    info: BlockInfo,
    bytes: Vec<u8>,
    pending: Vec<Request>,
    done: VecDeque<Completion>,
    submitted: usize,
}

// SAFETY: the pointers in requests are used by the one thread of the test.
unsafe impl Send for State {}

static STATE: Mutex<Option<State>> = Mutex::new(None);

/// The state, and none of it behind when a check fails elsewhere.
fn with<T>(f: impl FnOnce(&mut State) -> T) -> T {
    let mut guard: MutexGuard<'_, Option<State>> = STATE.lock().unwrap_or_else(|e| e.into_inner());
    f(guard.get_or_insert_with(|| State {
        now: 0,
        turns: 0,
        disks: vec![
            Disk::new(SYNCHRONOUS, 1, 1),
            Disk::new(ASYNCHRONOUS, 3, 4),
            Disk::new(FAILING, 1, 1),
            Disk::new(SILENT, 1, 1),
        ],
        inboxes: Default::default(),
        free: [BUFFERS; 2],
    }))
}

impl Disk {
    fn new(name: &'static str, blocks_at_once: usize, queue_depth: usize) -> Self {
        Self {
            name,
            info: BlockInfo {
                block_size: BLOCK as u32,
                capacity: (BLOCK * BLOCKS) as u64,
                max_transfer: blocks_at_once * BLOCK,
                queue_depth,
                read_only: false,
                flush: true,
            },
            bytes: vec![0; BLOCK * BLOCKS],
            pending: Vec::new(),
            done: VecDeque::new(),
            submitted: 0,
        }
    }

    fn finish(&mut self, request: Request) {
        let at = request.offset as usize;
        match request.operation {
            Operation::Flush => {}
            Operation::Read => {
                let from = self.bytes[at..at + request.len].as_ptr();
                // SAFETY: the caller of `block_submit` promised memory for `len` bytes until the
                // completion that follows; `bytes` has as many by the check of `block_submit`.
                unsafe { request.data.copy_from_nonoverlapping(from, request.len) };
            }
            Operation::Write => {
                let into = self.bytes[at..at + request.len].as_mut_ptr();
                // SAFETY: as above.
                unsafe { into.copy_from_nonoverlapping(request.data, request.len) };
            }
        }
        let result = match self.name {
            FAILING => Err(Error::Unspecified),
            _ => Ok(()),
        };
        self.done.push_back(Completion {
            tag: request.tag,
            result,
        });
    }
}

/// Parts that a disk has finished and nobody has asked about.
pub(crate) fn uncollected(name: &str) -> usize {
    with(|state| state.disk(name).map_or(0, |disk| disk.done.len()))
}

/// Parts that were submitted to a disk so far.
pub(crate) fn submitted(name: &str) -> usize {
    with(|state| state.disk(name).map_or(0, |disk| disk.submitted))
}

/// Does what a device may with the memory of requests that it has not finished; says how many.
pub(crate) fn write_into_pending(name: &str) -> usize {
    with(|state| {
        let Some(disk) = state.disk(name) else {
            return 0;
        };
        for request in &disk.pending {
            // SAFETY: the caller of `block_submit` promised this memory until the completion,
            // which never came.
            unsafe { request.data.write_bytes(0xa5, request.len) };
        }
        disk.pending.len()
    })
}

impl State {
    fn disk(&mut self, name: &str) -> Option<&mut Disk> {
        self.disks.iter_mut().find(|disk| disk.name == name)
    }

    fn disk_at(&mut self, handle: Handle) -> Result<&mut Disk, Error> {
        self.disk(ENTRIES[handle.index() - 1].name)
            .ok_or(Error::Invalid)
    }

    fn ready(&self) -> HandleSet {
        let mut set = HandleSet::EMPTY;
        for index in 1..=ENTRIES.len() {
            let name = ENTRIES[index - 1].name;
            let waits = self
                .disks
                .iter()
                .any(|d| d.name == name && !d.done.is_empty())
                || index <= 2 && !self.inboxes[index - 1].is_empty();
            if let Some(handle) = Handle::new(index).filter(|_| waits) {
                set.insert(handle);
            }
        }
        set
    }
}

fn release(token: usize) {
    let (card, data) = (token & 1, token & !1);
    // SAFETY: `lend` took this address from a `Box` of this type and gave it to one frame.
    drop(unsafe { Box::from_raw(data as *mut [u64; FRAME / 8]) });
    with(|state| state.free[card] += 1);
}

/// A buffer of `card`, which has one free.
fn lend(state: &mut State, card: usize, len: usize) -> Frame {
    state.free[card] -= 1;
    let data = NonNull::from(Box::leak(Box::new([0u64; FRAME / 8]))).cast();
    let token = data.as_ptr() as usize | card;
    let release = Release {
        call: release,
        token,
    };
    // SAFETY: 1. the buffer is initialised and leaked, so nobody else's until `release`;
    // 2. callers ask for no more than `FRAME`.
    unsafe { Frame::from_raw(data, len as u32, FRAME as u32, Offload::default(), release) }
}

fn card(handle: Handle) -> Result<usize, Error> {
    (handle.index() <= 2)
        .then(|| handle.index() - 1)
        .ok_or(Error::Invalid)
}

impl Platform for Test {
    const NAME: &'static str = "test";

    fn command_line() -> &'static str {
        ""
    }

    fn memory() -> Memory {
        unreachable!("the heap is the host's")
    }

    fn guard(_: usize, _: usize) -> Result<(), Error> {
        Err(Error::Unspecified)
    }

    fn exit(status: u8) -> ! {
        panic!("exit {status}")
    }

    fn abort() -> ! {
        panic!("abort")
    }

    fn console_write(bytes: &[u8]) {
        print!("{}", String::from_utf8_lossy(bytes));
    }

    fn clock_monotonic() -> u64 {
        with(|state| state.now)
    }

    fn clock_wall() -> u64 {
        0
    }

    fn entropy(_: &mut [u8]) -> usize {
        0
    }

    fn wait(deadline: u64) -> HandleSet {
        with(|state| {
            state.turns += 1;
            let turns = state.turns;
            // One request of the slow disk a turn, now the oldest, now the newest.
            if let Some(disk) = state.disk(ASYNCHRONOUS)
                && !disk.pending.is_empty()
            {
                let at = if turns % 3 == 0 {
                    disk.pending.len() - 1
                } else {
                    0
                };
                let request = disk.pending.remove(at);
                disk.finish(request);
            }
            let ready = state.ready();
            if ready.is_empty() && deadline > state.now {
                assert_ne!(deadline, u64::MAX, "waits for ever");
                state.now = deadline;
            }
            ready
        })
    }

    fn net_open(handle: Handle) -> Result<NetInfo, Error> {
        let card = card(handle)?;
        Ok(NetInfo {
            keep: 0,
            mac: [2, 0, 0, 0, 0, card as u8],
            mtu: 1500,
            max_frame: 1514,
            offload: Capabilities {
                gather: true,
                ..Capabilities::default()
            },
        })
    }

    fn net_receive(handle: Handle) -> Result<Frame, Error> {
        let card = card(handle)?;
        with(|state| {
            if state.free[card] == 0 {
                return Err(Error::Again);
            }
            let bytes = state.inboxes[card].pop_front().ok_or(Error::Again)?;
            let mut frame = lend(state, card, bytes.len());
            frame.copy_from_slice(&bytes);
            Ok(frame)
        })
    }

    fn net_reserve(handle: Handle, len: usize) -> Result<Frame, Error> {
        let card = card(handle)?;
        with(|state| match state.free[card] {
            0 => Err(Error::Again),
            _ => Ok(lend(state, card, len)),
        })
    }

    fn net_send(handle: Handle, frame: Frame, tail: [&[u8]; 2]) -> Result<(), Error> {
        let other = 1 - card(handle)?;
        let bytes = [&frame, tail[0], tail[1]].concat();
        with(|state| state.inboxes[other].push_back(bytes));
        Ok(())
    }

    fn net_flush(_: Handle) {}

    fn block_open(handle: Handle) -> Result<BlockInfo, Error> {
        with(|state| state.disk_at(handle).map(|disk| disk.info))
    }

    unsafe fn block_submit(handle: Handle, request: Request) -> Result<(), Error> {
        with(|state| {
            let disk = state.disk_at(handle)?;
            let info = disk.info;
            assert!(request.len <= info.max_transfer, "longer than allowed");
            assert!(request.offset + request.len as u64 <= info.capacity);
            assert!(request.len > 0 || request.operation == Operation::Flush);
            if disk.pending.len() + disk.done.len() == info.queue_depth {
                return Err(Error::Again);
            }
            disk.submitted += 1;
            match disk.name {
                // A request for the first block hurries along all that wait.
                ASYNCHRONOUS if request.offset == 0 => {
                    disk.pending.push(request);
                    for request in mem::take(&mut disk.pending) {
                        disk.finish(request);
                    }
                }
                ASYNCHRONOUS | SILENT => disk.pending.push(request),
                _ => disk.finish(request),
            }
            Ok(())
        })
    }

    fn block_complete(handle: Handle) -> Result<Completion, Error> {
        with(|state| state.disk_at(handle)?.done.pop_front().ok_or(Error::Again))
    }
}

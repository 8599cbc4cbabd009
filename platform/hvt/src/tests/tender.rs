// SPDX-License-Identifier: ISC
//! A tender in place of the port: it carries hypercalls out on what a test has prepared.

use std::{
    collections::VecDeque,
    slice,
    sync::{Mutex, MutexGuard, PoisonError},
    vec::Vec,
};

use fata_abi::hvt::{
    AGAIN, BlockTransfer, Hypercall, INVALID, NetTransfer, OK, Poll, Puts, UNSPECIFIED, WallTime,
};

/// What the tender has, and what it was asked for.
#[derive(Default)]
pub(crate) struct Tender {
    pub(crate) console: Vec<u8>,
    /// Frames that wait to be read.
    pub(crate) arriving: VecDeque<Vec<u8>>,
    /// Those that were sent.
    pub(crate) sent: Vec<Vec<u8>>,
    /// Content of the block device.
    pub(crate) disk: Vec<u8>,
    /// Lengths of the transfers to and from it.
    pub(crate) transfers: Vec<usize>,
    /// Timeouts of waits.
    pub(crate) polls: Vec<u64>,
}

/// The manifest index of every network device.
pub(crate) const NET: u64 = 1;
/// That of the block device.
pub(crate) const BLOCK: u64 = 2;
/// The moment that it always is.
pub(crate) const WALL: u64 = 1_700_000_000_123_456_789;

static TENDER: Mutex<Option<Tender>> = Mutex::new(None);
static SESSION: Mutex<()> = Mutex::new(());

/// Keeps other tests from the one tender, and from the one place for arguments.
pub(crate) struct Session(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Session {
    /// Starts with a tender that has this.
    pub(crate) fn start(tender: Tender) -> Self {
        let guard = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
        *TENDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(tender);
        Self(guard)
    }

    /// Looks at the tender, or changes it.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Tender) -> R) -> R {
        f(TENDER.lock().unwrap().as_mut().unwrap())
    }
}

/// Carries out a hypercall.
///
/// # Safety
///
/// The arguments of the hypercall are at `arguments`, and what they lead to is valid for it.
pub(crate) unsafe fn call(number: Hypercall, arguments: *mut ()) {
    let mut tender = TENDER.lock().unwrap();
    let tender = tender.as_mut().unwrap();
    let arguments = Arguments(arguments);
    match number {
        Hypercall::WallTime => arguments.of::<WallTime>().nanoseconds = WALL,
        Hypercall::Puts => tender.puts(arguments.of()),
        Hypercall::Poll => tender.poll(arguments.of()),
        Hypercall::BlockWrite => tender.block(arguments.of(), true),
        Hypercall::BlockRead => tender.block(arguments.of(), false),
        Hypercall::NetWrite => tender.write(arguments.of()),
        Hypercall::NetRead => tender.read(arguments.of()),
        Hypercall::Halt => unreachable!("no test ends the image"),
    }
}

/// Hears a kick.
pub(crate) fn kick(_number: u32) {
    unreachable!("the tender has no rings");
}

/// Where the arguments of a hypercall are.
struct Arguments(*mut ());

impl Arguments {
    /// Them, as those of the hypercall that was made.
    fn of<'a, T>(self) -> &'a mut T {
        // SAFETY: `call`, which alone makes one, was promised that they are there.
        unsafe { &mut *self.0.cast() }
    }
}

/// Memory of the guest, which is the test's own.
fn memory<'a>(address: u64, len: u64) -> &'a mut [u8] {
    let start = core::ptr::with_exposed_provenance_mut(address as usize);
    // SAFETY: `call` was promised so.
    unsafe { slice::from_raw_parts_mut(start, len as usize) }
}

impl Tender {
    fn puts(&mut self, call: &Puts) {
        self.console.extend_from_slice(memory(call.data, call.len));
    }

    fn poll(&mut self, call: &mut Poll) {
        self.polls.push(call.timeout);
        call.ready_set = u64::from(!self.arriving.is_empty()) << NET;
        call.result = call.ready_set.count_ones() as i32;
    }

    fn block(&mut self, call: &mut BlockTransfer, write: bool) {
        self.transfers.push(call.len as usize);
        let offset = call.offset as usize;
        let Some(blocks) = self.disk.get_mut(offset..offset + call.len as usize) else {
            call.result = UNSPECIFIED;
            return;
        };
        assert_eq!(call.handle, BLOCK);
        let memory = memory(call.data, call.len);
        if write {
            blocks.copy_from_slice(memory);
        } else {
            memory.copy_from_slice(blocks);
        }
        call.result = OK;
    }

    fn write(&mut self, call: &mut NetTransfer) {
        call.result = if call.handle == NET { OK } else { INVALID };
        self.sent.push(memory(call.data, call.len).to_vec());
    }

    fn read(&mut self, call: &mut NetTransfer) {
        assert_eq!(call.handle, NET);
        let Some(frame) = self.arriving.pop_front() else {
            call.result = AGAIN;
            return;
        };
        let len = frame.len().min(call.len as usize);
        memory(call.data, len as u64).copy_from_slice(&frame[..len]);
        call.len = len as u64;
        call.result = OK;
    }
}

// SPDX-License-Identifier: ISC
//! The block devices of the platform.
//!
//! A request lives in the [`Queue`] of its disk from its first poll until the device is done with
//! it, whatever becomes of the future that waits for it, and is cut there into what the device
//! takes at once.

use alloc::{collections::VecDeque, rc::Rc, vec::Vec};
use core::{
    cell::RefCell,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use fata_abi::{
    BlockInfo, Error as Refusal, Handle,
    block::{self as abi, Operation},
    manifest::DeviceKind,
    platform,
};
use fata_device::{Block, BlockError, Buffer, block};
use fata_runtime::{Error, ready};

use crate::{Device, Port};

/// A block device given by whoever starts the image. Clones are the same device.
#[derive(Clone)]
pub struct Disk {
    info: BlockInfo,
    queue: Rc<RefCell<Queue>>,
}

impl Device for Disk {
    const NEEDS: Option<DeviceKind> = Some(DeviceKind::Block);
    type Arguments = ();

    async fn connect(port: Port, (): ()) -> Result<Self, Error> {
        let handle = port.claim()?;
        let info = platform::block_open(handle).map_err(|_| port.refused())?;
        let queue = Queue {
            handle,
            max_transfer: info.max_transfer,
            requests: Vec::new(),
            unsubmitted: VecDeque::new(),
        };
        Ok(Self {
            info,
            queue: Rc::new(RefCell::new(queue)),
        })
    }
}

impl Block for Disk {
    fn info(&self) -> BlockInfo {
        self.info
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> (Buffer, Result<(), BlockError>) {
        self.transfer(Operation::Read, offset, buffer).await
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> (Buffer, Result<(), BlockError>) {
        self.transfer(Operation::Write, offset, buffer).await
    }

    async fn flush(&self) -> Result<(), BlockError> {
        if !self.info.flush {
            return Ok(());
        }
        self.start(Operation::Flush, 0, Buffer::zeroed(0)).await.1
    }
}

impl Disk {
    async fn transfer(
        &self,
        operation: Operation,
        offset: u64,
        buffer: Buffer,
    ) -> (Buffer, Result<(), BlockError>) {
        let write = operation == Operation::Write;
        let checked = block::check(&self.info, offset, buffer.len(), write);
        if checked.is_err() || buffer.is_empty() {
            return (buffer, checked);
        }
        self.start(operation, offset, buffer).await
    }

    fn start(&self, operation: Operation, offset: u64, mut buffer: Buffer) -> Transfer {
        let request = Request {
            operation,
            offset,
            data: buffer.as_mut_ptr(),
            len: buffer.len(),
            buffer,
            submitted: 0,
            in_flight: 0,
            result: Ok(()),
            waiter: Waiter::Nobody,
        };
        Transfer {
            index: Some(self.queue.borrow_mut().insert(request)),
            queue: Rc::clone(&self.queue),
        }
    }
}

/// Requests of one device.
struct Queue {
    handle: Handle,
    max_transfer: usize,
    /// The index is the tag of all parts of a request.
    requests: Vec<Option<Request>>,
    /// Requests of which parts are still to be submitted, oldest first.
    unsubmitted: VecDeque<usize>,
}

struct Request {
    operation: Operation,
    offset: u64,
    /// Lent to the device while `in_flight > 0`: neither looked at nor dropped then, but reached
    /// through `data`.
    buffer: Buffer,
    /// The bytes of `buffer`.
    data: *mut u8,
    /// How many they are.
    len: usize,
    /// How many of them were submitted. `submitted <= len`
    submitted: usize,
    /// Parts submitted and not completed.
    in_flight: usize,
    result: Result<(), BlockError>,
    waiter: Waiter,
}

enum Waiter {
    Nobody,
    Waits(Waker),
    /// The future was dropped.
    Gone,
}

/// Parts to submit before other tasks run: where the platform is synchronous each takes its time.
const TURN: usize = 64;

impl Queue {
    fn insert(&mut self, request: Request) -> usize {
        let index = match self.requests.iter().position(Option::is_none) {
            Some(index) => index,
            None => {
                self.requests.push(None);
                self.requests.len() - 1
            }
        };
        self.requests[index] = Some(request);
        self.unsubmitted.push_back(index);
        index
    }

    /// Collects and submits until the device has nothing more and takes nothing more, or until a
    /// turn is over; says whether it was. Whom to wake goes to `wakers`.
    fn work(&mut self, wakers: &mut Vec<Waker>) -> bool {
        for _ in 0..TURN {
            self.collect(wakers);
            if !self.submit(wakers) {
                // What a synchronous platform was just given is done by now.
                self.collect(wakers);
                return false;
            }
        }
        true
    }

    fn collect(&mut self, wakers: &mut Vec<Waker>) {
        while let Ok(completion) = platform::block_complete(self.handle) {
            let index = completion.tag as usize;
            // Only a platform that breaks its contract completes what was not submitted.
            let Some(Some(request)) = self.requests.get_mut(index) else {
                continue;
            };
            request.in_flight = request.in_flight.saturating_sub(1);
            if completion.result.is_err() {
                request.result = Err(BlockError::Failed);
            }
            self.finish(index, wakers);
        }
    }

    /// Submits the next part of the oldest request; false when there is none or the device is full.
    fn submit(&mut self, wakers: &mut Vec<Waker>) -> bool {
        let Some(&index) = self.unsubmitted.front() else {
            return false;
        };
        let Some(request) = &mut self.requests[index] else {
            return false;
        };
        // After a failure there is no use in the rest.
        if request.result.is_ok() {
            let part = abi::Request {
                operation: request.operation,
                offset: request.offset + request.submitted as u64,
                data: request.data.wrapping_add(request.submitted),
                len: (request.len - request.submitted).min(self.max_transfer),
                tag: index as u64,
            };
            // SAFETY:
            // 1. `data` and `len` name bytes of `buffer`, which may be read and written; moving
            //    the `Buffer` does not move them.
            // 2. They belong to the device until it completes the part: `in_flight` counts it, and
            //    while that is not zero the request stays in `requests`, its buffer untouched, and
            //    `Drop` forgets it rather than free it. The claim on the handle makes this queue
            //    the only one that collects its completions.
            match unsafe { platform::block_submit(self.handle, part) } {
                Ok(()) => {
                    request.submitted += part.len;
                    request.in_flight += 1;
                }
                Err(Refusal::Again) => return false,
                Err(_) => request.result = Err(BlockError::Failed),
            }
        }
        if request.result.is_err() || request.submitted == request.len {
            self.unsubmitted.pop_front();
            self.finish(index, wakers);
        }
        true
    }

    /// If request `index` is done, wakes who waits for it, or forgets it if nobody will.
    fn finish(&mut self, index: usize, wakers: &mut Vec<Waker>) {
        let Some(request) = &mut self.requests[index] else {
            return;
        };
        if request.in_flight > 0 || self.unsubmitted.contains(&index) {
            return;
        }
        match mem::replace(&mut request.waiter, Waiter::Nobody) {
            Waiter::Waits(waker) => wakers.push(waker),
            Waiter::Gone => self.requests[index] = None,
            Waiter::Nobody => {}
        }
    }

    /// What request `index` came to; if that is still open, the task of `cx` waits for it.
    fn take_if_done(
        &mut self,
        index: usize,
        cx: &Context<'_>,
    ) -> Option<(Buffer, Result<(), BlockError>)> {
        let slot = &mut self.requests[index];
        let request = slot.as_mut()?;
        if request.in_flight > 0 || self.unsubmitted.contains(&index) {
            request.waiter = Waiter::Waits(cx.waker().clone());
            return None;
        }
        slot.take().map(|request| (request.buffer, request.result))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.collect(&mut Vec::new());
        for request in self.requests.drain(..).flatten() {
            if request.in_flight > 0 {
                // The device still owns the memory, for ever as far as anyone can tell.
                mem::forget(request);
            }
        }
    }
}

/// Waits for a request.
struct Transfer {
    queue: Rc<RefCell<Queue>>,
    /// `None` once the output was taken: the place may be another's then.
    index: Option<usize>,
}

impl Future for Transfer {
    type Output = (Buffer, Result<(), BlockError>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(index) = self.index else {
            return Poll::Pending;
        };
        let mut wakers = Vec::new();
        let mut queue = self.queue.borrow_mut();
        let more = queue.work(&mut wakers);
        let output = queue.take_if_done(index, cx);
        let handle = queue.handle;
        drop(queue);
        wakers.into_iter().for_each(Waker::wake);
        if let Some(output) = output {
            self.index = None;
            return Poll::Ready(output);
        }
        if more {
            cx.waker().wake_by_ref();
        } else {
            ready::register(handle, cx);
        }
        Poll::Pending
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let Some(index) = self.index else {
            return;
        };
        let mut queue = self.queue.borrow_mut();
        queue.unsubmitted.retain(|&other| other != index);
        if let Some(request) = &mut queue.requests[index] {
            request.waiter = Waiter::Gone;
        }
        // What is done by now may have nobody else to collect it, and would end every wait.
        let mut wakers = Vec::new();
        queue.collect(&mut wakers);
        queue.finish(index, &mut wakers);
        drop(queue);
        wakers.into_iter().for_each(Waker::wake);
    }
}

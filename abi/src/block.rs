// SPDX-License-Identifier: ISC
//! Block devices: their geometry, requests and completions.

/// A block device as the platform describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// Bytes in a block, a power of two. Offsets and lengths are multiples of it.
    pub block_size: u32,
    /// Bytes on the device, a multiple of the block size.
    pub capacity: u64,
    /// Most bytes in one request, a multiple of the block size. A stock Solo5 tender takes one
    /// block at a time.
    pub max_transfer: usize,
    /// Most requests in flight at once; at least one.
    pub queue_depth: usize,
    /// Whether writes are refused.
    pub read_only: bool,
    /// Whether [`Operation::Flush`] reaches the medium. Where it does not, it succeeds and means
    /// nothing.
    pub flush: bool,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// From the device into memory.
    Read,
    /// From memory to the device.
    Write,
    /// Makes finished writes durable. `offset` and `len` are zero.
    Flush,
}

/// A request as it is submitted; the memory is named by address because it is lent to the device
/// beyond the call.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What to do.
    pub operation: Operation,
    /// First byte on the device.
    pub offset: u64,
    /// The memory.
    pub data: *mut u8,
    /// Bytes to transfer.
    pub len: usize,
    /// Chosen by the caller, returned in the completion.
    pub tag: u64,
}

/// A finished request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// That of the request.
    pub tag: u64,
    /// Whether all bytes were transferred. After a failure the memory of a read, or the blocks of a
    /// write, hold anything.
    pub result: Result<(), crate::Error>,
}

// SPDX-License-Identifier: ISC
//! Block devices: numbered blocks of equal size, read and written whole.
//!
//! Offsets and lengths are in bytes and are multiples of the block size. A request owns its
//! [`Buffer`] until it is done and gives it back with its result, because the device may still
//! write into the memory when the future that waits for it is dropped.

use alloc::{vec, vec::Vec};
use core::{
    fmt,
    ops::{Deref, DerefMut},
};

pub use fata_abi::BlockInfo;

/// A block device.
///
/// Requests may overlap in time: `read`, `write` and `flush` take `&self`, and a device works on
/// as many at once as it can ([`BlockInfo::queue_depth`]); more wait. Requests in flight together
/// are finished in any order, and if their blocks overlap, any of the orders may be the one that
/// counts. Whoever needs an order awaits the first before starting the second.
///
/// A request of any number of blocks is right; one longer than [`BlockInfo::max_transfer`] is cut
/// into several, which makes it slower but not different. A request of no bytes at all succeeds.
///
/// # Dropped futures
///
/// A future that was never polled has done nothing. Dropping one later does not undo it: its read
/// is forgotten, its write takes place as a whole, in part or not at all, and the device keeps the
/// buffer as long as it needs.
pub trait Block {
    /// What the device is like. Constant while the device exists.
    fn info(&self) -> BlockInfo;

    /// Reads `buffer.len()` bytes from byte `offset` on. Waits until all of them are there.
    ///
    /// # Errors
    ///
    /// [`BlockError::Misaligned`], [`BlockError::OutOfRange`]: nothing was done.
    /// [`BlockError::Failed`]: the buffer holds anything. Another read, of these blocks or of
    /// others, may still succeed.
    fn read(
        &self,
        offset: u64,
        buffer: Buffer,
    ) -> impl Future<Output = (Buffer, Result<(), BlockError>)>;

    /// Writes the bytes of `buffer` from byte `offset` on. Waits until the device has taken all of
    /// them; a read that starts afterwards sees them. They survive a loss of power only after a
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`BlockError::Misaligned`], [`BlockError::OutOfRange`], [`BlockError::ReadOnly`]: nothing
    /// was done. [`BlockError::Failed`]: each block of the range holds what it held, what it was
    /// to hold, or anything; others are untouched.
    fn write(
        &self,
        offset: u64,
        buffer: Buffer,
    ) -> impl Future<Output = (Buffer, Result<(), BlockError>)>;

    /// Waits until everything whose write had finished before this call is durable. Does nothing,
    /// and succeeds, where [`BlockInfo::flush`] is false.
    ///
    /// # Errors
    ///
    /// [`BlockError::Failed`]: any of the writes since the last successful flush may be lost.
    fn flush(&self) -> impl Future<Output = Result<(), BlockError>>;
}

/// Why a block device did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// The device failed.
    Failed,
    /// Offset or length is no multiple of the block size.
    Misaligned,
    /// The request ends behind the end of the device.
    OutOfRange,
    /// A write to a read-only device.
    ReadOnly,
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "block device failed",
            Self::Misaligned => "block request is not made of whole blocks",
            Self::OutOfRange => "block request goes past the end of the device",
            Self::ReadOnly => "block device is read-only",
        })
    }
}

impl core::error::Error for BlockError {}

/// The rules that every [`Block`] checks before it starts a request: whole blocks, inside the
/// device, and no write where none is allowed.
///
/// # Errors
///
/// The first rule that is broken, in that order.
pub fn check(info: &BlockInfo, offset: u64, len: usize, write: bool) -> Result<(), BlockError> {
    let block = u64::from(info.block_size);
    let len = len as u64;
    if !offset.is_multiple_of(block) || !len.is_multiple_of(block) {
        return Err(BlockError::Misaligned);
    }
    if offset
        .checked_add(len)
        .is_none_or(|end| end > info.capacity)
    {
        return Err(BlockError::OutOfRange);
    }
    if write && info.read_only {
        return Err(BlockError::ReadOnly);
    }
    Ok(())
}

/// Bytes on the heap that a request can own.
///
/// Holding one proves that the bytes are initialised, start at a multiple of
/// [`ALIGN`](Self::ALIGN) (which devices without a copy of their own ask for), and stay where they
/// are when the `Buffer` is moved.
pub struct Buffer {
    /// Never grown or shrunk: that could move the bytes to an address aligned differently.
    bytes: Vec<u8>,
    /// `start + len <= bytes.len()`
    start: usize,
    len: usize,
}

impl Buffer {
    /// The address of the first byte is a multiple of this.
    pub const ALIGN: usize = 512;

    /// A buffer of `len` zeroes.
    pub fn zeroed(len: usize) -> Self {
        let bytes = vec![0; len + Self::ALIGN - 1];
        let start = bytes.as_ptr().align_offset(Self::ALIGN);
        Self { bytes, start, len }
    }

    /// Makes the buffer shorter without moving its bytes; longer than before it does not get.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        let mut buffer = Self::zeroed(bytes.len());
        buffer.copy_from_slice(bytes);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: BlockInfo = BlockInfo {
        block_size: 512,
        capacity: 4 * 512,
        max_transfer: 512,
        queue_depth: 1,
        read_only: true,
        flush: false,
    };

    #[test]
    fn buffers_are_aligned_and_zero() {
        for len in [0, 1, 511, 512, 4096] {
            let mut buffer = Buffer::zeroed(len);
            assert_eq!(buffer.as_ptr() as usize % Buffer::ALIGN, 0);
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|&byte| byte == 0));
            buffer.fill(7);
            let moved = buffer;
            assert_eq!(moved.as_ptr() as usize % Buffer::ALIGN, 0);
            assert!(moved.iter().all(|&byte| byte == 7));
        }
    }

    #[test]
    fn rules_are_checked_in_order() {
        assert_eq!(check(&INFO, 0, 2048, false), Ok(()));
        assert_eq!(check(&INFO, 2048, 0, false), Ok(()));
        assert_eq!(check(&INFO, 1, 512, true), Err(BlockError::Misaligned));
        assert_eq!(check(&INFO, 0, 511, false), Err(BlockError::Misaligned));
        assert_eq!(check(&INFO, 2048, 512, true), Err(BlockError::OutOfRange));
        assert_eq!(check(&INFO, 512, 2048, false), Err(BlockError::OutOfRange));
        let wrapping = u64::MAX - 511;
        assert_eq!(
            check(&INFO, wrapping, 512, false),
            Err(BlockError::OutOfRange)
        );
        assert_eq!(check(&INFO, 0, 512, true), Err(BlockError::ReadOnly));
    }
}

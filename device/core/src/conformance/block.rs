// SPDX-License-Identifier: ISC
//! The suite of [`Block`].

use alloc::{boxed::Box, vec::Vec};
use core::pin::pin;

use super::{all, poll_once};
use crate::block::{Block, BlockError, Buffer};

/// Checks a device of at least four blocks. Unless it is read-only, its content is overwritten.
///
/// # Panics
///
/// If the device breaks the contract of [`Block`].
pub async fn block<B: Block>(device: &B) {
    describes_itself(device);
    misuse_is_refused(device).await;
    if device.info().read_only {
        writes_are_refused(device).await;
        return;
    }
    what_is_written_is_read(device).await;
    neighbours_are_untouched(device).await;
    many_requests_at_once(device).await;
    dropped_requests_do_no_harm(device).await;
    assert_eq!(device.flush().await, Ok(()));
}

fn describes_itself<B: Block>(device: &B) {
    let info = device.info();
    let size = u64::from(info.block_size);
    assert!(info.block_size.is_power_of_two());
    assert!(info.capacity.is_multiple_of(size));
    assert!(info.capacity >= 4 * size, "the suite needs four blocks");
    assert!(info.max_transfer >= info.block_size as usize);
    assert!((info.max_transfer as u64).is_multiple_of(size));
    assert!(info.queue_depth >= 1);
    assert_eq!(device.info(), info);
}

/// `len` bytes that depend on `seed` and on their place.
fn pattern(len: usize, seed: u8) -> Buffer {
    let mut buffer = Buffer::zeroed(len);
    for (at, byte) in buffer.iter_mut().enumerate() {
        *byte = seed ^ (at as u8) ^ (at >> 8) as u8;
    }
    buffer
}

async fn write<B: Block>(device: &B, offset: u64, len: usize, seed: u8) {
    let (buffer, result) = device.write(offset, pattern(len, seed)).await;
    assert_eq!(result, Ok(()), "writes {len} bytes at {offset}");
    assert_eq!(
        buffer[..],
        pattern(len, seed)[..],
        "a write keeps its buffer"
    );
}

async fn expect<B: Block>(device: &B, offset: u64, len: usize, seed: u8) {
    let (buffer, result) = device.read(offset, Buffer::zeroed(len)).await;
    assert_eq!(result, Ok(()), "reads {len} bytes at {offset}");
    assert_eq!(
        buffer[..],
        pattern(len, seed)[..],
        "reads what was written at {offset}"
    );
}

async fn misuse_is_refused<B: Block>(device: &B) {
    let info = device.info();
    let (size, end) = (info.block_size as usize, info.capacity);
    let block = size as u64;
    let cases = [
        (1, size, BlockError::Misaligned),
        (0, size + 1, BlockError::Misaligned),
        (0, size / 2, BlockError::Misaligned),
        (end, size, BlockError::OutOfRange),
        (end - block, 2 * size, BlockError::OutOfRange),
        (!(block - 1), size, BlockError::OutOfRange),
    ];
    for (offset, len, error) in cases {
        let (buffer, result) = device.read(offset, pattern(len, 1)).await;
        assert_eq!(result, Err(error), "read of {len} bytes at {offset}");
        assert_eq!(
            buffer[..],
            pattern(len, 1)[..],
            "a refused read does nothing"
        );
        let (buffer, result) = device.write(offset, pattern(len, 1)).await;
        assert_eq!(result, Err(error), "write of {len} bytes at {offset}");
        assert_eq!(buffer.len(), len, "the buffer comes back");
    }
    for offset in [0, end] {
        let (_, result) = device.read(offset, Buffer::zeroed(0)).await;
        assert_eq!(result, Ok(()), "empty read at {offset}");
    }
}

async fn writes_are_refused<B: Block>(device: &B) {
    let size = device.info().block_size as usize;
    let (before, result) = device.read(0, Buffer::zeroed(size)).await;
    assert_eq!(result, Ok(()));
    let (_, result) = device.write(0, pattern(size, 2)).await;
    assert_eq!(result, Err(BlockError::ReadOnly));
    let (after, result) = device.read(0, Buffer::zeroed(size)).await;
    assert_eq!(result, Ok(()));
    assert_eq!(before[..], after[..], "a refused write does nothing");
}

async fn what_is_written_is_read<B: Block>(device: &B) {
    let info = device.info();
    let size = info.block_size as usize;
    let last = info.capacity - size as u64;
    write(device, 0, size, 3).await;
    write(device, last, size, 4).await;
    expect(device, 0, size, 3).await;
    expect(device, last, size, 4).await;
    // Longer than one transfer, where the device has a limit that is in reach.
    let limit = info.max_transfer.saturating_add(2 * size).min(64 * size);
    let len = limit.min(info.capacity as usize - size);
    write(device, size as u64, len, 5).await;
    expect(device, size as u64, len, 5).await;
}

async fn neighbours_are_untouched<B: Block>(device: &B) {
    let size = device.info().block_size as usize;
    write(device, 0, 3 * size, 6).await;
    write(device, size as u64, size, 7).await;
    let (buffer, _) = device.read(0, Buffer::zeroed(3 * size)).await;
    let whole = pattern(3 * size, 6);
    assert_eq!(buffer[..size], whole[..size]);
    assert_eq!(buffer[size..2 * size], pattern(size, 7)[..]);
    assert_eq!(buffer[2 * size..], whole[2 * size..]);
}

async fn many_requests_at_once<B: Block>(device: &B) {
    let info = device.info();
    let size = info.block_size as usize;
    let blocks = (info.capacity / size as u64).min(100);
    // More than fit into the queue: they must wait rather than fail.
    let count = blocks
        .max(4)
        .min(info.queue_depth.saturating_mul(2).max(4) as u64);
    let mut writes: Vec<_> = Vec::new();
    for n in 0..count.min(blocks) {
        writes.push(Box::pin(write(device, n * size as u64, size, n as u8)) as _);
    }
    all::<()>(writes).await;
    let mut reads: Vec<_> = Vec::new();
    for n in (0..count.min(blocks)).rev() {
        reads.push(Box::pin(expect(device, n * size as u64, size, n as u8)) as _);
    }
    all::<()>(reads).await;
}

async fn dropped_requests_do_no_harm<B: Block>(device: &B) {
    let size = device.info().block_size as usize;
    write(device, 0, 2 * size, 8).await;
    for _ in 0..device.info().queue_depth.min(100) + 1 {
        // Dropped in flight, or finished: both are right.
        let mut read = pin!(device.read(0, Buffer::zeroed(size)));
        let _ = poll_once(&mut read).await;
    }
    {
        let mut write = pin!(device.write(0, pattern(size, 9)));
        let _ = poll_once(&mut write).await;
    }
    let (buffer, result) = device.read(size as u64, Buffer::zeroed(size)).await;
    assert_eq!(result, Ok(()), "the device goes on after dropped requests");
    assert_eq!(buffer[..], pattern(2 * size, 8)[size..]);
    write(device, 0, size, 10).await;
    expect(device, 0, size, 10).await;
}

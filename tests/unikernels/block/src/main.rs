// SPDX-License-Identifier: ISC
//! Blocks are written and read, in any number at once, and what is no block is refused.
//!
//! Every tenth block and the last are filled with the low byte of their number, the lowest bit set;
//! the harness looks at the file afterwards.

#![no_std]
#![no_main]

use fata::{device::BlockError, prelude::*};

#[derive(fata::Devices)]
struct Devices {
    storage: Disk,
}

#[derive(fata::Args)]
struct Args {
    /// What the size of a block should be.
    block_size: u32,
}

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let disk = devices.storage;
    let info = disk.info();
    assert_eq!(info.block_size, args.block_size);
    assert!(!info.read_only);
    let blocks = info.capacity / u64::from(info.block_size);
    let mut numbers: Vec<u64> = (0..blocks).step_by(10).collect();
    numbers.push(blocks - 1);
    for &number in &numbers {
        fill(&disk, number).await?;
    }
    for &number in &numbers {
        check(&disk, number).await?;
    }
    read_at_once(&disk, &numbers).await?;
    misuse(&disk).await;
    disk.flush().await?;
    println!("SUCCESS");
    Ok(())
}

fn content(number: u64) -> u8 {
    number as u8 | 1
}

fn buffer(disk: &Disk) -> Buffer {
    Buffer::zeroed(disk.info().block_size as usize)
}

async fn fill(disk: &Disk, number: u64) -> Result<(), Error> {
    let mut block = buffer(disk);
    block.fill(content(number));
    let size = block.len() as u64;
    Ok(disk.write(number * size, block).await.1?)
}

async fn check(disk: &Disk, number: u64) -> Result<(), Error> {
    let block = buffer(disk);
    let size = block.len() as u64;
    let (block, result) = disk.read(number * size, block).await;
    result?;
    assert!(
        block.iter().all(|&byte| byte == content(number)),
        "block {number}"
    );
    Ok(())
}

/// One request for all blocks, and many requests at once.
async fn read_at_once(disk: &Disk, numbers: &[u64]) -> Result<(), Error> {
    let capacity = disk.info().capacity as usize;
    let (all, result) = disk.read(0, Buffer::zeroed(capacity)).await;
    result?;
    for (number, block) in (0_u64..).zip(all.chunks(disk.info().block_size as usize)) {
        let expected = if numbers.contains(&number) {
            content(number)
        } else {
            0
        };
        assert!(
            block.iter().all(|&byte| byte == expected),
            "block {number} of all"
        );
    }
    let tasks: Vec<_> = numbers
        .iter()
        .map(|&number| {
            let disk = disk.clone();
            spawn(async move { check(&disk, number).await })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    Ok(())
}

async fn misuse(disk: &Disk) {
    let info = disk.info();
    let size = info.block_size as usize;
    let end = info.capacity;
    for (offset, length, expected) in [
        (end, size, BlockError::OutOfRange),
        (end - size as u64, 2 * size, BlockError::OutOfRange),
        (u64::MAX - (size as u64 - 1), size, BlockError::OutOfRange),
        (1, size, BlockError::Misaligned),
        (0, size - 1, BlockError::Misaligned),
        (0, size + 1, BlockError::Misaligned),
    ] {
        let (data, read) = disk.read(offset, Buffer::zeroed(length)).await;
        assert_eq!(read, Err(expected), "read of {length} at {offset}");
        let (_, written) = disk.write(offset, data).await;
        assert_eq!(written, Err(expected), "write of {length} at {offset}");
    }
}

// SPDX-License-Identifier: ISC
//! A disk in memory.

use alloc::{rc::Rc, vec, vec::Vec};
use core::cell::RefCell;

use crate::block::{self, Block, BlockError, BlockInfo, Buffer};

/// A disk in memory. Every request finishes when it is first polled. Clones are the same disk.
#[derive(Clone)]
pub struct Disk {
    bytes: Rc<RefCell<Vec<u8>>>,
    info: BlockInfo,
}

impl Disk {
    /// A disk of `blocks` blocks of zeroes.
    ///
    /// # Panics
    ///
    /// If `block_size` is not a power of two.
    pub fn new(block_size: u32, blocks: usize) -> Self {
        assert!(block_size.is_power_of_two());
        Self::with(block_size, vec![0; block_size as usize * blocks])
    }

    /// A disk that holds `bytes`, with zeroes up to the end of the last block.
    ///
    /// # Panics
    ///
    /// If `block_size` is not a power of two.
    pub fn with(block_size: u32, mut bytes: Vec<u8>) -> Self {
        assert!(block_size.is_power_of_two());
        bytes.resize(bytes.len().next_multiple_of(block_size as usize), 0);
        Self {
            info: BlockInfo {
                block_size,
                capacity: bytes.len() as u64,
                max_transfer: usize::MAX & !(block_size as usize - 1),
                queue_depth: usize::MAX,
                read_only: false,
                flush: true,
            },
            bytes: Rc::new(RefCell::new(bytes)),
        }
    }

    /// The same disk, through which nothing can be written.
    pub fn read_only(&self) -> Self {
        let mut disk = self.clone();
        disk.info.read_only = true;
        disk
    }
}

impl Block for Disk {
    fn info(&self) -> BlockInfo {
        self.info
    }

    async fn read(&self, offset: u64, mut buffer: Buffer) -> (Buffer, Result<(), BlockError>) {
        let result = block::check(&self.info, offset, buffer.len(), false);
        if result.is_ok() {
            let range = offset as usize..offset as usize + buffer.len();
            buffer.copy_from_slice(&self.bytes.borrow()[range]);
        }
        (buffer, result)
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> (Buffer, Result<(), BlockError>) {
        let result = block::check(&self.info, offset, buffer.len(), true);
        if result.is_ok() {
            let range = offset as usize..offset as usize + buffer.len();
            self.bytes.borrow_mut()[range].copy_from_slice(&buffer);
        }
        (buffer, result)
    }

    async fn flush(&self) -> Result<(), BlockError> {
        Ok(())
    }
}

// SPDX-License-Identifier: ISC
//! A disk whose power can fail.

use alloc::{boxed::Box, collections::BTreeMap, rc::Rc};
use core::cell::{Cell, RefCell};

use super::Random;
use crate::block::{self, Block, BlockError, BlockInfo, Buffer};

/// A disk with a cache that forgets: what was written and not flushed survives
/// [`cut`](Self::cut) block by block, or not, as a seed says. Clones are the same disk.
///
/// With it a store can be shown to find its data again after a loss of power at any moment.
pub struct PowerCut<B>(Rc<Inner<B>>);

struct Inner<B> {
    disk: B,
    /// Blocks written and not flushed, by their offset.
    cache: RefCell<BTreeMap<u64, Cached>>,
    /// Of the last write.
    version: Cell<u64>,
    off: Cell<bool>,
}

struct Cached {
    version: u64,
    bytes: Box<[u8]>,
}

impl<B: Block> PowerCut<B> {
    /// A cache over `disk`.
    pub fn new(disk: B) -> Self {
        Self(Rc::new(Inner {
            disk,
            cache: RefCell::default(),
            version: Cell::new(0),
            off: Cell::new(false),
        }))
    }

    /// Cuts the power. Of the blocks not flushed some reach the disk below, the others do not;
    /// every request from now on fails.
    ///
    /// # Errors
    ///
    /// [`BlockError::Failed`] if the disk below does.
    pub async fn cut(&self, seed: u64) -> Result<(), BlockError> {
        let mut random = Random::new(seed);
        self.0.off.set(true);
        let cache = self.0.cache.take();
        for (offset, block) in cache {
            if random.number() & 1 == 1 {
                self.0
                    .disk
                    .write(offset, Buffer::from(&*block.bytes))
                    .await
                    .1?;
            }
        }
        Ok(())
    }

    fn check(&self, offset: u64, len: usize, write: bool) -> Result<(), BlockError> {
        if self.0.off.get() {
            return Err(BlockError::Failed);
        }
        block::check(&self.info(), offset, len, write)
    }
}

impl<B> Clone for PowerCut<B> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<B: Block> Block for PowerCut<B> {
    fn info(&self) -> BlockInfo {
        BlockInfo {
            flush: true,
            ..self.0.disk.info()
        }
    }

    async fn read(&self, offset: u64, buffer: Buffer) -> (Buffer, Result<(), BlockError>) {
        if let Err(error) = self.check(offset, buffer.len(), false) {
            return (buffer, Err(error));
        }
        let (mut buffer, result) = self.0.disk.read(offset, buffer).await;
        let end = offset + buffer.len() as u64;
        for (at, block) in self.0.cache.borrow().range(offset..end) {
            let start = (at - offset) as usize;
            buffer[start..start + block.bytes.len()].copy_from_slice(&block.bytes);
        }
        (buffer, result)
    }

    async fn write(&self, offset: u64, buffer: Buffer) -> (Buffer, Result<(), BlockError>) {
        if let Err(error) = self.check(offset, buffer.len(), true) {
            return (buffer, Err(error));
        }
        let version = self.0.version.get() + 1;
        self.0.version.set(version);
        let mut cache = self.0.cache.borrow_mut();
        let mut at = offset;
        for bytes in buffer.chunks_exact(self.info().block_size as usize) {
            let bytes = bytes.into();
            cache.insert(at, Cached { version, bytes });
            at += u64::from(self.info().block_size);
        }
        drop(cache);
        (buffer, Ok(()))
    }

    async fn flush(&self) -> Result<(), BlockError> {
        self.check(0, 0, false)?;
        let last = self.0.version.get();
        let mut from = 0;
        loop {
            // A block stays in the cache until it is below, so that readers find it somewhere.
            let next = self
                .0
                .cache
                .borrow()
                .range(from..)
                .next()
                .map(|(at, block)| (*at, block.version, Buffer::from(&*block.bytes)));
            let Some((at, version, bytes)) = next else {
                break;
            };
            from = at + 1;
            if version > last {
                continue;
            }
            self.0.disk.write(at, bytes).await.1?;
            let mut cache = self.0.cache.borrow_mut();
            if cache.get(&at).is_some_and(|block| block.version == version) {
                cache.remove(&at);
            }
        }
        self.0.disk.flush().await
    }
}

// SPDX-License-Identifier: ISC
//! A pool over memory of the test's own, for the tests of every platform that has one. A frame gives
//! its buffer back through a plain function, so each test has a pool in its thread.

use std::{boxed::Box, thread_local, vec};

use super::{Pool, Sizes};

thread_local! {
    static POOL: &'static Pool = Box::leak(Box::new(Pool::new()));
}

/// A pool for links with this MTU, ready for use.
pub(crate) fn pool(mtu: u16) -> &'static Pool {
    pool_of(Sizes { mtu, large: 0 })
}

/// A pool of these sizes, ready for use.
pub(crate) fn pool_of(sizes: Sizes) -> &'static Pool {
    let memory = vec![0u8; sizes.bytes()].leak();
    let pool = POOL.with(|pool| *pool);
    // SAFETY: the memory is leaked for this pool, and the first thing that happens to it.
    unsafe {
        pool.init(memory.as_mut_ptr(), sizes, |token| {
            POOL.with(|pool| pool.give_back(token))
        })
    };
    pool
}

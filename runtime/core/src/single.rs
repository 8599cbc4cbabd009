// SPDX-License-Identifier: ISC
//! State of the one thread that an image has.

use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering},
};

/// A value that the functions of this crate share. It can be borrowed by one at a time.
///
/// Code of the program (a waker, a destructor) must not run inside [`with`](Self::with), because
/// it may come back here; whatever could run it is taken out first and dropped outside.
pub(crate) struct Single<T> {
    borrowed: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: needed because a `static` must be `Sync`.
// 1. `with` hands out one reference at a time, ordered by `borrowed`, so there is no data race.
// 2. Values that are not `Send` (futures) stay on the thread that put them there, since an image
//    has one thread; see "One thread" in the documentation of the crate.
unsafe impl<T> Sync for Single<T> {}

impl<T> Single<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            borrowed: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Calls `f` with the value.
    ///
    /// # Panics
    ///
    /// If `f` comes back here, or a second thread does.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        struct Return<'a>(&'a AtomicBool);
        impl Drop for Return<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        if self.borrowed.swap(true, Ordering::Acquire) {
            twice();
        }
        let _return = Return(&self.borrowed);
        // SAFETY: `borrowed` was false and is ours until `_return` is dropped, so no other
        // reference exists.
        f(unsafe { &mut *self.value.get() })
    }
}

#[cold]
fn twice() -> ! {
    panic!("runtime used from two threads, or from within itself");
}

// SPDX-License-Identifier: ISC
//! Ties the language's hooks to the runtime.

use core::{panic::PanicInfo, slice};

use fata_runtime::heap::Heap;

#[global_allocator]
static HEAP: Heap = Heap::new();

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    fata_runtime::panic(info)
}

/// The backend of the `getrandom` crate, versions 0.3 and 0.4, when it is compiled with
/// `--cfg getrandom_backend="custom"`. It never fails: an image without a seed ends instead.
///
/// # Safety
///
/// `to..to + len` is valid for writes.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(
    to: *mut u8,
    len: usize,
) -> Result<(), getrandom::Error> {
    // SAFETY: `getrandom` may pass uninitialised memory, of which no reference may be made.
    unsafe { to.write_bytes(0, len) };
    // SAFETY: valid by the caller's promise, and initialised now.
    fata_runtime::random::fill(unsafe { slice::from_raw_parts_mut(to, len) });
    Ok(())
}

// SPDX-License-Identifier: ISC
//! The memory that the program uses as it likes: one mapping, of which the host provides what is
//! touched.
//!
//! The program's allocator asks for it before it can allocate, so nothing here allocates. That is
//! why `--mem` is looked for here once more, in a simple way: the tender's parser, which makes an
//! error of what is wrong, needs a heap.

use std::{
    ffi::{CStr, c_char, c_int},
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicI32, AtomicPtr, Ordering},
    },
};

use fata_abi::{Error, Memory};
use fata_tender::options::DEFAULT_MEMORY;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

const PAGE: usize = 4096;

static REGION: OnceLock<Memory> = OnceLock::new();

static ARGUMENT_COUNT: AtomicI32 = AtomicI32::new(0);
static ARGUMENTS: AtomicPtr<*const c_char> = AtomicPtr::new(ptr::null_mut());

/// Remembers the arguments of the process, to look for `--mem` in.
///
/// # Safety
///
/// `arguments` leads to `count` pointers to strings that stay for good, as C's `main` gets them.
pub(crate) unsafe fn set_arguments(count: c_int, arguments: *const *const c_char) {
    ARGUMENT_COUNT.store(count, Ordering::Relaxed);
    ARGUMENTS.store(arguments.cast_mut(), Ordering::Release);
}

/// The memory, mapped when it is first asked for.
pub(crate) fn region() -> Memory {
    *REGION.get_or_init(|| {
        let size = size_in(arguments()).unwrap_or(DEFAULT_MEMORY);
        map(size).unwrap_or_else(|| {
            // The allocator of this very message may depend on the memory, so it is constant.
            let message = b"error: the host refuses the memory: ask for less with `--mem`\n";
            let _ = rustix::io::write(rustix::stdio::stderr(), message);
            std::process::exit(1)
        })
    })
}

fn map(size: u64) -> Option<Memory> {
    let size = usize::try_from(size).ok()?;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping, where the kernel likes, changes no memory that is in use.
    let start = unsafe { mmap_anonymous(ptr::null_mut(), size, access, flags) }.ok()?;
    let start = start.expose_provenance();
    Some(Memory {
        start,
        end: start + size,
        stack_inside: false,
    })
}

/// Does what [`Platform::guard`](fata_abi::Platform::guard) says.
pub(crate) fn guard(start: usize, len: usize) -> Result<(), Error> {
    let memory = region();
    let inside =
        start >= memory.start && start.checked_add(len).is_some_and(|end| end <= memory.end);
    if !inside || !(start | len).is_multiple_of(PAGE) {
        return Err(Error::Invalid);
    }
    let start = ptr::with_exposed_provenance_mut(start);
    // SAFETY: the range is inside the memory that was given to the caller, who gives it up.
    unsafe { mprotect(start, len, MprotectFlags::empty()) }.map_err(|_| Error::Unspecified)
}

fn arguments() -> impl Iterator<Item = &'static [u8]> {
    let start = ARGUMENTS.load(Ordering::Acquire);
    let count = if start.is_null() {
        0
    } else {
        ARGUMENT_COUNT.load(Ordering::Relaxed)
    };
    (1..count.max(1) as usize).map(move |n| {
        // SAFETY: `set_arguments` was promised as many pointers, for good.
        let word = unsafe { start.add(n) };
        // SAFETY: likewise.
        let word = unsafe { *word };
        // SAFETY: and that each leads to a string.
        unsafe { CStr::from_ptr(word) }.to_bytes()
    })
}

/// The value of `--mem` among the options at the front, in bytes, if it is there and makes sense.
fn size_in<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<u64> {
    let value = words
        .take_while(|word| word.starts_with(b"--") && word.len() > 2)
        .find_map(|word| word.strip_prefix(b"--mem="))?;
    let digits = value
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, unit) = value.split_at(digits);
    let shift = match unit.first().map(u8::to_ascii_uppercase) {
        Some(b'K') => 10,
        None | Some(b'M') => 20,
        Some(b'G') => 30,
        Some(_) => return None,
    };
    let number: u64 = str::from_utf8(number).ok()?.parse().ok()?;
    number
        .checked_mul(1 << shift)
        .filter(|size| *size > 0 && size.is_multiple_of(PAGE as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_found_where_the_tender_would() {
        for (words, expected) in [
            (&[][..], None),
            (&["--mem=16"], Some(16 << 20)),
            (&["--net:a=tap0", "--mem=1G", "x"], Some(1 << 30)),
            (&["--mem=2048k"], Some(2 << 20)),
            (&["x", "--mem=16"], None),
            (&["--", "--mem=16"], None),
            (&["--mem="], None),
            (&["--mem=0"], None),
            (&["--mem=1K"], None),
            (&["--mem=99999999999999G"], None),
            (&["--mem=16Q"], None),
        ] {
            let words: &[&str] = words;
            assert_eq!(
                size_in(words.iter().map(|word| word.as_bytes())),
                expected,
                "{words:?}"
            );
        }
    }

    #[test]
    fn what_this_finds_the_tender_parses_alike() {
        for text in ["1", "16M", "512k", "3gib", "64MB"] {
            let word = format!("--mem={text}");
            let found = size_in([word.as_bytes()].into_iter());
            assert_eq!(
                found,
                fata_tender::options::parse_memory(text).ok(),
                "{text}"
            );
        }
    }

    #[test]
    fn memory_is_usable_and_pages_can_be_guarded() {
        let memory = region();
        assert_eq!(memory, region());
        assert_eq!((memory.end - memory.start) as u64, DEFAULT_MEMORY);
        assert_eq!(guard(memory.start + 1, PAGE), Err(Error::Invalid));
        assert_eq!(guard(memory.start - PAGE, PAGE), Err(Error::Invalid));
        assert_eq!(guard(memory.end, PAGE), Err(Error::Invalid));
        assert_eq!(guard(memory.start + 8 * PAGE, PAGE), Ok(()));
        let page: *mut [u8; PAGE] = ptr::with_exposed_provenance_mut(memory.start);
        // SAFETY: the memory is the test's; nothing else in this process uses it.
        let page = unsafe { &mut *page };
        assert_eq!(page, &[0; PAGE]);
        page.fill(1);
    }
}

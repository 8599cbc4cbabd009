// SPDX-License-Identifier: ISC
//! The boot stack: how much of the memory is its own, and the guard page below it.
//!
//! Where the platform runs the image on a stack at the end of the memory that it gives, heap and
//! stack would grow into each other unseen. So the stack is given `--stack-size` bytes, and the
//! page below them is made inaccessible where the platform can. This happens before the first
//! allocation, hence the arguments are looked for without one.

use core::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use fata_abi::platform;

use crate::{
    args::{Size, Value, Words},
    panic::fatal,
};

const PAGE: usize = 4096;
/// Bytes of stack without `--stack-size`; less where memory is scarce.
const DEFAULT: usize = 256 << 10;
/// Bytes of stack at least: less would overflow before there is anything to say it with.
const MINIMUM: usize = 16 << 10;

/// Lowest byte of the stack; zero until [`divide`] was called, or where there is nothing to divide.
static LOWEST: AtomicUsize = AtomicUsize::new(0);

/// Where the stack lies, if that is known.
pub(crate) fn bounds() -> Option<Range<usize>> {
    match LOWEST.load(Ordering::Relaxed) {
        0 => None,
        lowest => Some(lowest..platform::memory().end),
    }
}

/// Divides the platform's memory between heap and stack, sets the guard page, and returns the
/// heap's part. The same answer each time.
pub(crate) fn divide() -> Range<usize> {
    let memory = platform::memory();
    if !memory.stack_inside {
        return memory.start..memory.end;
    }
    let mut lowest = LOWEST.load(Ordering::Relaxed);
    if lowest == 0 {
        let total = memory.end - memory.start;
        let Some(size) = size(total, argument("--stack-size")) else {
            fatal(
                "no room for the stack: give more memory with `--mem`, or a `--stack-size` in bytes \
                 of up to half of it",
            );
        };
        lowest = (memory.end - size) & !(PAGE - 1);
        // A platform without guard pages still has the division.
        let _ = platform::guard(lowest - PAGE, PAGE);
        LOWEST.store(lowest, Ordering::Relaxed);
    }
    memory.start..lowest - PAGE
}

/// Bytes of `total` for the stack, for `wish` or without one, if they leave something for the heap.
fn size(total: usize, wish: Option<&str>) -> Option<usize> {
    let (size, most) = match wish {
        None => (DEFAULT.min(total / 4), total.saturating_sub(2 * PAGE)),
        Some(wish) => (Size::parse(wish)?.0, total / 2),
    };
    let size = size.max(MINIMUM);
    (size <= most).then_some(size)
}

/// The value of an argument, found without a heap, so as it stands on the command line. What the
/// argument's type is and whether it is allowed at all is checked once there is a heap.
pub(crate) fn argument(name: &str) -> Option<&'static str> {
    let image = platform::image();
    let given = find(platform::command_line(), name);
    given.or_else(|| find(image.boot_arguments.get(), name))
}

fn find<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut words = Words::new(line);
    while let Some(word) = words.next() {
        match word.strip_prefix(name) {
            Some("") => return words.next(),
            Some(rest) if rest.starts_with('=') => return rest.strip_prefix('='),
            _ => {}
        }
    }
    None
}

/// Forgets the division, for the next test.
#[cfg(test)]
pub(crate) fn reset() {
    LOWEST.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Session;

    #[test]
    fn stack_takes_what_it_is_given() {
        assert_eq!(size(2 << 20, None), Some(256 << 10));
        assert_eq!(size(512 << 10, None), Some(128 << 10), "little memory");
        assert_eq!(size(24 << 10, None), Some(MINIMUM), "very little");
        assert_eq!(size(20 << 10, None), None, "too little");
        assert_eq!(size(20 << 10, Some("1")), None);
        assert_eq!(size(2 << 20, Some("64K")), Some(64 << 10));
        assert_eq!(size(2 << 20, Some("1")), Some(MINIMUM));
        assert_eq!(size(2 << 20, Some("2M")), None, "nothing left for the heap");
        assert_eq!(size(2 << 20, Some("much")), None);
    }

    #[test]
    fn arguments_are_found_without_a_heap() {
        assert_eq!(find("--a=1 --stack-size=64K", "--stack-size"), Some("64K"));
        assert_eq!(find("--stack-size 64K --a", "--stack-size"), Some("64K"));
        assert_eq!(find("--stack-sizes=1", "--stack-size"), None);
        assert_eq!(find("--a='--stack-size=1'", "--stack-size"), None);
        assert_eq!(find("--stack-size", "--stack-size"), None);
    }

    #[test]
    fn memory_is_divided_once() {
        let session = Session::start();
        session.with(|host| {
            host.memory = Some(0x10_0000..0x30_0000);
            host.command_line = "--stack-size=64K";
        });
        assert_eq!(divide(), 0x10_0000..0x2e_f000);
        assert_eq!(bounds(), Some(0x2f_0000..0x30_0000));
        assert_eq!(divide(), 0x10_0000..0x2e_f000);
        session.with(|host| assert_eq!(host.guarded, [(0x2e_f000, 4096)]));
        reset();
    }
}

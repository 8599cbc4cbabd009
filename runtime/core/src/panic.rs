// SPDX-License-Identifier: ISC
//! How an image fails: a message, where it happened, and exit status 255.

use core::{
    fmt::Write,
    ops::Range,
    panic::PanicInfo,
    sync::atomic::{AtomicBool, Ordering},
};

use fata_abi::platform;

use crate::{arch, console::Line, heap, stack};

/// Return addresses printed at most.
const DEPTH: usize = 48;

static BACKTRACE: AtomicBool = AtomicBool::new(true);
static PANICKING: AtomicBool = AtomicBool::new(false);

/// Whether [`panic()`] prints return addresses.
pub(crate) fn set_backtrace(on: bool) {
    BACKTRACE.store(on, Ordering::Relaxed);
}

/// Prints `message`, where the program cannot go on, and aborts with status 255.
#[cold]
pub(crate) fn fatal(message: &str) -> ! {
    let mut line = Line::new();
    line.push("fatal: ");
    line.push(message);
    line.push("\n");
    line.flush();
    platform::abort()
}

/// What the panic handler of a sealed image does: prints the message, where it came up, and the
/// return addresses on the stack, which `cargo fata` turns into names; then aborts with status
/// 255.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    let frame = arch::frame_pointer();
    if PANICKING.swap(true, Ordering::Relaxed) {
        fatal("panic while printing a panic");
    }
    let mut line = Line::new();
    line.push("panic");
    if let Some(location) = info.location() {
        line.push(" at ");
        line.push(location.file());
        line.push(":");
        line.push_number(location.line().into(), 0, b' ');
        line.push(":");
        line.push_number(location.column().into(), 0, b' ');
    }
    // A failure to write cannot be reported any better.
    let _ = writeln!(line, ": {}", info.message());
    heap::explain_failure(&mut line);
    if BACKTRACE.load(Ordering::Relaxed)
        && let Some(stack) = stack::bounds()
    {
        // SAFETY: this is the stack that the image runs on.
        unsafe { backtrace(frame, stack, &mut line) };
    }
    line.flush();
    platform::abort()
}

/// Prints return addresses, innermost first, starting with that of `frame`.
///
/// Whatever the words on the stack are, it reads nothing but the stack, and comes to an end.
///
/// # Safety
///
/// `stack` is readable memory.
unsafe fn backtrace(mut frame: usize, stack: Range<usize>, line: &mut Line) {
    line.push("backtrace:");
    for _ in 0..DEPTH {
        // A frame begins with the saved frame pointer and the return address.
        if !frame.is_multiple_of(8) || frame < stack.start || frame > stack.end.saturating_sub(16) {
            break;
        }
        // SAFETY: both words lie on the stack, as was just checked, and are aligned.
        let [next, address] = unsafe { *(frame as *const [usize; 2]) };
        if address == 0 {
            break;
        }
        line.push(" ");
        line.push_hex(address);
        // The stack grows down, so callers lie above; anything else would not end.
        if next <= frame {
            break;
        }
        frame = next;
    }
    line.push("\n");
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;
    use crate::tests::Session;

    /// The addresses printed for a stack of `words`, in which `base` stands for its address,
    /// starting at the frame `first` bytes into it.
    fn walk(words: &[Word], first: usize) -> String {
        let session = Session::start();
        let mut memory = std::vec![0usize; words.len()];
        let base = memory.as_ptr() as usize;
        for (place, word) in memory.iter_mut().zip(words) {
            *place = match word {
                Word::Frame(offset) => base + offset,
                Word::Is(value) => *value,
            };
        }
        let stack = base..base + memory.len() * 8;
        // SAFETY: the vector lives until after the call.
        unsafe { backtrace(base + first, stack, &mut Line::new()) };
        session.console()
    }

    enum Word {
        Frame(usize),
        Is(usize),
    }
    use Word::{Frame, Is};

    #[test]
    fn walks_up_to_the_first_frame() {
        let stack = [
            Frame(24),
            Is(0x11),
            Is(9),
            Frame(48),
            Is(0x22),
            Is(9),
            Is(0),
            Is(0x33),
        ];
        assert_eq!(walk(&stack, 0), "backtrace: 0x11 0x22 0x33\n");
    }

    #[test]
    fn stops_at_what_is_no_frame() {
        assert_eq!(walk(&[Frame(0), Is(1)], 0), "backtrace: 0x1\n", "itself");
        assert_eq!(
            walk(&[Frame(8), Is(1)], 0),
            "backtrace: 0x1\n",
            "half outside"
        );
        assert_eq!(
            walk(&[Frame(4), Is(1), Is(1), Is(1)], 0),
            "backtrace: 0x1\n",
            "odd"
        );
        assert_eq!(
            walk(&[Is(usize::MAX - 7), Is(1)], 0),
            "backtrace: 0x1\n",
            "far"
        );
        assert_eq!(walk(&[Is(0), Is(1)], 16), "backtrace:\n", "above");
        assert_eq!(walk(&[], 0), "backtrace:\n", "empty");
    }
}

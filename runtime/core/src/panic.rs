// SPDX-License-Identifier: ISC
//! How an image fails: a message, where it happened, and exit status 255.

use core::{
    fmt::Write,
    panic::PanicInfo,
    sync::atomic::{AtomicBool, Ordering},
};

use fata_abi::platform;

use crate::{arch, console::Line, heap, stack};

/// Return addresses printed at most.
const DEPTH: usize = 48;

static BACKTRACE: AtomicBool = AtomicBool::new(true);
static PANICKING: AtomicBool = AtomicBool::new(false);

/// Whether [`panic`] prints return addresses.
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
        // A failure to write cannot be reported any better.
        let _ = write!(
            line,
            " at {}:{}:{}",
            location.file(),
            location.line(),
            location.column()
        );
    }
    let _ = writeln!(line, ": {}", info.message());
    heap::explain_failure(&mut line);
    if BACKTRACE.load(Ordering::Relaxed) {
        backtrace(frame, &mut line);
    }
    line.flush();
    platform::abort()
}

/// Prints return addresses, innermost first, starting at `frame`.
fn backtrace(mut frame: usize, line: &mut Line) {
    let Some(stack) = stack::bounds() else {
        return;
    };
    line.push("backtrace:");
    for _ in 0..DEPTH {
        // Room for the saved frame pointer and the return address, wholly on the stack.
        if frame % 8 != 0 || frame < stack.start || frame > stack.end - 16 {
            break;
        }
        // SAFETY: both words lie on the stack, which is mapped, and are aligned. They may be
        // anything, which the checks above catch in the next round.
        let [next, address] = unsafe { *(frame as *const [usize; 2]) };
        if address == 0 {
            break;
        }
        let _ = write!(line, " {address:#x}");
        // The stack grows down, so callers lie above; anything else would not end.
        if next <= frame {
            break;
        }
        frame = next;
    }
    line.push("\n");
}

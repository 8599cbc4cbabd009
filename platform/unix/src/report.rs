// SPDX-License-Identifier: ISC
//! How the process fails: a message, where it happened, and exit status 255, as a sealed image does.
//!
//! A backtrace with names takes megabytes, which the program may not have left, and the standard
//! library holds a lock while it makes one that it takes again when memory runs out. So from the
//! first panic on memory comes from the host ([`spare`]), beside that of the program.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    backtrace::Backtrace,
    env,
    ffi::c_int,
    panic::{self, PanicHookInfo},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use fata_abi::Platform;

use crate::Unix;

/// Whether a panic prints a backtrace.
static BACKTRACE: AtomicBool = AtomicBool::new(false);
/// Whether a panic is being reported, which ends the process.
static REPORTING: AtomicBool = AtomicBool::new(false);
/// Says why memory ran out, if it did.
static EXPLAIN: OnceLock<fn() -> bool> = OnceLock::new();

/// Takes over what happens at a panic, before anything can.
///
/// # Safety
///
/// No other thread uses the environment.
pub(crate) unsafe fn prepare() {
    if let Some(value) = env::var_os("RUST_BACKTRACE") {
        BACKTRACE.store(value != "0", Ordering::Relaxed);
        // Else the standard library prints one when memory runs out, out of that memory.
        // SAFETY: the caller's promise.
        unsafe { env::remove_var("RUST_BACKTRACE") };
    }
    panic::set_hook(Box::new(report_panic));
}

/// Decides about signals, for the program alone and no process that was started for it.
pub(crate) fn prepare_signals() {
    // What is written to a pipe that nobody reads is lost, as on the console of a sealed image.
    // SAFETY: no handler is involved.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let handler: extern "C" fn(c_int) = explain_abort;
    // SAFETY: the handler uses nothing that may be half changed: it reads atomics and writes to the
    // console.
    unsafe { libc::signal(libc::SIGABRT, handler as libc::sighandler_t) };
}

/// The process ends as a panic ends a sealed image: the same line on the console, the same status.
/// The backtrace is the host's, which knows names, and is asked for as everywhere: `RUST_BACKTRACE`.
fn report_panic(info: &PanicHookInfo<'_>) {
    REPORTING.store(true, Ordering::Relaxed);
    let message = info.payload_as_str().unwrap_or("a value that is no text");
    let place = info
        .location()
        .map(|place| format!(" at {place}"))
        .unwrap_or_default();
    Unix::console_write(format!("panic{place}: {message}\n").as_bytes());
    if BACKTRACE.load(Ordering::Relaxed) {
        Unix::console_write(Backtrace::force_capture().to_string().as_bytes());
    }
    Unix::abort()
}

/// The standard library aborts a process whose memory ran out. A sealed image says how much there
/// was and ends with status 255; all other aborts stay what they are.
extern "C" fn explain_abort(_signal: c_int) {
    if EXPLAIN.get().is_some_and(|explain| explain()) {
        // SAFETY: unlike `exit` it may be called in a handler.
        unsafe { libc::_exit(255) }
    }
    // SAFETY: no handler is involved. `abort` raises the signal again when this one returns.
    unsafe { libc::signal(libc::SIGABRT, libc::SIG_DFL) };
}

/// Memory beside that of the program, while a panic is reported; the program's allocator asks here
/// first. It is never given back, and nothing need be given back to the program's memory any more
/// either, since the process is about to end.
pub fn spare(layout: Layout) -> Option<*mut u8> {
    // SAFETY: an allocator is asked for memory that is not empty.
    (is_reporting() && layout.size() != 0).then(|| unsafe { System.alloc(layout) })
}

/// Whether a panic is being reported.
pub fn is_reporting() -> bool {
    REPORTING.load(Ordering::Relaxed)
}

/// Takes note of what says, when the process aborts, that memory ran out, if it did: it prints why
/// and returns true. The program's allocator calls this when it has no memory.
pub fn explain_with(explain: fn() -> bool) {
    EXPLAIN.get_or_init(|| explain);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_nobody_reads_does_not_end_the_process() {
        // As in a process whose `main` is not Rust's.
        // SAFETY: no handler is involved.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        prepare_signals();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let error = std::io::Write::write(&mut &writer, b"lost").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }
}

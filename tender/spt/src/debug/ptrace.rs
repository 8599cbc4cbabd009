// SPDX-License-Identifier: ISC
//! The system calls under [`super::process`]: fork(2), ptrace(2), waitpid(2), signalfd(2).

use std::{
    ffi::{c_int, c_long, c_uint, c_void},
    io, mem,
    os::fd::{FromRawFd, OwnedFd},
    ptr,
};

use fata_tender_debug::{FX_SIZE, USER_WORDS};

const PTRACE_GET_SYSCALL_INFO: c_uint = 0x420e;
/// Where `struct user` has the debug registers.
const DEBUG_REGISTERS: usize = 848;
const STATUS: usize = 6;

/// Makes a second process, which gets `None`.
pub(super) fn fork() -> io::Result<Option<i32>> {
    // SAFETY: a tender has one thread, so no lock is held by a thread that the child lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        child => Ok(Some(child)),
    }
}

/// A child that is traced.
#[derive(Clone, Copy)]
pub(super) struct Tracee(i32);

/// What it is doing in a system call that it is stopped at.
pub(super) enum Call {
    /// It has asked: number and arguments.
    Entry(u64, [u64; 6]),
    /// It gets this result.
    Exit(i64),
    /// Neither.
    None,
}

impl Tracee {
    /// Traces a child from now on. It dies with this process.
    pub(super) fn seize(child: i32) -> io::Result<Self> {
        let options =
            libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACEEXIT | libc::PTRACE_O_TRACESYSGOOD;
        let tracee = Self(child);
        tracee.request(libc::PTRACE_SEIZE, 0, options as usize)?;
        Ok(tracee)
    }

    /// A request whose arguments are numbers.
    fn request(self, request: c_uint, address: usize, data: usize) -> io::Result<()> {
        // SAFETY: callers of this method make requests that write no memory of this process.
        let result = unsafe { libc::ptrace(request, self.0, address, data) };
        check(result).map(drop)
    }

    /// A request that reads or writes `data`.
    fn transfer<T>(self, request: c_uint, address: usize, data: &mut T) -> io::Result<()> {
        let data: *mut T = data;
        // SAFETY: callers of this method make requests whose data is a `T` in size and kind, of
        // which every pattern of bits is one; `PTRACE_GET_SYSCALL_INFO` writes as many bytes as
        // `address` says, which is the size of `T`.
        let result = unsafe { libc::ptrace(request, self.0, address, data.cast::<c_void>()) };
        check(result).map(drop)
    }

    /// Lets it run: `PTRACE_CONT`, `PTRACE_SYSCALL`, `PTRACE_SINGLESTEP` or `PTRACE_LISTEN`.
    pub(super) fn resume(self, request: c_uint, signal: u8) -> io::Result<()> {
        self.request(request, 0, signal.into())
    }

    /// Stops it.
    pub(super) fn interrupt(self) -> io::Result<()> {
        self.request(libc::PTRACE_INTERRUPT, 0, 0)
    }

    /// Ends it.
    pub(super) fn kill(self) -> io::Result<()> {
        // SAFETY: the number is that of a child that was not waited for to its end.
        check(unsafe { libc::kill(self.0, libc::SIGKILL) }.into()).map(drop)
    }

    pub(super) fn registers(self) -> io::Result<[u64; USER_WORDS]> {
        let mut words = [0; USER_WORDS];
        self.transfer(libc::PTRACE_GETREGS, 0, &mut words)?;
        Ok(words)
    }

    pub(super) fn set_registers(self, mut words: [u64; USER_WORDS]) -> io::Result<()> {
        self.transfer(libc::PTRACE_SETREGS, 0, &mut words)
    }

    pub(super) fn fx(self) -> io::Result<[u8; FX_SIZE]> {
        let mut fx = [0; FX_SIZE];
        self.transfer(libc::PTRACE_GETFPREGS, 0, &mut fx)?;
        Ok(fx)
    }

    pub(super) fn set_fx(self, mut fx: [u8; FX_SIZE]) -> io::Result<()> {
        self.transfer(libc::PTRACE_SETFPREGS, 0, &mut fx)
    }

    /// The debug register that says what was seen.
    pub(super) fn debug_status(self) -> io::Result<u64> {
        let place = DEBUG_REGISTERS + 8 * STATUS;
        // SAFETY: the C library makes the value the result, and has the kernel write it to its own
        // stack. It is never -1: half of the register is always zero.
        let value = unsafe { libc::ptrace(libc::PTRACE_PEEKUSER, self.0, place, 0) };
        check(value).map(|value| value as u64)
    }

    /// Sets debug register `number`.
    pub(super) fn set_debug_register(self, number: usize, value: u64) -> io::Result<()> {
        let place = DEBUG_REGISTERS + 8 * number;
        self.request(libc::PTRACE_POKEUSER, place, value as usize)
    }

    /// The status with which it is about to exit, as `waitpid` has it.
    pub(super) fn exit_status(self) -> io::Result<c_int> {
        let mut message: libc::c_ulong = 0;
        self.transfer(libc::PTRACE_GETEVENTMSG, 0, &mut message)?;
        Ok(message as c_int)
    }

    /// The reason of a signal that it is stopped for (`si_code`).
    pub(super) fn signal_code(self) -> io::Result<c_int> {
        // `siginfo_t`: signal, error, code, and what does not matter here.
        let mut info = [0 as c_int; mem::size_of::<libc::siginfo_t>() / mem::size_of::<c_int>()];
        self.transfer(libc::PTRACE_GETSIGINFO, 0, &mut info)?;
        Ok(info[2])
    }

    /// The system call that it is stopped at.
    pub(super) fn call(self) -> io::Result<Call> {
        // `struct ptrace_syscall_info`: kind, architecture, two addresses, then number and
        // arguments, or the result.
        let mut info = [0u64; 11];
        let size = mem::size_of_val(&info);
        self.transfer(PTRACE_GET_SYSCALL_INFO, size, &mut info)?;
        let [kind, _, _, first, arguments @ ..] = info;
        Ok(match kind as u8 {
            1 => {
                let [a, b, c, d, e, f, _] = arguments;
                Call::Entry(first, [a, b, c, d, e, f])
            }
            2 => Call::Exit(first as i64),
            _ => Call::None,
        })
    }

    /// What has happened to it, as `waitpid` has it; `None`: nothing, and `block` is not set.
    pub(super) fn wait(self, block: bool) -> io::Result<Option<c_int>> {
        let flags = if block { 0 } else { libc::WNOHANG };
        loop {
            let mut status = 0;
            // SAFETY: the call writes the status.
            match unsafe { libc::waitpid(self.0, &raw mut status, flags | libc::__WALL) } {
                0 => return Ok(None),
                -1 => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error => return Err(error),
                },
                _ => return Ok(Some(status)),
            }
        }
    }
}

fn check(result: c_long) -> io::Result<c_long> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// The signals that are waited for: something about the guest, and whoever wants this process gone.
const SIGNALS: [c_int; 5] = [
    libc::SIGCHLD,
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGQUIT,
];

/// A descriptor that can be read when there is a signal; the signals do nothing else any more.
pub(super) fn signals() -> io::Result<OwnedFd> {
    let mut set = mem::MaybeUninit::uninit();
    // SAFETY: the call writes all of the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in SIGNALS {
        // SAFETY: the set is initialised, and a signal has this number.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    let set: *const libc::sigset_t = set.as_ptr();
    // SAFETY: the call reads the set; no memory is at stake.
    check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, set, ptr::null_mut()) }.into())?;
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the call reads the set.
    let descriptor = check(unsafe { libc::signalfd(-1, set, flags) }.into())?;
    // SAFETY: it is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as c_int) })
}

/// Bytes of a signal that is read from that descriptor; the first word is its number.
pub(super) const SIGNAL_SIZE: usize = mem::size_of::<libc::signalfd_siginfo>();

/// Ends this process by a signal, without a core file of its own.
pub(super) fn die_of(signal: u8) -> ! {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call reads the limits.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    // SAFETY: no code of this process runs for a signal that has its default action.
    unsafe { libc::signal(signal.into(), libc::SIG_DFL) };
    let mut set = mem::MaybeUninit::uninit();
    // SAFETY: the call writes all of the set.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: the set is initialised.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut()) };
    // SAFETY: a signal to this thread, which is the only one.
    unsafe { libc::raise(signal.into()) };
    // It was one that ends no process.
    std::process::exit(128 + i32::from(signal))
}

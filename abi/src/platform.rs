// SPDX-License-Identifier: ISC
//! The contract between a unikernel and the platform below it.
//!
//! One image has one platform, chosen when it is linked, so the contract is not a value that is
//! passed around: a platform implements [`Platform`] and exports it with
//! [`export_platform!`](crate::export_platform); code above calls the functions of this module.
//! With link-time optimisation a call costs nothing more than the platform's own code.
//!
//! # Results
//!
//! Four outcomes exist: success, and the three [`Error`]s. A platform reports
//! [`Error::Invalid`] where it notices misuse, but a program must not rely on being told: another
//! platform may abort instead.
//!
//! # Blocking
//!
//! Only [`wait`] blocks. Everything else returns at once, except that a platform whose block
//! devices are synchronous (spt, hvt) spends the time of the transfer in [`block_submit`].
//!
//! # One thread
//!
//! All functions are called from the one thread that the image starts on. A platform may keep its
//! state without locks for that reason, but keeps all of it behind one value, so that a second CPU
//! can later be given its own.

use crate::{
    block::{BlockInfo, Completion, Request},
    frame::Frame,
    image::Image,
    net::NetInfo,
};

/// What went wrong, as coarse as a caller can act upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nothing to take now, or no room now. [`wait`] tells when to try again.
    Again,
    /// The arguments are wrong; nothing was done.
    Invalid,
    /// The platform failed, or does not offer this. Trying again will not help.
    Unspecified,
}

/// A device of the manifest, named by its index in it (1 to 63; entry 0 is reserved).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle(u8);

impl Handle {
    /// The handle of manifest entry `index`, if an entry can have that index.
    pub const fn new(index: usize) -> Option<Self> {
        if index >= 1 && index < crate::manifest::MAX_ENTRIES {
            Some(Self(index as u8))
        } else {
            None
        }
    }

    /// Index of the device in the manifest.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of devices, bit `n` standing for manifest entry `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandleSet(pub u64);

impl HandleSet {
    /// The set without members.
    pub const EMPTY: Self = Self(0);

    /// Whether no device is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `handle` is in the set.
    pub const fn contains(self, handle: Handle) -> bool {
        self.0 & (1 << handle.0) != 0
    }

    /// Adds `handle`.
    pub const fn insert(&mut self, handle: Handle) {
        self.0 |= 1 << handle.0;
    }

    /// Removes `handle`.
    pub const fn remove(&mut self, handle: Handle) {
        self.0 &= !(1 << handle.0);
    }
}

impl Iterator for HandleSet {
    type Item = Handle;

    /// Takes the lowest handle out of the set.
    fn next(&mut self) -> Option<Handle> {
        let handle = Handle::new(self.0.trailing_zeros() as usize)?;
        self.remove(handle);
        Some(handle)
    }
}

/// The memory that the platform gives the image to use as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// First free byte: page aligned, zeroed, writable and not executable, as is all that follows.
    pub start: usize,
    /// End of the free memory. Where `stack_inside` is set the boot stack grows down from here.
    pub end: usize,
    /// Whether the stack that the image runs on lies at the end of this memory. The owner of the
    /// memory then decides how much of it the stack may take, and guards it with
    /// [`guard`].
    pub stack_inside: bool,
}

/// What a platform owes the image above it.
///
/// The documentation of each method is binding for implementations and for callers.
pub trait Platform {
    /// Name of the platform as the tool spells it: `unix`, `spt`, ...
    const NAME: &'static str;

    /// The boot arguments as one line, without a program name. Quoting is the caller's to undo.
    /// The same text on every call.
    fn command_line() -> &'static str;

    /// The memory for heap and stack. The same answer on every call; valid from the first
    /// instruction, since an allocator may ask before anything else runs.
    fn memory() -> Memory;

    /// Makes `start..start + len` inaccessible for good: a guard page. Both page aligned and inside
    /// [`memory`](Self::memory).
    ///
    /// # Errors
    ///
    /// [`Error::Unspecified`] where the platform cannot (a stock Solo5 tender), [`Error::Invalid`]
    /// where the range is not as said. Nothing changed then.
    fn guard(start: usize, len: usize) -> Result<(), Error>;

    /// Ends the image with `status`, which becomes the exit status of the tender.
    fn exit(status: u8) -> !;

    /// Ends the image at once as failed (status 255), for when its state can no longer be trusted.
    /// A tender may keep a memory image.
    fn abort() -> !;

    /// Writes `bytes` to the console. All are written or lost; there is nothing to retry and no
    /// console input.
    fn console_write(bytes: &[u8]);

    /// Nanoseconds of a clock that never goes back, since a moment before the image started.
    fn clock_monotonic() -> u64;

    /// Nanoseconds since 1970-01-01 00:00 UTC, as the host believes. May jump.
    fn clock_wall() -> u64;

    /// Fills the front of `seed` with random bytes from outside the image and says how many. The
    /// rest is untouched. Zero where the tender gives none; the CPU's own generator is not used
    /// here, it is the caller's second source. Bytes given once are not given again.
    fn entropy(seed: &mut [u8]) -> usize;

    /// Blocks until `deadline` (of [`clock_monotonic`](Self::clock_monotonic)) or until a device
    /// has something to take, and returns which have.
    ///
    /// A deadline in the past polls without blocking; `u64::MAX` waits for devices alone. An empty
    /// set means that the deadline has passed, or nothing: a spurious return is allowed. A device
    /// counts from when it last answered [`Again`](Error::Again): one that was not taken from until
    /// then may or may not be returned again, so drain it first.
    fn wait(deadline: u64) -> HandleSet;

    /// Begins use of a network device.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the manifest has no network device at `handle`.
    fn net_open(handle: Handle) -> Result<NetInfo, Error>;

    /// Takes the next received frame. The buffer is lent: it returns to the device when the frame
    /// is dropped, and a device whose buffers are all lent receives nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Again`] when no frame is there or no buffer is free.
    fn net_receive(handle: Handle) -> Result<Frame, Error>;

    /// Borrows a buffer for a frame of `len` bytes to send. Its content is unspecified. Dropping
    /// it unsent gives it back.
    ///
    /// # Errors
    ///
    /// [`Error::Again`] when all buffers are in use, [`Error::Invalid`] when `len` exceeds
    /// [`NetInfo::max_frame`], or [`NetInfo::longest_on_wire`] on a platform without larger buffers.
    fn net_reserve(handle: Handle, len: usize) -> Result<Frame, Error>;

    /// Queues `frame` for sending, followed by the bytes of `tail`, as one frame. Any frame will do:
    /// one from [`net_reserve`](Self::net_reserve), or one received here or elsewhere. The network
    /// may lose it like any other: success means that the device took it, whole.
    ///
    /// The headers are in `frame`; the tail, empty in most cases, is payload from where it lies, and
    /// is taken during the call.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a frame that is empty, that with its tail is too long, or that asks for
    /// an offload that [`NetInfo::offload`] does not offer, a tail among them. The frame is dropped
    /// then.
    fn net_send(handle: Handle, frame: Frame, tail: [&[u8]; 2]) -> Result<(), Error>;

    /// Makes the device look at what was queued; called once after a batch.
    fn net_flush(handle: Handle);

    /// Begins use of a block device.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the manifest has no block device at `handle`.
    fn block_open(handle: Handle) -> Result<BlockInfo, Error>;

    /// Starts `request`; its [`Completion`] comes from [`block_complete`](Self::block_complete),
    /// at once where the platform is synchronous.
    ///
    /// # Safety
    ///
    /// `request.data..request.data + request.len` is valid memory, for writing where the request
    /// reads, and belongs to the device until the completion with this tag was returned.
    ///
    /// # Errors
    ///
    /// [`Error::Again`] when the queue is full; [`Error::Invalid`] when the range is not whole
    /// blocks inside the device, longer than [`BlockInfo::max_transfer`], or a write to a
    /// read-only device. Nothing was started then, and there will be no completion.
    unsafe fn block_submit(handle: Handle, request: Request) -> Result<(), Error>;

    /// Takes the next finished request, in any order.
    ///
    /// # Errors
    ///
    /// [`Error::Again`] when none has finished.
    fn block_complete(handle: Handle) -> Result<Completion, Error>;
}

/// Calls into the one platform of this image, and the two symbols that tie image and platform
/// together. Declared once here, defined once by [`export_platform!`](crate::export_platform).
macro_rules! waist {
    ($($(#[$doc:meta])* $name:ident = $symbol:ident ( $($arg:ident : $type:ty),* ) $(-> $ret:ty)?;)*) => {
        // SAFETY: the only definitions of these symbols are those that `export_platform!` writes,
        // from this same list, so the signatures agree; each forwards to a safe method.
        unsafe extern "Rust" {
            $($(#[$doc])* #[link_name = stringify!($symbol)] pub safe fn $name($($arg: $type),*) $(-> $ret)?;)*
            /// See [`Platform::block_submit`].
            ///
            /// # Safety
            ///
            /// As stated there.
            #[link_name = "__fata_block_submit"]
            pub unsafe fn block_submit(handle: Handle, request: Request) -> Result<(), Error>;
        }

        /// Makes a type that implements [`Platform`] the platform of the image it is linked into.
        #[macro_export]
        macro_rules! export_platform {
            ($platform:ty) => {
                const _: () = {
                    use $crate::platform::*;
                    use $crate::{block::*, frame::*, net::*};
                    $(
                        #[unsafe(export_name = stringify!($symbol))]
                        fn $name($($arg: $type),*) $(-> $ret)? {
                            <$platform as Platform>::$name($($arg),*)
                        }
                    )*
                    // SAFETY: the caller's promise is passed on unchanged.
                    #[unsafe(export_name = "__fata_block_submit")]
                    unsafe fn block_submit(handle: Handle, request: Request) -> Result<(), Error> {
                        // SAFETY: as above.
                        unsafe { <$platform as Platform>::block_submit(handle, request) }
                    }
                };
            };
        }
    };
}

waist! {
    /// See [`Platform::command_line`].
    command_line = __fata_command_line() -> &'static str;
    /// See [`Platform::memory`].
    memory = __fata_memory() -> Memory;
    /// See [`Platform::guard`].
    guard = __fata_guard(start: usize, len: usize) -> Result<(), Error>;
    /// See [`Platform::exit`].
    exit = __fata_exit(status: u8) -> !;
    /// See [`Platform::abort`].
    abort = __fata_abort() -> !;
    /// See [`Platform::console_write`].
    console_write = __fata_console_write(bytes: &[u8]);
    /// See [`Platform::clock_monotonic`].
    clock_monotonic = __fata_clock_monotonic() -> u64;
    /// See [`Platform::clock_wall`].
    clock_wall = __fata_clock_wall() -> u64;
    /// See [`Platform::entropy`].
    entropy = __fata_entropy(seed: &mut [u8]) -> usize;
    /// See [`Platform::wait`].
    wait = __fata_wait(deadline: u64) -> HandleSet;
    /// See [`Platform::net_open`].
    net_open = __fata_net_open(handle: Handle) -> Result<NetInfo, Error>;
    /// See [`Platform::net_receive`].
    net_receive = __fata_net_receive(handle: Handle) -> Result<Frame, Error>;
    /// See [`Platform::net_reserve`].
    net_reserve = __fata_net_reserve(handle: Handle, len: usize) -> Result<Frame, Error>;
    /// See [`Platform::net_send`].
    net_send = __fata_net_send(handle: Handle, frame: Frame, tail: [&[u8]; 2]) -> Result<(), Error>;
    /// See [`Platform::net_flush`].
    net_flush = __fata_net_flush(handle: Handle);
    /// See [`Platform::block_open`].
    block_open = __fata_block_open(handle: Handle) -> Result<BlockInfo, Error>;
    /// See [`Platform::block_complete`].
    block_complete = __fata_block_complete(handle: Handle) -> Result<Completion, Error>;
}

// SAFETY: `#[fata::main]` defines both, with these signatures, once in an image.
unsafe extern "Rust" {
    /// Runs the program and returns its exit status. A platform calls it once, when everything in
    /// [`Platform`] works.
    #[link_name = "__fata_main"]
    pub safe fn main() -> u8;

    /// What the image says of itself.
    #[link_name = "__fata_image"]
    pub safe fn image() -> &'static Image;
}

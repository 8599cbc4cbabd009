// SPDX-License-Identifier: ISC
//! The hvt target: an image on a virtual CPU that asks its tender by hypercalls and rings.
//!
//! This is Solo5's hvt ABI, version 2 (Solo5 `include/hvt_abi.h`), to the byte: our images run under
//! `solo5-hvt`, and Solo5's under our tender. What goes beyond it is an
//! [`Offer`](crate::offer::Offer), which with [`OFFER_RINGS`](crate::offer::OFFER_RINGS) gives the
//! [`ring`] of Solo5 more meaning.
//!
//! The CPU starts in 64-bit mode with all memory mapped at its own address, the stack pointer 8 below
//! the end of memory and the address of [`BootInfo`] as the argument of the entry point. Pages below
//! [`BOOT_INFO`] are the tender's.

pub mod ring;

/// Version of the ABI in the ABI note.
pub const ABI_VERSION: u32 = 2;
/// Where the tender puts [`BootInfo`]; manifest and command line follow it.
pub const BOOT_INFO: u64 = 0x10000;
/// End of what a tender puts below the image for one that knows of offers: with boot information,
/// CPU tables and page tables, no more than this is memory there.
pub const LOW_MEMORY: u64 = 0x20000;
/// A 32-bit `out` to this port plus the number of a hypercall, with the address of the call's
/// structure as the value, which so must lie below 4 GiB. What the structure leads to need not.
pub const HYPERCALL_PORT: u16 = 0x500;
/// A 32-bit `out` to this port, with the number of a ring as the value, tells the host that it has
/// new entries. It does not stop the virtual CPU for longer than that takes.
pub const KICK_PORT: u16 = 0x600;
/// The tender offers the network [`ring`]: a bit of [`BootInfo::host_features`].
pub const FEATURE_RING: u32 = 1 << 0;
/// Bytes that must be readable at [`Halt::cookie`], if that is not zero.
pub const COOKIE_SIZE: u64 = 512;

/// What the tender tells the guest; its address is the argument of the entry point.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BootInfo {
    /// End of guest memory. The stack pointer starts 8 below it.
    pub mem_size: u64,
    /// End of the image, `.bss` without file content left out.
    pub kernel_end: u64,
    /// Frequency of the time-stamp counter in Hz. It is constant.
    pub cpu_cycle_freq: u64,
    /// Address of the command line, NUL terminated.
    pub command_line: u64,
    /// Address of the manifest, attached.
    pub manifest: u64,
    /// What the tender offers: [`FEATURE_RING`]. Zero from tenders before Solo5 0.11, which write
    /// nothing here; the manifest may then begin here, so it is to be believed only if
    /// [`manifest`](Self::manifest) lies behind the structure.
    pub host_features: u32,
    /// Reserved for what the guest accepts.
    pub guest_features: u32,
    /// Address of the network [`ring::Ring`], behind the end of memory; zero for none.
    pub net_ring: u64,
}

/// Numbers of hypercalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Hypercall {
    /// [`WallTime`].
    WallTime = 1,
    /// [`Puts`].
    Puts = 2,
    /// [`Poll`].
    Poll = 3,
    /// [`BlockTransfer`] from memory to the device.
    BlockWrite = 4,
    /// [`BlockTransfer`] from the device into memory.
    BlockRead = 5,
    /// [`NetTransfer`] of a frame to send.
    NetWrite = 6,
    /// [`NetTransfer`] of a received frame.
    NetRead = 7,
    /// [`Halt`].
    Halt = 8,
}

impl Hypercall {
    /// The hypercall with this number.
    pub const fn new(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::WallTime,
            2 => Self::Puts,
            3 => Self::Poll,
            4 => Self::BlockWrite,
            5 => Self::BlockRead,
            6 => Self::NetWrite,
            7 => Self::NetRead,
            8 => Self::Halt,
            _ => return None,
        })
    }
}

/// Results in the `result` of calls and commits.
pub const OK: i32 = 0;
/// Nothing to take now, or no room now.
pub const AGAIN: i32 = 1;
/// The arguments are wrong.
pub const INVALID: i32 = 2;
/// The host failed.
pub const UNSPECIFIED: i32 = 3;

/// Asks for the time of day.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct WallTime {
    /// Out: nanoseconds since 1970.
    pub nanoseconds: u64,
}

/// Writes to the console.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Puts {
    /// Address of the bytes.
    pub data: u64,
    /// Number of bytes.
    pub len: u64,
}

/// Waits until a network device has something to read, or for some time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Poll {
    /// How long to wait, in nanoseconds.
    pub timeout: u64,
    /// Out: devices that have something to read, bit `n` standing for manifest entry `n`. With
    /// [`OFFER_RINGS`](crate::offer::OFFER_RINGS) none: the call ends when a ring has a commit.
    pub ready_set: u64,
    /// Out: number of devices, or negative.
    pub result: i32,
    /// Nothing.
    pub padding: u32,
}

/// Reads or writes a block. Solo5's bindings transfer one block a call.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockTransfer {
    /// Index of the device in the manifest.
    pub handle: u64,
    /// First byte on the device.
    pub offset: u64,
    /// Address of the memory.
    pub data: u64,
    /// Number of bytes.
    pub len: u64,
    /// Out: how it went.
    pub result: i32,
    /// Nothing.
    pub padding: u32,
}

/// Sends or receives a frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct NetTransfer {
    /// Index of the device in the manifest.
    pub handle: u64,
    /// Address of the memory.
    pub data: u64,
    /// Bytes to send; bytes that there is room for, then out: bytes received.
    pub len: u64,
    /// Out: how it went.
    pub result: i32,
    /// Nothing.
    pub padding: u32,
}

/// Ends the guest.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Halt {
    /// Address of a trap frame for whoever looks at the core dump, or zero.
    pub cookie: u64,
    /// Exit status.
    pub exit_status: i32,
    /// Nothing.
    pub padding: u32,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<BootInfo>() == 56);
    assert!(offset_of!(BootInfo, cpu_cycle_freq) == 16);
    assert!(offset_of!(BootInfo, manifest) == 32);
    assert!(offset_of!(BootInfo, host_features) == 40);
    assert!(offset_of!(BootInfo, net_ring) == 48);
    assert!(size_of::<Puts>() == 16);
    assert!(size_of::<Poll>() == 24 && offset_of!(Poll, result) == 16);
    assert!(size_of::<BlockTransfer>() == 40 && offset_of!(BlockTransfer, result) == 32);
    assert!(size_of::<NetTransfer>() == 32 && offset_of!(NetTransfer, result) == 24);
    assert!(size_of::<Halt>() == 16 && offset_of!(Halt, exit_status) == 8);
};

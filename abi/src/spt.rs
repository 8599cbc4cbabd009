// SPDX-License-Identifier: ISC
//! The spt target: an image mapped into a Linux process that may make a handful of system calls.
//!
//! This is Solo5's spt ABI, version 2 (Solo5 `include/spt_abi.h`), to the byte: our images run under
//! `solo5-spt`, and Solo5's under our tender. What goes beyond it is an
//! [`Offer`](crate::offer::Offer).

/// Version of the ABI in the ABI note.
pub const ABI_VERSION: u32 = 2;
/// Lowest address of guest memory; what lies below is never mapped.
pub const MEMORY_BASE: u64 = 0x10000;
/// Where the tender puts [`BootInfo`]; manifest and command line follow it.
pub const BOOT_INFO: u64 = 0x11000;
/// epoll data of the timer; devices have their manifest index.
pub const EPOLL_TIMER: u64 = !1u32 as u64;

/// What the tender tells the guest; its address is the argument of the entry point.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// End of guest memory. The stack pointer starts 8 below it.
    pub mem_size: u64,
    /// End of the image, `.bss` without file content left out.
    pub kernel_end: u64,
    /// Address of the command line, NUL terminated.
    pub command_line: u64,
    /// Address of the manifest, attached.
    pub manifest: u64,
    /// epoll descriptor of all devices and the timer.
    pub epoll_fd: i32,
    /// timerfd of the monotonic clock.
    pub timer_fd: i32,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<BootInfo>() == 40);
    assert!(offset_of!(BootInfo, kernel_end) == 8);
    assert!(offset_of!(BootInfo, command_line) == 16);
    assert!(offset_of!(BootInfo, manifest) == 24);
    assert!(offset_of!(BootInfo, epoll_fd) == 32);
    assert!(offset_of!(BootInfo, timer_fd) == 36);
};

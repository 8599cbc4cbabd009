// SPDX-License-Identifier: ISC
//! What the targets of Solo5's ABI, spt and hvt, have in common (Solo5 `include/elf_abi.h`).

/// Lowest address at which an image may be loaded.
pub const LOAD_MIN: u64 = 0x10_0000;
/// Bytes for the command line, its NUL included.
pub const COMMAND_LINE_SIZE: usize = 8192;
/// The linker script for images.
pub const LINKER_SCRIPT: &str = include_str!("solo5.ld");

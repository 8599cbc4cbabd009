// SPDX-License-Identifier: ISC
//! The state in which the virtual CPU starts.

/// Registers that are not the same for every guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Address of the first instruction.
    pub entry: u64,
    /// Stack pointer.
    pub stack: u64,
    /// The argument: address of the boot information.
    pub argument: u64,
}

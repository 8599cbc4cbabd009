// SPDX-License-Identifier: ISC
//! The hvt tender: runs a unikernel on a virtual CPU of KVM.

pub mod cpu;
pub mod hypervisor;
pub mod memory;
pub mod ring;

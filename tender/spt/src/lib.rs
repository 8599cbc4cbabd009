// SPDX-License-Identifier: ISC
//! The spt tender: runs a unikernel in a sandboxed Linux process.

// SPDX-License-Identifier: ISC
//! The platform of a unikernel in a sandboxed Linux process.

#![no_std]

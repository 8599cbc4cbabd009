// SPDX-License-Identifier: ISC
//! What runs a unikernel: executor, timers, heap, entropy, boot arguments, log.

#![no_std]

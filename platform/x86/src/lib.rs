// SPDX-License-Identifier: ISC
//! An x86-64 CPU without an operating system: descriptor tables, exceptions, page tables, clock.

#![no_std]

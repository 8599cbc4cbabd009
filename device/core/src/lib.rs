// SPDX-License-Identifier: ISC
//! Device traits: Net, Block, Kv and Flow, with in-memory devices, bad weather and conformance suites.

#![no_std]

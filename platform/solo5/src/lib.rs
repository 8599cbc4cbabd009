// SPDX-License-Identifier: ISC
//! What the platforms of Solo5's targets share: boot facts, offers, buffers.

#![no_std]

// SPDX-License-Identifier: ISC
//! What a sealed image has instead of a C library.

#![no_std]

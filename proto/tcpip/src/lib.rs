// SPDX-License-Identifier: ISC
//! TCP/IP for unikernels.

#![no_std]

// SPDX-License-Identifier: ISC
//! A library operating system: programs sealed into unikernels.

#![no_std]

// SPDX-License-Identifier: ISC
//! The platform of a unikernel on a virtual CPU, under a tender.

#![no_std]

// SPDX-License-Identifier: ISC
//! DNS for unikernels: wire format, zone files, authoritative server.

#![no_std]

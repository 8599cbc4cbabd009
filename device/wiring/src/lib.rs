// SPDX-License-Identifier: ISC
//! How the devices of a program are named in its manifest and connected.

#![no_std]

// SPDX-License-Identifier: ISC
//! dns.

fn main() {}

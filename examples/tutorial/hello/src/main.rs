// SPDX-License-Identifier: ISC
//! hello.

fn main() {}

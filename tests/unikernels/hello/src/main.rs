// SPDX-License-Identifier: ISC
//! test-hello.

fn main() {}

// SPDX-License-Identifier: ISC
//! network.

fn main() {}

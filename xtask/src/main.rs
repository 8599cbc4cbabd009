// SPDX-License-Identifier: ISC
//! Tests, benchmarks and checks of this repository.

fn main() {}

// SPDX-License-Identifier: ISC
//! Builds, runs and explains unikernels.

fn main() {}

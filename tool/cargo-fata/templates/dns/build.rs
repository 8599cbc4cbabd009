// SPDX-License-Identifier: ISC
//! Lets Cargo see zone files that are added or removed; changed ones it sees anyway.

fn main() {
    println!("cargo::rerun-if-changed=zones");
}

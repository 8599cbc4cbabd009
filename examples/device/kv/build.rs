// SPDX-License-Identifier: ISC
//! Files that come to be in `data`, or vanish, are noticed by looking at the directory.

fn main() {
    println!("cargo::rerun-if-changed=data");
}

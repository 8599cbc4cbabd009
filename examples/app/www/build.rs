// SPDX-License-Identifier: ISC
//! Lets cargo know that files of the site come and go.

fn main() {
    println!("cargo::rerun-if-changed=site");
}

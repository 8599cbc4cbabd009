// SPDX-License-Identifier: ISC
//! The build script of both tenders: links the unwinder of the compiler's support library statically
//! into their programs.
//!
//! Rust's standard library asks for `libgcc_s.so`. To find, map and relocate it takes a sixth of
//! the time from start to end of a short-lived guest, so the linker is shown a script of that name
//! that leads to the static library which every GCC has beside it.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=../link.rs");
    let dynamic_glibc = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|value| value == "gnu")
        && !env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|value| value.contains("crt-static"));
    if dynamic_glibc {
        let out = env::var("OUT_DIR").map_err(io::Error::other)?;
        fs::write(
            Path::new(&out).join("libgcc_s.so"),
            "GROUP ( libgcc_eh.a libgcc.a )\n",
        )?;
        // The program has the name of its package.
        let program = env::var("CARGO_PKG_NAME").map_err(io::Error::other)?;
        println!("cargo::rustc-link-arg-bin={program}=-L{out}");
    }
    Ok(())
}

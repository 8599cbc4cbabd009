// SPDX-License-Identifier: ISC
//! The matrix by itself: `cargo run -p fata-test-harness -- [ROW or PLATFORM]...`
//!
//! With `--cells` it is the part that runs in the nested machine.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use fata_test_harness::{matrix, platform::Platform};

fn main() -> anyhow::Result<ExitCode> {
    let mut options = matrix::Options::default();
    let mut inside = false;
    for word in std::env::args().skip(1) {
        if word == "--cells" {
            inside = true;
            continue;
        }
        match Platform::named(&word) {
            Some(platform) => options.platforms.push(platform),
            None => options.rows.push(word),
        }
    }
    if inside {
        matrix::run_inside(&options)?;
        return Ok(ExitCode::SUCCESS);
    }
    let summary = matrix::run(&options)?;
    println!();
    for skip in &summary.skipped {
        println!("skipped: {skip}");
    }
    let skipped = summary.skipped.len();
    println!(
        "{} passed, {} failed, {skipped} skipped",
        summary.passed, summary.failed
    );
    Ok(if summary.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

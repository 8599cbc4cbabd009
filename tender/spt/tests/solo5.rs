// SPDX-License-Identifier: ISC
//! Solo5's own test images under our tender, with the ends that Solo5's `tests/tests.bats` expects.
//!
//! They are not built here: `FATA_SOLO5_TESTS` names the folder `tests` of a Solo5 tree in which they
//! were. Those that need a network are for the tests that make one.

use std::path::PathBuf;

mod common;

use common::{End, SIGSEGV, SIGSYS, Scratch, end, tender};

/// Name, end, and what the console must show.
const WITHOUT_DEVICES: [(&str, End, &str); 13] = [
    ("hello", End::Status(0), "SUCCESS"),
    ("quiet", End::Status(0), "SUCCESS"),
    ("output", End::Status(0), ""),
    ("globals", End::Status(0), "SUCCESS"),
    ("tls", End::Status(0), "SUCCESS"),
    ("fpu", End::Status(0), "SUCCESS"),
    ("time", End::Status(0), "SUCCESS"),
    ("ssp", End::Status(255), "ABORT"),
    ("notls", End::Signal(SIGSEGV), ""),
    ("exception", End::Signal(SIGSEGV), ""),
    ("zeropage", End::Signal(SIGSEGV), ""),
    ("xnow", End::Signal(SIGSEGV), ""),
    ("wnox", End::Signal(SIGSEGV), ""),
];

/// The image of Solo5's test `name`, if there is one to try.
fn image(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("FATA_SOLO5_TESTS") else {
        println!("skipped: FATA_SOLO5_TESTS does not name a folder with Solo5's test images");
        return None;
    };
    let path = PathBuf::from(folder).join(format!("test_{name}/test_{name}.spt"));
    if !path.exists() {
        println!(
            "skipped: Solo5's test image was not built: {}",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn check(name: &str, options: &[String], expected: &End, shown: &str) {
    let Some(image) = image(name) else {
        return;
    };
    let mut command = tender();
    command.arg("--mem=2").args(options).arg("--").arg(image);
    command.arg(match name {
        "hello" => "Hello_Solo5",
        "quiet" => "--solo5:quiet",
        "output" => "Output_Solo5",
        _ => "",
    });
    let output = command.output().expect("the tender starts");
    assert_eq!(end(&output), *expected, "{name}: {output:?}");
    let console = String::from_utf8_lossy(&output.stdout);
    assert!(console.contains(shown), "{name}: {console}");
}

#[test]
fn without_devices() {
    for (name, expected, shown) in WITHOUT_DEVICES {
        check(name, &[], &expected, shown);
    }
    check("seccomp", &[], &End::Signal(SIGSYS), "");
}

#[test]
fn blocks_of_both_sizes() {
    for size in [512, 4096] {
        let disk = Scratch::new(&vec![0; 1 << 20]);
        let options = [
            format!("--block:storage={}", disk.path().display()),
            format!("--block-sector-size:storage={size}"),
        ];
        check("blk", &options, &End::Status(0), "SUCCESS");
    }
}

#[test]
fn as_many_devices_as_can_be() {
    let disks: Vec<_> = (0..63).map(|_| Scratch::new(&[0; 4096])).collect();
    let option = |(index, disk): (usize, &Scratch)| {
        format!("--block:storage{index}={}", disk.path().display())
    };
    let options: Vec<_> = disks.iter().enumerate().map(option).collect();
    check("mft_maxdevices", &options, &End::Status(0), "SUCCESS");
}

// SPDX-License-Identifier: ISC
//! What a newcomer's mistakes look like: status 1, what is wrong, and the next step on its own line.

use fata_abi::{
    manifest::{Device, DeviceKind},
    note::{self, Target},
};

mod common;

use common::{Assembly, Code, Scratch, tender};

fn good() -> Assembly {
    Code::new().exit(0).image()
}

fn with_devices() -> Assembly {
    let net = Device {
        name: "service",
        kind: DeviceKind::Net,
    };
    let block = Device {
        name: "storage",
        kind: DeviceKind::Block,
    };
    good().devices(&[net, block])
}

/// What the tender says of an image, given these options and arguments.
#[track_caller]
fn complaint(image: &[u8], options: &[&str], arguments: &[&str], needles: &[&str]) {
    let file = Scratch::new(image);
    let output = tender()
        .args(options)
        .arg(file.path())
        .args(arguments)
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(output.stdout.is_empty());
    assert!(
        message.starts_with("fata-spt: ") && message.contains("\nhint: "),
        "{message}"
    );
    for needle in needles {
        assert!(message.contains(needle), "`{needle}`: {message}");
    }
}

#[test]
fn files_that_are_no_images() {
    complaint(
        b"#!/bin/sh\n",
        &[],
        &[],
        &["is a text file", "cargo fata build"],
    );
    complaint(b"\0\0\0\0", &[], &[], &["is not an ELF file"]);
    let mut hvt = good();
    hvt.headers[3].content = note::abi(Target::Hvt, 2).0.to_vec();
    complaint(
        &hvt.bytes(),
        &[],
        &[],
        &["is an image for hvt, not spt", "-t spt"],
    );
    let own = std::fs::read(env!("CARGO_BIN_EXE_fata-spt")).unwrap();
    complaint(
        &own,
        &[],
        &[],
        &["not linked to run at fixed addresses", "ordinary program"],
    );
    let output = tender().arg("no/such/image").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("cannot open the image `no/such/image`"),
        "{message}"
    );
}

#[test]
fn options_and_devices() {
    let plain = good().bytes();
    complaint(
        &plain,
        &["--mam=16"],
        &[],
        &["unknown option: `--mam=16`", "--help"],
    );
    complaint(
        &plain,
        &["--mem=1"],
        &[],
        &["needs", "1024 KB", "at least `--mem=3`"],
    );
    complaint(
        &plain,
        &["--net:service=tap0"],
        &[],
        &["`service`", "declares no devices"],
    );
    let long = "x".repeat(8192);
    complaint(&plain, &["--mem=4"], &[&long], &["8192 bytes, where 8191"]);
    let devices = with_devices().bytes();
    complaint(
        &devices,
        &[],
        &[],
        &["`service` and block device `storage`", "--net:service=tap0"],
    );
    let disk = Scratch::new(&[0; 513]);
    let block = format!("--block:storage={}", disk.path().display());
    let user = "--net:service=user";
    complaint(
        &devices,
        &[user, &block],
        &[],
        &["513 bytes", "truncate -s 1024"],
    );
    complaint(
        &devices,
        &[user, "--block:storage=no.img"],
        &[],
        &["no.img", "truncate -s 16M"],
    );
    let tap = "--net:service=fatanotap";
    complaint(
        &devices,
        &[tap, &block],
        &[],
        &["`fatanotap`", "ip tuntap add", "=user"],
    );
}

#[test]
fn too_much_memory() {
    complaint(&good().bytes(), &["--mem=65536G"], &[], &["65536G"]);
    complaint(
        &good().bytes(),
        &["--mem=60000G"],
        &[],
        &["cannot map 61440000 MB", "--mem"],
    );
}

#[test]
fn help_and_version_are_data() {
    for (option, needle) in [("--help", "--net:NAME=@FD"), ("--version", "fata-spt 0.")] {
        let output = tender().arg(option).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(String::from_utf8(output.stdout).unwrap().contains(needle));
    }
}

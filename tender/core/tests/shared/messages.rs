// SPDX-License-Identifier: ISC
//! What a newcomer's mistakes look like, whichever the tender: status 1, what is wrong, and the next
//! step on its own line. The tests of each tender include this file, and say which it is by `TENDER`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use fata_abi::{
    manifest::{Device, DeviceKind},
    note,
};
use fata_tender::elf::Abi;

#[path = "../../src/elf/tests/assemble.rs"]
mod assemble;

use super::TENDER;
use assemble::{Assembly, DATA};

/// A tender under test.
pub(crate) struct Tender {
    /// Its program.
    pub(crate) program: &'static str,
    /// The name by which it speaks.
    pub(crate) name: &'static str,
    /// What its images are linked for.
    pub(crate) abi: Abi,
    /// What those of another tender are.
    pub(crate) other: Abi,
}

/// An image that is in order, of code that will not be run.
fn good(abi: Abi) -> Assembly {
    let mut image = Assembly::new(&[0xf4]);
    image.headers[3].content = note::abi(abi.target, abi.version).0.to_vec();
    image
}

fn with_devices(abi: Abi) -> Assembly {
    let net = Device {
        name: "service",
        kind: DeviceKind::Net,
    };
    let block = Device {
        name: "storage",
        kind: DeviceKind::Block,
    };
    good(abi).devices(&[net, block])
}

/// A file of its own in the temporary folder, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(content: &[u8]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fata-messages-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).expect("a file in the temporary folder");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Tender {
    fn command(&self) -> Command {
        Command::new(self.program)
    }

    /// Checks what the tender says of an image, given these options and arguments.
    #[track_caller]
    fn complains(&self, image: &[u8], options: &[&str], arguments: &[&str], needles: &[&str]) {
        let file = Scratch::new(image);
        let mut command = self.command();
        let command = command.args(options).arg(file.path()).args(arguments);
        let output = command.output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(output.stdout.is_empty());
        let start = format!("{}: ", self.name);
        assert!(
            message.starts_with(&start) && message.contains("\nhint: "),
            "{message}"
        );
        for needle in needles {
            assert!(message.contains(needle), "`{needle}`: {message}");
        }
    }
}

#[test]
fn files_that_are_no_images() {
    let text = ["is a text file", "cargo fata build"];
    TENDER.complains(b"#!/bin/sh\n", &[], &[], &text);
    TENDER.complains(b"\0\0\0\0", &[], &[], &["is not an ELF file"]);
    let name = |abi: Abi| format!("{:?}", abi.target).to_lowercase();
    let (own, other) = (name(TENDER.abi), name(TENDER.other));
    let is = format!("is an image for {other}, not {own}");
    let run = format!("run it with `fata-{other}`, or build it");
    let build = format!("-t {own}");
    let foreign = good(TENDER.other).bytes();
    TENDER.complains(&foreign, &[], &[], &[&is, &run, &build]);
    let program = fs::read(TENDER.program).unwrap();
    let position = ["not linked to run at fixed addresses", "ordinary program"];
    TENDER.complains(&program, &[], &[], &position);
    let output = TENDER.command().arg("no/such/image").output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    let cannot = "cannot open the image `no/such/image`";
    assert!(message.contains(cannot), "{message}");
}

#[test]
fn options_and_devices() {
    let plain = good(TENDER.abi).bytes();
    let unknown = ["unknown option: `--mam=16`", "--help"];
    TENDER.complains(&plain, &["--mam=16"], &[], &unknown);
    let small = ["needs", "1024 KB", "at least `--mem=3`"];
    TENDER.complains(&plain, &["--mem=1"], &[], &small);
    let none = ["`service`", "declares no devices"];
    TENDER.complains(&plain, &["--net:service=tap0"], &[], &none);
    let devices = with_devices(TENDER.abi).bytes();
    let both = ["`service` and block device `storage`", "--net:service=tap0"];
    TENDER.complains(&devices, &[], &[], &both);
    let disk = Scratch::new(&[0; 513]);
    let block = format!("--block:storage={}", disk.path().display());
    let user = "--net:service=user";
    let odd = ["513 bytes", "truncate -s 1024"];
    TENDER.complains(&devices, &[user, &block], &[], &odd);
    let missing = ["no.img", "truncate -s 16M"];
    TENDER.complains(&devices, &[user, "--block:storage=no.img"], &[], &missing);
    let tap = "--net:service=fatanotap";
    let interface = ["`fatanotap`", "ip tuntap add", "=user"];
    TENDER.complains(&devices, &[tap, &block], &[], &interface);
}

#[test]
fn too_much_memory() {
    let image = good(TENDER.abi).offer(DATA).bytes();
    TENDER.complains(&image, &["--mem=65536G"], &[], &["65536G"]);
    let most = ["cannot map 6144000", "--mem"];
    TENDER.complains(&image, &["--mem=60000G"], &[], &most);
}

#[test]
fn a_long_command_line() {
    let image = good(TENDER.abi).bytes();
    let long = "x".repeat(8192);
    TENDER.complains(&image, &["--mem=4"], &[&long], &["8192 bytes, where 8191"]);
}

#[test]
fn help_and_version_are_data() {
    let version = format!("{} 0.", TENDER.name);
    for (option, needle) in [("--help", "--net:NAME=@FD"), ("--version", &version)] {
        let output = TENDER.command().arg(option).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(String::from_utf8(output.stdout).unwrap().contains(needle));
    }
}

// SPDX-License-Identifier: ISC
//! Tests of attaching what needs no privilege: names, sockets and files.

use std::{
    fs::{self, File},
    os::{
        fd::AsRawFd,
        unix::net::{UnixDatagram, UnixStream},
    },
    path::PathBuf,
};

use fata_abi::manifest::{self, Device};

use super::*;

fn manifest(devices: &[Device<'static>]) -> Manifest<Vec<u8>> {
    const SIZE: usize = manifest::note_size(2);
    let note = match devices {
        [first, second] => manifest::encode_note::<SIZE>(&[*first, *second]),
        _ => unreachable!("two devices"),
    };
    Manifest::parse(note.0[24..].to_vec()).expect("a manifest")
}

fn net_and_block() -> Manifest<Vec<u8>> {
    let net = Device {
        name: "service",
        kind: DeviceKind::Net,
    };
    let block = Device {
        name: "storage",
        kind: DeviceKind::Block,
    };
    manifest(&[net, block])
}

fn options(line: &str) -> Options {
    let mut options = Options::default();
    for word in line.split_whitespace() {
        assert!(options.take(word.as_ref()).expect(word), "{word}");
    }
    options
}

fn message(line: &str) -> String {
    attach(&mut net_and_block(), &options(line), Wants::default())
        .expect_err(line)
        .to_string()
}

/// A file of its own in the temporary folder, removed at the end.
struct Disk(PathBuf);

impl Disk {
    fn new(name: &str, size: u64) -> Self {
        let path = std::env::temp_dir().join(format!("fata-{}-{name}", std::process::id()));
        File::create(&path).unwrap().set_len(size).unwrap();
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_socket_and_a_file() {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let disk = Disk::new("attach", 8192);
    let line = format!(
        "--block:storage={} --block-sector-size:storage=4096 --net:service=@{}",
        disk.0.display(),
        theirs.as_raw_fd()
    );
    let mut manifest = net_and_block();
    let attached = attach(&mut manifest, &options(&line), Wants::default()).unwrap();
    let fds: Vec<_> = attached
        .iter()
        .map(|device| device.descriptor.as_raw_fd())
        .collect();
    assert_eq!(
        attached
            .iter()
            .map(|device| device.index)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    let net = manifest.attachment(1).unwrap();
    let Properties::Net { mac, mtu } = net.properties else {
        panic!("{net:?}");
    };
    assert_eq!((net.fd, mtu, mac[0] & 3), (fds[0], 1500, 2));
    let block = manifest.attachment(2).unwrap();
    let properties = Properties::Block {
        capacity: 8192,
        block_size: 4096,
    };
    assert_eq!((block.fd, block.properties), (fds[1], properties));
    // The copy does not block, and is the same socket.
    ours.send(b"frame").unwrap();
    let copy = UnixDatagram::from(attached.into_iter().next().unwrap().descriptor);
    let mut buffer = [0; 16];
    assert_eq!(copy.recv(&mut buffer).unwrap(), 5);
    assert_eq!(
        copy.recv(&mut buffer).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
}

#[test]
fn a_disk_has_one_user() {
    let disk = Disk::new("lock", 512);
    let first = block::open("storage", &disk.0, 512).unwrap();
    let error = block::open("storage", &disk.0, 512)
        .unwrap_err()
        .to_string();
    assert!(error.contains("in use"), "{error}");
    drop(first);
    block::open("storage", &disk.0, 512).unwrap();
}

#[test]
fn options_and_manifest_must_fit() {
    for (line, needles) in [
        (
            "",
            &[
                "network device `service` and block device `storage`",
                "--block:storage=",
            ][..],
        ),
        (
            "--net:service=tap0",
            &["needs its block device `storage`", "--block:storage="],
        ),
        (
            "--net:other=tap0",
            &["no network device `other`", "`service` (network)"],
        ),
        (
            "--block:service=x",
            &["`service` is a network device", "--net:service=tap0"],
        ),
        (
            "--net-mac:service=02:00:00:00:00:01",
            &["`--net-mac:service`", "--net:service="],
        ),
        (
            "--block-sector-size:storage=512",
            &["not attached", "--block:storage="],
        ),
        (
            "--net:service=nosuchif --block:storage=x",
            &["`nosuchif`", "ip tuntap add", "=user"],
        ),
        ("--net:service=lo --block:storage=x", &["`lo`"]),
        (
            "--net:service=@999999 --block:storage=x",
            &["999999 is not open"],
        ),
    ] {
        let message = message(line);
        for needle in needles {
            assert!(message.contains(needle), "{line}: {message}");
        }
    }
}

#[test]
fn descriptors_of_the_wrong_sort_are_refused() {
    let (stream, _other) = UnixStream::pair().unwrap();
    let file = File::open("/dev/null").unwrap();
    for descriptor in [stream.as_raw_fd(), file.as_raw_fd()] {
        let error = tap::adopt("service", descriptor, Wants::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("neither a tap nor a socket"), "{error}");
    }
}

#[test]
fn paths_of_the_wrong_sort_are_refused() {
    for (path, needle) in [
        ("/nonexistent/disk.img", "truncate -s 16M"),
        ("/dev/null", "neither a file nor a block device"),
        ("/", "give a file or a block device"),
    ] {
        let error = block::open("storage", path.as_ref(), 512)
            .unwrap_err()
            .to_string();
        assert!(error.contains(needle), "{path}: {error}");
    }
}

#[test]
fn a_descriptor_is_one_device() {
    let net = |name| Device {
        name,
        kind: DeviceKind::Net,
    };
    let mut manifest = manifest(&[net("a"), net("b")]);
    let error = attach(
        &mut manifest,
        &options("--net:a=@9 --net:b=@9"),
        Wants::default(),
    );
    let message = error.unwrap_err().to_string();
    assert!(message.starts_with("`a` and `b` are given the same descriptor, 9\nhint: "));
}

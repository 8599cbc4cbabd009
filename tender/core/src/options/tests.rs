// SPDX-License-Identifier: ISC
//! Tests of the command line.

use super::*;

fn parse(line: &str) -> Result<Command, Error> {
    Command::parse(line.split_whitespace().map(OsString::from))
}

fn run(line: &str) -> Run {
    match parse(line) {
        Ok(Command::Run(run)) => run,
        other => panic!("{line}: {other:?}"),
    }
}

fn message(line: &str) -> String {
    parse(line).expect_err(line).to_string()
}

#[test]
fn whole_command_line() {
    let run = run(
        "--mem=64 --net:service=tap0 --net-mac:service=02:00:00:00:00:0a --block:storage=a=b.img \
         --block-sector-size:storage=4096 --net:s2=@7 --net:s3=user,udp:5353:53,tcp:8080:80 \
         -- image --net:x=y -- z",
    );
    assert_eq!(run.options.memory, Some(64 << 20));
    let nets = [
        ("service", NetSource::Tap("tap0".to_owned())),
        ("s2", NetSource::Descriptor(7)),
        (
            "s3",
            NetSource::User("udp:5353:53,tcp:8080:80".parse().unwrap()),
        ),
    ];
    let nets = nets.map(|(name, source)| (name.to_owned(), source));
    assert_eq!(run.options.nets, BTreeMap::from(nets));
    assert_eq!(run.options.macs["service"], [2, 0, 0, 0, 0, 10]);
    assert_eq!(run.options.blocks["storage"], PathBuf::from("a=b.img"));
    assert_eq!(run.options.sector_sizes["storage"], 4096);
    assert_eq!(run.image, PathBuf::from("image"));
    assert_eq!(run.arguments, ["--net:x=y", "--", "z"]);
}

#[test]
fn image_ends_the_options() {
    let run = run("image --help --mem=3");
    assert_eq!(run.options, Options::default());
    assert_eq!(run.arguments, ["--help", "--mem=3"]);
    assert_eq!(parse("--mem=3 --help image"), Ok(Command::Help));
    assert_eq!(parse("--version"), Ok(Command::Version));
}

#[test]
fn memory_units() {
    for (text, bytes) in [
        ("2", 2 << 20),
        ("16M", 16 << 20),
        ("16mib", 16 << 20),
        ("1G", 1 << 30),
        ("2048K", 2 << 20),
    ] {
        assert_eq!(parse_memory(text), Ok(bytes), "{text}");
    }
    for text in [
        "",
        "0",
        "M",
        "-1",
        "1T",
        "16 M",
        "1.5G",
        "99999999999999999999",
        "999999999G",
        "1K",
        "5K",
    ] {
        assert!(parse_memory(text).is_err(), "{text}");
    }
}

/// A command line, what its error names, and the next step that it gives.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("", "no image is given", "--help"),
    ("--", "no image is given", "--help"),
    ("--mem=1G", "no image is given", "--help"),
    (
        "--ipv4=10.0.0.2/24 image",
        "`--ipv4=10.0.0.2/24`",
        "after the image",
    ),
    ("-x image", "unknown option: `-x`", "--help"),
    ("--x-exec-heap image", "unknown option", "--help"),
    ("--mem 16 image", "`--mem` needs a value", "`--mem=16M`"),
    ("--mem=lots image", "`lots`", "`--mem=16M`"),
    ("--mem=1 --mem=2 image", "`--mem` is given twice", "leave"),
    (
        "--net=tap0 image",
        "does not say for which device",
        "`--net:service=tap0`",
    ),
    (
        "--net:service image",
        "`--net:service` needs a value",
        "`--net:service=tap0`",
    ),
    (
        "--net:service= image",
        "`--net:service` needs a value",
        "`--net:service=tap0`",
    ),
    (
        "--net:my_dev=tap0 image",
        "`--net:my_dev`",
        "letters and digits",
    ),
    (
        "--net:a=tap0 --net:a=tap1 image",
        "`--net:a` is given twice",
        "leave",
    ),
    (
        "--net:a=averylonginterfacename image",
        "averylonginterfacename",
        "tap",
    ),
    ("--net:a=tap%d image", "tap%d", "tap"),
    (
        "--net:a=user,udp:5353 image",
        "`udp:5353`",
        "`--net:a=user,udp:5353:53,tcp:8080:80`",
    ),
    ("--net:a=@x image", "`--net:a=@x`", "`@3`"),
    ("--net:a=@1 image", "`--net:a=@1`", "`@3`"),
    (
        "--net-mac:a=01:02:03:04:05:06 image",
        "single station",
        "02:",
    ),
    (
        "--net-mac:a=00:00:00:00:00:00 image",
        "single station",
        "02:",
    ),
    (
        "--net-mac:a=2:0:0:0:0:1 image",
        "no Ethernet address",
        "02:",
    ),
    (
        "--net-mac:a=02:00:00:00:00:01:02 image",
        "no Ethernet address",
        "02:",
    ),
    (
        "--net-mac:a=+2:00:00:00:00:01 image",
        "no Ethernet address",
        "02:",
    ),
    (
        "--block=disk.img image",
        "which device",
        "`--block:storage=disk.img`",
    ),
    (
        "--block-sector-size:a=521 image",
        "`--block-sector-size:a=521`",
        "power of two",
    ),
    (
        "--block-sector-size:a=256 image",
        "`--block-sector-size:a=256`",
        "power of two",
    ),
    ("--block-sector-size:a=65536 image", "65536", "power of two"),
    (
        "--gdb=1234 image",
        "`--gdb` has no value",
        "`--gdb-port=1234`",
    ),
    ("--gdb --gdb image", "`--gdb` is given twice", "leave"),
    (
        "--gdb-port image",
        "`--gdb-port` needs a value",
        "`--gdb-port=1234`",
    ),
    ("--gdb-port=0 image", "not a port: `0`", "65535"),
    ("--gdb-port=65536 image", "not a port: `65536`", "65535"),
    (
        "--dumpcore image",
        "`--dumpcore` needs a value",
        "`--dumpcore=",
    ),
    (
        "--trace=a --trace=b image",
        "`--trace` is given twice",
        "leave",
    ),
];

#[test]
fn how_to_look_into_a_guest() {
    assert!(!run("--mem=3 image").debug.is_wanted());
    let debug = run("--gdb --dumpcore=cores --trace=t.txt image --gdb-port=1").debug;
    assert_eq!(debug.gdb_port(), Some(DEFAULT_GDB_PORT));
    assert_eq!(debug.core_folder, Some("cores".into()));
    assert_eq!(debug.trace, Some("t.txt".into()));
    let port = run("--gdb-port=4321 image").debug;
    assert!(port.is_wanted());
    assert_eq!(port.gdb_port(), Some(4321));
}

#[test]
fn mistakes_name_the_thing_and_the_next_step() {
    for (line, what, next) in MISTAKES {
        let message = message(line);
        let (first, hint) = message.split_once("\nhint: ").expect("a hint");
        assert!(first.contains(what), "{line}: {message}");
        assert!(hint.contains(next), "{line}: {message}");
    }
}

#[test]
fn a_program_that_is_its_own_tender() {
    let split = |line: &str| Options::split(line.split_whitespace().map(OsString::from)).unwrap();
    let (options, rest) = split("--net:service=user --ipv4=1.2.3.4/8 --net:b=c");
    assert_eq!(options.nets.len(), 1);
    assert_eq!(rest, ["--ipv4=1.2.3.4/8", "--net:b=c"]);
    let (options, rest) = split("--mem=2 -- --mem=3");
    assert_eq!(options.memory, Some(2 << 20));
    assert_eq!(rest, ["--mem=3"]);
    assert_eq!(split("").1, [""; 0]);
}

#[test]
fn bytes_that_are_not_text() {
    let word = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let mut options = Options::default();
    assert!(options.take(&word(b"--block:storage=\xff.img")).unwrap());
    assert_eq!(
        options.blocks["storage"].as_os_str().as_bytes(),
        b"\xff.img"
    );
    assert!(!options.take(&word(b"--\xff:storage=x")).unwrap());
    assert!(options.take(&word(b"--net:\xff=x")).is_err());
    assert!(options.take(&word(b"--net:a=\xff")).is_err());
}

// SPDX-License-Identifier: ISC
//! What a newcomer sees: help, and the wording of every early mistake.

use std::{fs, net::TcpListener, path::Path};

use fata_abi::note::{self, Target};
use snapbox::{
    IntoData,
    cmd::{Command, cargo_bin},
    str,
};
use tempfile::TempDir;

/// The tool in `folder`, without the surroundings of this test.
fn fata(folder: &Path) -> Command {
    Command::new(cargo_bin!("cargo-fata"))
        .current_dir(folder)
        .env_remove("CARGO_TARGET_DIR")
        .env("COLUMNS", "100")
        .arg("fata")
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}\n")
}

/// The tool with `arguments` in `here` ends with `status` and says this on stderr.
fn refused(here: &TempDir, status: i32, arguments: &[&str], said: impl IntoData) {
    let assert = fata(here.path()).args(arguments).assert();
    assert.code(status).stdout_eq("").stderr_eq(said);
}

const FATA: &str = "[dependencies]\nfata = \"0.1\"";

#[test]
fn help_lists_the_commands() {
    let here = folder(&[]);
    fata(here.path())
        .arg("--help")
        .assert()
        .success()
        .stdout_eq(str![[r#"
Makes, builds, runs and explains unikernels

Usage: cargo fata [OPTIONS] <COMMAND>

Commands:
  new          Make a package for a unikernel
  configure    Remember target, memory, devices and boot arguments in `Fata.toml`; without flags,
               show them
  build        Build the image: one file that holds program, drivers, protocols and configuration
  run          Build the unikernel and start it; networks that are not given become user-mode
               networks
  trace        Run the unikernel and print what it asked of its host: every call, and what they add
               up to
  describe     Show what is in an image: devices, boot arguments, platform, size by section and by
               crate
  net          Make and remove the host's side of a unikernel's network; needs root
  clean        Remove images and what was kept to build them
  completions  Print completions for a shell

Options:
  -h, --help     Print help
  -V, --version  Print version

Output:
  -q, --quiet         Say less: errors and results only
  -v, --verbose       Say more: the commands that are run, and what cargo says
      --color <WHEN>  When to use colours [possible values: auto, always, never]

Each step does the earlier ones that were left out: `cargo fata run` also builds.

"#]]);
}

#[test]
fn help_of_a_command_is_short() {
    let here = folder(&[]);
    fata(here.path())
        .args(["run", "-h"])
        .assert()
        .success()
        .stdout_eq(str![[r#"
Build the unikernel and start it; networks that are not given become user-mode networks

Usage: cargo fata run [OPTIONS] [-- <BOOT ARGUMENTS>...]

Arguments:
  [BOOT ARGUMENTS]...  Boot arguments for the unikernel

Options:
      --image <FILE>  Start this image instead of building one
  -h, --help          Print help (see more with '--help')

Package:
  -p, --package <NAME>  The package, in a workspace of several
      --bin <NAME>      The binary, in a package of several

Devices and memory:
      --mem <SIZE>                      Memory of the unikernel: `16M`, `1G`
      --net <NAME=HOST>                 Attach a network: a tap interface, an open descriptor `@FD`,
                                        or `user` with ports to forward:
                                        `user,udp:5353:53,tcp:127.0.0.1:8080:80`
      --net-mac <NAME=MAC>              Give a network device this MAC address
      --block <NAME=PATH>               Attach a file or a host's block device as a disk
      --block-sector-size <NAME=BYTES>  Bytes in a block of a disk

Build:
  -t, --target <TARGET>      Where the unikernel is to live [default: what `Fata.toml` says, else
                             spt] [possible values: unix, spt, hvt]
      --optimize <AIM>       What the compiler aims at [default: what `Fata.toml` says, else size]
                             [possible values: size, speed]
      --debug                Keep symbols and line numbers in the image, for a debugger
  -F, --features <FEATURES>  Features of the package to activate
      --no-default-features  Do not activate the package's default features
      --locked               Refuse to change `Cargo.lock`
      --offline              Do without the network

Debugging:
      --gdb[=<WHO>]        Stop before the first instruction and start gdb there; `--gdb=wait`
                           leaves it to you to connect one
      --gdb-port <PORT>    Port for gdb [default: a free one; 1234 with `--gdb=wait`]
      --dumpcore <FOLDER>  Leave a core dump in this folder if the unikernel fails

Output:
  -q, --quiet         Say less: errors and results only
  -v, --verbose       Say more: the commands that are run, and what cargo says
      --color <WHEN>  When to use colours [possible values: auto, always, never]

Examples:
  cargo fata run
  cargo fata run --net service=user,tcp:8080:80 -- --port=80
  cargo fata run --image dist/hello.spt
  cargo fata run --gdb

"#]]);
}

#[test]
fn cargo_passes_the_name_of_the_command() {
    let here = folder(&[]);
    let plain = Command::new(cargo_bin!("cargo-fata")).current_dir(here.path());
    plain
        .arg("--version")
        .assert()
        .success()
        .stdout_eq(str![[r#"
cargo-fata 0.1.0

"#]]);
    fata(here.path())
        .arg("--version")
        .assert()
        .success()
        .stdout_eq(str![[r#"
cargo-fata 0.1.0

"#]]);
}

#[test]
fn no_package_here() {
    let here = folder(&[]);
    refused(
        &here,
        1,
        &["run"],
        str![[r#"
error: no `Cargo.toml` in `[..]` or above it

hint: go to the folder of a unikernel, or make one with `cargo fata new NAME`

"#]],
    );
}

#[test]
fn not_a_unikernel() {
    let here = folder(&[("Cargo.toml", &manifest("plain", "")), ("src/main.rs", "")]);
    refused(
        &here,
        1,
        &["build"],
        str![[r#"
error: `plain` is not a unikernel: it does not depend on `fata`

hint: add `fata` to the dependencies in `[..]/Cargo.toml`, or start anew with `cargo fata new NAME`

"#]],
    );
}

#[test]
fn no_binary() {
    let here = folder(&[("Cargo.toml", &manifest("lib", FATA)), ("src/lib.rs", "")]);
    refused(
        &here,
        1,
        &["build"],
        str![[r#"
error: `lib` has no binary

hint: a unikernel is a binary crate: put its `#[fata::main]` into `src/main.rs`

"#]],
    );
}

#[test]
fn several_binaries() {
    let here = folder(&[
        ("Cargo.toml", &manifest("both", FATA)),
        ("src/bin/one.rs", ""),
        ("src/bin/two.rs", ""),
    ]);
    refused(
        &here,
        1,
        &["build"],
        str![[r#"
error: `both` has several binaries

hint: choose one with `--bin`: `one`, `two`

"#]],
    );
    refused(
        &here,
        1,
        &["build", "--bin", "three"],
        str![[r#"
error: `both` has no binary `three`

hint: its binaries are: `one`, `two`

"#]],
    );
}

#[test]
fn several_packages() {
    let here = folder(&[
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"one\", \"two\"]\nresolver = \"3\"",
        ),
        ("one/Cargo.toml", &manifest("one", FATA)),
        ("one/src/main.rs", ""),
        ("two/Cargo.toml", &manifest("two", FATA)),
        ("two/src/main.rs", ""),
    ]);
    refused(
        &here,
        1,
        &["run"],
        str![[r#"
error: this workspace has several unikernels

hint: choose one with `-p`: `one`, `two`

"#]],
    );
    refused(
        &here,
        1,
        &["run", "-p", "three"],
        str![[r#"
error: no package `three` in this workspace

hint: its unikernels are `one`, `two`

"#]],
    );
}

#[test]
fn a_wrong_key_in_the_configuration() {
    let here = folder(&[
        ("Cargo.toml", &manifest("dns", FATA)),
        ("src/main.rs", ""),
        ("Fata.toml", "# memory\nmemory = \"16M\"\n"),
    ]);
    refused(
        &here,
        1,
        &["build"],
        str![[r#"
error: cannot understand `[..]/Fata.toml`
  caused by: TOML parse error at line 2, column 1
  |
2 | memory = "16M"
  | ^^^^^^
unknown field `memory`, expected one of `target`, `optimize`, `mem`, `net`, `net-mac`, `block`, `block-sector-size`, `arguments`, `seal`, `try`

"#]],
    );
}

#[test]
fn wrong_values_of_flags() {
    let here = folder(&[]);
    for wrong in [
        ["--target", "kvm"],
        ["--mem", "lots"],
        ["--net", "tap0"],
        ["--block-sector-size", "storage=1000"],
    ] {
        fata(here.path()).arg("run").args(wrong).assert().code(2);
    }
    refused(
        &here,
        2,
        &["run", "-t", "kvm"],
        str![[r#"
error: invalid value 'kvm' for '--target <TARGET>'
  [possible values: unix, spt, hvt]

For more information, try '--help'.

"#]],
    );
    refused(
        &here,
        2,
        &["run", "--net", "tap0"],
        str![[r#"
error: invalid value 'tap0' for '--net <NAME=HOST>': a device's name comes first, as in `service=tap0`

For more information, try '--help'.

"#]],
    );
    refused(
        &here,
        2,
        &["biuld"],
        str![[r#"
error: unrecognized subcommand 'biuld'

  tip: a similar subcommand exists: 'build'

Usage: cargo fata [OPTIONS] <COMMAND>

For more information, try '--help'.

"#]],
    );
}

#[test]
fn what_is_no_image() {
    let here = folder(&[("notes.txt", "no image")]);
    refused(
        &here,
        1,
        &["describe", "notes.txt"],
        str![[r#"
error: cannot describe `notes.txt`
  caused by: not an executable for x86-64: it does not begin like one

"#]],
    );
    refused(
        &here,
        1,
        &["describe", "dist/dns.spt"],
        str![[r#"
error: cannot read `dist/dns.spt`: No such file or directory (os error 2)

hint: `cargo fata build` makes an image and says where it is

"#]],
    );
}

/// An executable with nothing in it but a note that names `target`.
fn image_for(target: Target) -> Vec<u8> {
    let note = note::abi(target, 2).0;
    let (header, program) = (64, 56);
    let mut image = vec![0; header + program];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    // Executable, x86-64, version 1.
    put(16, &[2, 0, 62, 0, 1]);
    put(32, &(header as u64).to_le_bytes());
    // Sizes of the two headers, and one of the second.
    put(52, &[header as u8, 0, program as u8, 0, 1]);
    // A note, behind both.
    put(header, &[4]);
    put(header + 8, &((header + program) as u64).to_le_bytes());
    put(header + 32, &(note.len() as u64).to_le_bytes());
    image.extend(note);
    image
}

#[test]
fn an_image_for_something_else() {
    let here = folder(&[]);
    for (name, target) in [("dns.hvt", Target::Hvt), ("dns.xen", Target::Xen)] {
        fs::write(here.path().join(name), image_for(target)).unwrap();
    }
    refused(
        &here,
        1,
        &["run", "--image", "dns.hvt", "-t", "spt"],
        str![[r#"
error: `dns.hvt` is an image for hvt, not for spt

hint: leave `--target` out: an image says itself what it is for

"#]],
    );
    refused(
        &here,
        1,
        &["run", "--image", "dns.xen"],
        str![[r#"
error: `dns.xen` is an image for xen, which this tool cannot start

hint: it starts images for spt and hvt

"#]],
    );
}

#[test]
fn nothing_to_debug_with() {
    let here = folder(&[("Cargo.toml", &manifest("dns", FATA)), ("src/main.rs", "")]);
    let without_gdb = fata(here.path())
        .env("PATH", "/nowhere")
        .args(["run", "--gdb"]);
    without_gdb.assert().code(1).stderr_eq(str![[r#"
error: gdb is not installed

hint: install it, for example with `apt install gdb`; `--gdb=wait` waits for one elsewhere

"#]]);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    refused(
        &here,
        1,
        &["run", "--gdb=wait", "--gdb-port", &port],
        str![[r#"
error: cannot wait for gdb on port [..]: Address already in use (os error 98)

hint: another unikernel may be waiting there; `--gdb-port` chooses another port

"#]],
    );
    refused(
        &here,
        1,
        &["run", "--dumpcore", "cores"],
        str![[r#"
error: no folder `cores` for a core dump

hint: make it first, or name another

"#]],
    );
    refused(
        &here,
        1,
        &["run", "-t", "unix", "--gdb=wait", "--gdb-port", "47113"],
        str![[r#"
error: a plain process is watched by the tools of the host, not by a tender

hint: use gdb or strace on `dist/dns.unix`, or choose a target with `-t`

"#]],
    );
}

#[test]
fn names_that_cannot_be() {
    let here = folder(&[("taken/file", "")]);
    refused(
        &here,
        1,
        &["new", "taken"],
        str![[r#"
error: `taken` exists already

hint: choose another name, or remove it first

"#]],
    );
    refused(
        &here,
        1,
        &["new", "Übung"],
        str![[r#"
error: `Übung` cannot be the name of a package

hint: use small letters, digits, `-` and `_`, a letter first

"#]],
    );
    refused(
        &here,
        1,
        &["new", "dns", "--fata-path", "taken"],
        str![[r#"
error: no checkout of Fata in `[..]/taken`

hint: name one with `--fata-path PATH`, or a repository with `--fata-git URL`

"#]],
    );
}

/// The alias of the checkout would look for the tool among the packages of the new one.
#[test]
fn a_package_inside_a_checkout_finds_the_tool() {
    let here = folder(&[("tool/cargo-fata/Cargo.toml", "")]);
    fata(here.path()).args(["new", "hello"]).assert().success();
    let alias = fs::read_to_string(here.path().join("hello/.cargo/config.toml")).unwrap();
    let tool = format!("--manifest-path {}/Cargo.toml", here.path().display());
    assert!(alias.contains(&tool), "{alias}");
}

#[test]
fn settings_are_remembered_and_shown() {
    let here = folder(&[("Cargo.toml", &manifest("dns", FATA)), ("src/main.rs", "")]);
    let configure = |arguments: &[&str]| {
        let command = fata(here.path()).arg("configure").args(arguments);
        command.assert().success()
    };
    configure(&[
        "--mem",
        "16M",
        "--net:service=user,udp:5353:53",
        "--seal",
        "--",
        "--port=53",
    ]);
    snapbox::assert_data_eq!(
        fs::read_to_string(here.path().join("Fata.toml")).unwrap(),
        str![[r##"
# How this unikernel is built and run. `cargo fata configure` edits this file.
mem = "16M"
net.service = "user,udp:5353:53"
arguments = ["--port=53"]
seal = true

"##]]
    );
    configure(&[]).stdout_eq(str![[r#"
package              dns
target               spt (default)
optimize             size (default)
mem                  16M
net.service          user,udp:5353:53
arguments            --port=53
seal                 true

"#]]);
    configure(&["--unset", "mem", "--unset", "seal"]);
    configure(&[]).stdout_eq(str![[r#"
package              dns
target               spt (default)
optimize             size (default)
mem                  the tender's default
net.service          user,udp:5353:53
arguments            --port=53
seal                 false

"#]]);
    refused(
        &here,
        1,
        &["configure", "--unset", "mem"],
        str![[r#"
error: `mem` is not set

hint: `cargo fata configure` shows what is

"#]],
    );
}

#[test]
fn clean_removes_what_was_built_and_nothing_else() {
    let here = folder(&[
        ("Cargo.toml", &manifest("dns", FATA)),
        ("src/main.rs", ""),
        ("Fata.toml", "not even = = TOML"),
        ("dist/dns.spt", ""),
        ("dist/other.spt", ""),
        ("target/fata/symbols/dns.spt.debug", ""),
        ("target/debug/dns", ""),
    ]);
    let there = |path: &str| here.path().join(path).exists();
    fata(here.path())
        .args(["clean", "--dry-run"])
        .assert()
        .success();
    assert!(there("dist/dns.spt") && there("target/fata"));
    fata(here.path()).arg("clean").assert().success();
    assert!(!there("dist/dns.spt") && !there("target/fata"));
    assert!(there("dist/other.spt") && there("target/debug/dns") && there("Fata.toml"));
}

#[test]
fn every_shell_gets_completions() {
    let here = folder(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = fata(here.path())
            .args(["completions", shell])
            .output()
            .unwrap();
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("configure"),
            "{shell}"
        );
    }
}

// SPDX-License-Identifier: ISC
//! Looking into a unikernel on spt with the commands that a person types: gdb, core dumps, traces.

mod package;

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use package::{Package, said, stdout};
use serde_json::Value;

/// A program with a function to stop in, which panics after it.
const PROGRAM: &str = "#![no_std]\n#![no_main]\n\n#[inline(never)]\nfn culprit(at: usize) -> u8 {\n    \
    [1, 2][at]\n}\n\n#[fata::main]\nasync fn main() -> u8 {\n    \
    culprit(core::hint::black_box(7)) + 1\n}\n";

fn gdb_is_here() -> bool {
    let gdb = Command::new("gdb").arg("--version").output();
    let here = gdb.is_ok();
    if !here {
        println!("SKIP debug: gdb is not installed");
    }
    here
}

fn failing(name: &str) -> Package {
    let package = Package::new(name, "hello");
    fs::write(package.folder.join("src/main.rs"), PROGRAM).unwrap();
    package
}

/// The tool with gdb, which is told `commands`.
fn with_gdb(package: &Package, commands: &str) -> Output {
    let mut tool = package
        .command(&["run", "-q", "--gdb"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = tool.stdin.take().unwrap();
    stdin.write_all(commands.as_bytes()).unwrap();
    drop(stdin);
    tool.wait_with_output().unwrap()
}

#[test]
fn gdb_stops_in_a_function() {
    if !gdb_is_here() {
        return;
    }
    let package = failing("stops");
    let output = with_gdb(
        &package,
        "set confirm off\nbreak stops::culprit\ncontinue\nprint at\nbacktrace\ncontinue\ncontinue\nquit\n",
    );
    let said = said(&output);
    assert!(said.contains("Breakpoint 1, stops::culprit"), "{said}");
    assert!(said.contains("$1 = 7"), "{said}");
    assert!(said.contains("stops::main"), "{said}");
    assert!(said.contains("panic at src/main.rs:6:5"), "{said}");
    assert_eq!(output.status.code(), Some(255), "{said}");
}

#[test]
fn gdb_ends_a_unikernel_or_lets_it_run() {
    if !gdb_is_here() {
        return;
    }
    let package = failing("quits");
    let ended = with_gdb(&package, "set confirm off\nkill\nquit\n");
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    assert!(!said(&ended).contains("panic at"), "{}", said(&ended));

    let let_go = with_gdb(&package, "set confirm off\ndetach\nquit\n");
    assert_eq!(let_go.status.code(), Some(255), "{}", said(&let_go));
    assert!(said(&let_go).contains("panic at"), "{}", said(&let_go));
}

#[test]
fn a_core_dump_has_the_backtrace() {
    if !gdb_is_here() {
        return;
    }
    let package = failing("dumps");
    let output = package.fata(&["run", "--dumpcore", "."]);
    assert_eq!(output.status.code(), Some(255), "{}", said(&output));
    let said = said(&output);
    assert_eq!(said.matches("core.fata-spt.").count(), 1, "{said}");
    let open = said.split_once("look into it with: gdb ");
    let open = open.and_then(|(_, open)| open.lines().next());
    let open = open.unwrap_or_else(|| panic!("{said}"));
    let backtrace = Command::new("gdb")
        .args(["-q", "-batch", "-ex", "backtrace"])
        .args(open.split(' '))
        .current_dir(&package.folder)
        .output()
        .unwrap();
    let backtrace = package::said(&backtrace);
    assert!(backtrace.contains("dumps::culprit"), "{open}: {backtrace}");
}

#[test]
fn a_trace_tells_what_was_asked_of_the_host() {
    let package = Package::new("traced", "hello");
    let trace = package.fata(&["trace", "-q"]);
    assert!(said(&trace).contains("Hello, world!\n"), "{}", said(&trace));
    let text = stdout(&trace);
    assert!(!text.contains("Hello"), "{text}");
    let line = text.lines().find(|line| line.contains("write(console, "));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(line.ends_with("length 14) = 14"), "{line}");
    let sum = text.lines().find(|line| line.starts_with("write "));
    assert!(sum.is_some_and(|sum| sum.contains(" 1 ")), "{text}");

    let trace = package.fata(&["trace", "-q", "--chrome", "trace.json"]);
    assert!(!stdout(&trace).contains("console"), "{}", said(&trace));
    let events = fs::read(package.folder.join("trace.json")).unwrap();
    let events: Value = serde_json::from_slice(&events).unwrap();
    let mut events = events.as_array().unwrap().iter();
    let write = events.find(|event| event["name"] == "write").unwrap();
    assert_eq!(write["ph"], "X");
    assert!(write["dur"].as_f64().unwrap() > 0.0);
}

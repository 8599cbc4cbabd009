// SPDX-License-Identifier: ISC
//! Looking into a guest: with the real gdb where there is one, by core file, by trace.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

mod common;

use common::{Assembly, Code, DATA, End, SIGSEGV, SIGSYS, Scratch, TEXT, end, tender};

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fata-spt-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn cores(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether there is a gdb; says so if not.
fn has_gdb() -> bool {
    let gdb = Command::new("gdb").arg("--version").output();
    let found = gdb.is_ok_and(|output| output.status.success());
    if !found {
        println!("SKIP debug: gdb is not installed");
    }
    found
}

fn gdb(arguments: &[&Path], commands: &[&str]) -> String {
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-ex", "set confirm off"]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let output = gdb.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// A guest that waits for gdb.
struct Waiting {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    port: u16,
    file: Scratch,
}

impl Waiting {
    fn start(code: &Code, options: &[&str]) -> Self {
        let port = free_port();
        let file = Scratch::new(&code.image().bytes());
        let mut command = tender();
        command.args(["--mem=4", &format!("--gdb-port={port}")]);
        command.args(options).arg("--").arg(file.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let call = format!("-ex 'target remote :{port}'");
        assert!(line.contains(&call), "what to type: {line}");
        Self {
            child,
            stderr,
            port,
            file,
        }
    }

    /// Connects gdb, lets it do what `commands` say, and returns what it and the guest said.
    fn debug(mut self, commands: &[&str]) -> (String, Output) {
        let call = format!("target remote :{}", self.port);
        let commands = [&[call.as_str()], commands].concat();
        let said = gdb(&[self.file.path()], &commands);
        let mut output = self.child.wait_with_output().unwrap();
        self.stderr.read_to_end(&mut output.stderr).unwrap();
        (said, output)
    }
}

/// mov eax, 7; inc eax; store it; exit with it.
fn counting() -> (Code, u64) {
    let code = Code::new().raw(&[0xb8, 7, 0, 0, 0]);
    let increment = TEXT + code.0.len() as u64;
    (code.raw(&[0xff, 0xc0]).store(DATA).exit_rax(), increment)
}

/// Writes to address zero.
fn crashing() -> Code {
    // mov r12d, 0x600d; xor eax, eax; mov [rax], eax
    Code::new().raw(&[0x41, 0xbc, 0x0d, 0x60, 0, 0, 0x31, 0xc0, 0x89, 0x00])
}

#[test]
fn gdb_sees_the_first_instruction_stops_steps_and_changes() {
    if !has_gdb() {
        return;
    }
    let (code, increment) = counting();
    let stop = format!("break *{increment:#x}");
    let look = format!("x/1xg {DATA:#x}");
    let (said, output) = Waiting::start(&code, &[]).debug(&[
        "printf \"first=%lx rsp=%lx rdi=%lx\\n\", $pc, $rsp, $rdi",
        &stop,
        "continue",
        "printf \"rax=%d\\n\", $eax",
        "stepi",
        "printf \"stepped=%d at=%lx\\n\", $eax, $pc",
        "set $rax = 40",
        "stepi",
        &look,
        "continue",
    ]);
    let first = format!("first={TEXT:x} rsp=3ffff8 rdi=11000");
    let stepped = format!("stepped=8 at={:x}", increment + 2);
    for needle in [
        &first,
        "rax=7",
        &stepped,
        "0x0000000000000028",
        "exited with code 050",
    ] {
        assert!(said.contains(needle), "`{needle}`: {said}");
    }
    assert_eq!(end(&output), End::Status(40));
}

#[test]
fn gdb_watches_memory_with_the_processor() {
    if !has_gdb() {
        return;
    }
    let (code, _) = counting();
    let watch = format!("watch *(char*){DATA:#x}");
    let (said, output) = Waiting::start(&code, &[]).debug(&[
        "set language c",
        &watch,
        "continue",
        "printf \"rax=%d\\n\", $eax",
        "continue",
        "continue",
    ]);
    assert!(said.contains("Hardware watchpoint 1"), "{said}");
    assert!(
        said.contains("New value = 8") && said.contains("rax=8"),
        "{said}"
    );
    assert_eq!(end(&output), End::Status(8));
}

#[test]
fn gdb_sees_a_fault_before_the_guest_is_gone() {
    if !has_gdb() {
        return;
    }
    let (said, output) = Waiting::start(&crashing(), &[]).debug(&[
        "continue",
        "printf \"r12=%x\\n\", $r12",
        "continue",
    ]);
    assert!(
        said.contains("SIGSEGV") && said.contains("r12=600d"),
        "{said}"
    );
    assert!(said.contains("terminated with signal SIGSEGV"), "{said}");
    assert_eq!(end(&output), End::Signal(SIGSEGV));
}

#[test]
fn gdb_sees_a_guest_that_gives_up() {
    if !has_gdb() {
        return;
    }
    let (said, output) =
        Waiting::start(&Code::new().exit(255), &[]).debug(&["continue", "continue"]);
    assert!(
        said.contains("SIGABRT") && said.contains("exited with code 0377"),
        "{said}"
    );
    assert_eq!(end(&output), End::Status(255));
}

#[test]
fn a_debugger_that_goes_leaves_a_guest_that_runs() {
    if !has_gdb() {
        return;
    }
    let (code, increment) = counting();
    let stop = format!("break *{increment:#x}");
    let (_, output) = Waiting::start(&code, &[]).debug(&[&stop, "detach"]);
    assert_eq!(end(&output), End::Status(8), "{output:?}");
    let (_, output) = Waiting::start(&code, &[]).debug(&[&stop, "kill"]);
    assert_eq!(end(&output), End::Signal(9), "{output:?}");
}

fn run(image: &Assembly, options: &[&str]) -> Output {
    common::run(image, options, &[])
}

#[test]
fn a_crash_leaves_a_core_file_that_gdb_opens() {
    let folder = Folder::new("core");
    let option = format!("--dumpcore={}", folder.0.display());
    let image = crashing().image();
    let output = run(&image, &[&option]);
    assert_eq!(end(&output), End::Signal(SIGSEGV));
    let [core] = &folder.cores()[..] else {
        panic!("one file: {:?}", folder.cores());
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&core.display().to_string()), "{said}");
    let metadata = fs::metadata(core).unwrap();
    assert!(
        metadata.len() > 3 << 20 && metadata.blocks() < 1 << 10,
        "{metadata:?}"
    );
    if has_gdb() {
        let file = Scratch::new(&image.bytes());
        let commands = ["printf \"pc=%lx r12=%lx\\n\", $pc, $r12", "x/2xb $pc"];
        let said = gdb(&[file.path(), core], &commands);
        let at = format!("pc={:x} r12=600d", TEXT + 8);
        for needle in [&at, "SIGSEGV", "0x89\t0x00"] {
            assert!(said.contains(needle), "`{needle}`: {said}");
        }
    }
}

#[test]
fn a_guest_that_does_not_fail_leaves_no_core_file() {
    let folder = Folder::new("no-core");
    let option = format!("--dumpcore={}", folder.0.display());
    for status in [0, 1, 254] {
        let output = run(&Code::new().exit(status).image(), &[&option]);
        assert_eq!(end(&output), End::Status(status as i32));
    }
    assert!(folder.cores().is_empty());
    let output = run(&Code::new().exit(255).image(), &[&option]);
    assert_eq!(end(&output), End::Status(255));
    assert_eq!(folder.cores().len(), 1);
}

#[test]
fn the_sandbox_is_the_same() {
    let folder = Folder::new("sandbox");
    let option = format!("--dumpcore={}", folder.0.display());
    // getpid
    let output = run(&Code::new().syscall(39, &[]).exit(0).image(), &[&option]);
    assert_eq!(end(&output), End::Signal(SIGSYS));
    assert_eq!(folder.cores().len(), 1, "{output:?}");
}

#[test]
fn a_trace_has_every_call() {
    let folder = Folder::new("trace");
    let path = folder.0.join("trace.txt");
    let option = format!("--trace={}", path.display());
    let code = Code::new()
        .syscall(1, &[1, TEXT, 3])
        .syscall(228, &[1, 0x10]);
    let output = run(&code.exit(5).image(), &[&option]);
    assert_eq!(end(&output), End::Status(5));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let write = format!("write 1 {TEXT:#x} 3 = 3");
    let events: Vec<String> = lines.iter().map(|line| line[2..].join(" ")).collect();
    assert_eq!(
        events,
        [&write, "clock_gettime 1 0x10 = -14", "exit_group 5 = ?"]
    );
    let starts: Vec<u64> = lines.iter().map(|line| line[0].parse().unwrap()).collect();
    assert!(starts.is_sorted(), "{text}");
    assert!(lines.iter().all(|line| line[1].parse::<u64>().is_ok()));
}

#[test]
fn a_trace_is_whole_when_somebody_ends_it() {
    let folder = Folder::new("trace-end");
    let path = folder.0.join("trace.txt");
    let option = format!("--trace={}", path.display());
    let code = Code::new().syscall(1, &[1, TEXT, 1]).jump(TEXT + 88);
    let mut code = code;
    code.0.resize(88, 0x90);
    // jmp to itself: a guest that never asks for anything again
    let file = Scratch::new(&code.raw(&[0xeb, 0xfe]).image().bytes());
    let mut command = tender();
    command.args(["--mem=4", &option]).arg(file.path());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    let pid = child.id().to_string();
    let kill = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(" write 1 "), "{text}");
}

#[test]
fn what_cannot_be_had_is_said_before_the_guest_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("--gdb-port={}", taken.local_addr().unwrap().port());
    for (option, needle) in [
        (port.as_str(), "another port"),
        ("--dumpcore=/no/such/folder", "mkdir"),
        ("--trace=/no/such/folder/trace", "a folder that exists"),
    ] {
        let output = run(&Code::new().exit(0).image(), &[option]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        let (first, hint) = message.split_once("\nhint: ").expect("a hint");
        assert!(
            first.starts_with("fata-spt: ") && hint.contains(needle),
            "{message}"
        );
    }
    // A mistake in the image is the tender's to say, with its own status.
    let output = tender()
        .args(["--trace=/dev/null", "no/such/image"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}

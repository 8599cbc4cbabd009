// SPDX-License-Identifier: ISC
//! The process that a guest runs in, seen from outside: its rights, descriptors, signals, network.

use std::{
    fs,
    io::Read,
    os::{
        fd::OwnedFd,
        unix::{fs::MetadataExt, net::UnixDatagram, process::ExitStatusExt},
    },
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use fata_abi::manifest::{Device, DeviceKind};

mod common;

use common::{Assembly, Code, DATA, End, MEMORY, Scratch, end, tender};

const NET: Device<'static> = Device {
    name: "service",
    kind: DeviceKind::Net,
};
const BLOCK: Device<'static> = Device {
    name: "storage",
    kind: DeviceKind::Block,
};
/// Where the boot information has the epoll descriptor.
const EPOLL_FD: u32 = 0x11000 + 32;
/// Where the attached manifest has the descriptor of device 1.
const DEVICE_FD: u32 = 0x11000 + 40 + 8 + 104 + 88;

/// Says that it is up, then waits for ever.
fn waiting() -> Code {
    let mut code = Code::new().syscall(1, &[1, common::TEXT, 1]);
    code = code.syscall(281, &[0, DATA + 1024, 1, u64::MAX, 0, 0]);
    with_descriptor(code, EPOLL_FD).exit(99)
}

/// Makes the last call's first argument the descriptor that stands at `address`.
fn with_descriptor(mut code: Code, address: u32) -> Code {
    // Before `mov eax, imm32; syscall`: mov edi, [address].
    let tail = code.0.split_off(code.0.len() - 7);
    code.raw(&[0x8b, 0x3c, 0x25])
        .raw(&address.to_le_bytes())
        .raw(&tail)
}

/// A guest that is up, killed at the end.
struct Running(
    Child,
    #[expect(dead_code, reason = "removes the file at the end")] Scratch,
);

impl Running {
    fn start(image: &Assembly, options: &[&str]) -> Self {
        let file = Scratch::new(&image.bytes());
        let mut command = tender();
        command
            .arg("--mem=4")
            .args(options)
            .arg("--")
            .arg(file.path())
            .stdout(Stdio::piped());
        command.env("SECRET", "swordfish");
        let mut child = command.spawn().expect("the tender starts");
        let mut byte = [0];
        let stdout = child.stdout.as_mut().expect("a pipe");
        stdout.read_exact(&mut byte).expect("the guest is up");
        Self(child, file)
    }

    fn proc(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0.id())).expect(name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether this user may look at a process that is not dumpable; says so if not.
fn may_look() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !root {
        println!("SKIP process: only root may look into a guest's process");
    }
    root
}

#[test]
fn memory_is_the_guests_alone() {
    if !may_look() {
        return;
    }
    let guest = Running::start(&waiting().image(), &[]);
    for line in guest.proc("maps").lines() {
        let (start, rest) = line.split_once('-').unwrap();
        let (end, rest) = rest.split_once(' ').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let sealed =
            line.ends_with("[vsyscall]") || line.contains("[vvar") || line.ends_with("[vdso]");
        assert!(
            sealed || (number(start) >= 0x10000 && number(end) <= MEMORY),
            "{line}"
        );
        assert!(
            !rest.starts_with("rwx") && !rest.starts_with("-wx"),
            "{line}"
        );
    }
    let line = guest.proc("cmdline");
    assert!(
        line.contains("fata-spt\0--mem=4\0"),
        "`ps` still shows what runs: {line:?}"
    );
    assert!(!line.contains("swordfish"));
}

#[test]
fn rights_are_gone() {
    let guest = Running::start(&waiting().image(), &[]);
    let status = guest.proc("status");
    let field = |name: &str| {
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}"));
        line.split_once(':').unwrap().1.trim().to_owned()
    };
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    assert_eq!(
        field("SigCgt:"),
        "0000000000000000",
        "no handlers of the tender"
    );
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    if may_look() {
        assert_eq!(
            field("CapBnd:"),
            "0000000000000000",
            "which only root may change"
        );
    }
    let limits = guest.proc("limits");
    for limit in [
        "Max core file size        0 ",
        "Max open files            0 ",
    ] {
        assert!(limits.contains(limit), "{limits}");
    }
}

#[test]
fn descriptors_are_those_of_its_devices() {
    if !may_look() {
        return;
    }
    let disk = Scratch::new(&[0; 4096]);
    let option = format!("--block:storage={}", disk.path().display());
    let guest = Running::start(&waiting().image().devices(&[BLOCK]), &[&option]);
    let folder = format!("/proc/{}/fd", guest.0.id());
    let mut links: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            fs::read_link(entry.unwrap().path())
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .map(|link| link.split(':').next().unwrap().to_owned())
        .collect();
    links.sort();
    let disk = disk.path().to_string_lossy().into_owned();
    assert_eq!(links, [disk.as_str(), "anon_inode", "anon_inode", "pipe"]);
}

#[test]
fn closed_standard_descriptors_do_not_become_devices() {
    let disk = Scratch::new(&[b'.'; 4096]);
    let code = Code::new().syscall(1, &[1, common::TEXT, 64]).exit(7);
    let image = Scratch::new(&code.image().devices(&[BLOCK]).bytes());
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "exec \"$@\" <&- >&- 2>&-",
        "sh",
        env!("CARGO_BIN_EXE_fata-spt"),
    ]);
    shell
        .arg(format!("--block:storage={}", disk.path().display()))
        .arg(image.path());
    let output = shell.output().unwrap();
    assert_eq!(end(&output), End::Status(7));
    assert_eq!(fs::read(disk.path()).unwrap(), [b'.'; 4096]);
}

#[test]
fn terminate_reaches_a_guest_that_waits() {
    let mut guest = Running::start(&waiting().image(), &[]);
    let pid = guest.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(guest.0.wait().unwrap().signal(), Some(15));
}

/// Runs an image whose network device is a descriptor of the caller.
fn adopted(image: &Assembly, descriptor: OwnedFd) -> Output {
    let image = Scratch::new(&image.bytes());
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "exec \"$@\" 7<&0 0</dev/null",
        "sh",
        env!("CARGO_BIN_EXE_fata-spt"),
    ]);
    shell
        .args(["--net:service=@7", "--mem=4"])
        .arg(image.path());
    shell.stdin(Stdio::from(descriptor));
    shell.output().unwrap()
}

#[test]
fn frames_pass_through_a_descriptor_of_the_caller() {
    let (ours, guests) = UnixDatagram::pair().unwrap();
    // Reads a frame, and writes it back.
    let read = with_descriptor(Code::new().syscall(0, &[0, DATA, 64]), DEVICE_FD);
    let echo = with_descriptor(read.syscall(1, &[0, DATA, 5]), DEVICE_FD).exit_rax();
    ours.send(b"hello").unwrap();
    let output = adopted(&echo.image().devices(&[NET]), guests.into());
    assert_eq!(end(&output), End::Status(5), "{output:?}");
    let mut buffer = [0; 64];
    assert_eq!(ours.recv(&mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"hello");
}

#[test]
fn frames_in_parts_are_for_images_that_know_of_them() {
    // The list of parts is in the text: 3 bytes of it, and none three times.
    let sends = |remark: Option<u32>, count: u64| {
        let (ours, guests) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let list = common::TEXT + 256;
        let code = Code::new().syscall(20, &[0, list, count]);
        let mut code = with_descriptor(code, DEVICE_FD).exit_rax();
        code.0.resize(256, 0);
        for word in [common::TEXT, 3].into_iter().chain([0; 8]) {
            code.0.extend(u64::to_le_bytes(word));
        }
        let mut image = code.image().devices(&[NET]);
        if let Some(remark) = remark {
            image = image.offer_of(DATA, remark);
        }
        let output = adopted(&image, guests.into());
        let sent = ours.recv(&mut [0; 64]).ok();
        (end(&output), sent)
    };
    const SIGSYS: End = End::Signal(31);
    assert_eq!(sends(Some(96), 4), (End::Status(3), Some(3)));
    assert_eq!(sends(Some(96), 5), (SIGSYS, None), "more parts");
    assert_eq!(sends(Some(0), 4), (SIGSYS, None), "an older image");
    assert_eq!(sends(None, 4), (SIGSYS, None), "an image of Solo5");
}

#[test]
fn the_user_network_ends_with_its_guest() {
    let mut guest = Running::start(&waiting().image().devices(&[NET]), &["--net:service=user"]);
    let pid = guest.0.id();
    let children = guest.proc(&format!("task/{pid}/children"));
    let child: u32 = children.trim().parse().expect("one child, the network");
    guest.0.kill().unwrap();
    guest.0.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let runs = || {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // One whose parent is gone may wait for an init that is slow to reap.
        !stat.is_empty() && !stat.contains(") Z ")
    };
    while runs() {
        assert!(Instant::now() < deadline, "the network outlives its guest");
        std::thread::sleep(Duration::from_millis(5));
    }
}

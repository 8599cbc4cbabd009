// SPDX-License-Identifier: ISC
//! Guests by hand: machine code in an image that is put together here and run under the tender.

#![allow(dead_code, reason = "each test program uses its part")]

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

#[path = "../../../core/src/elf/tests/assemble.rs"]
pub(crate) mod assemble;

pub(crate) use assemble::Assembly;

/// Where code and data of an [`Assembly`] are.
pub(crate) const TEXT: u64 = assemble::TEXT;
pub(crate) const DATA: u64 = assemble::DATA;

pub(crate) const SIGSYS: i32 = 31;
pub(crate) const SIGSEGV: i32 = 11;
/// Memory that guests get unless they are given another size: 4 MB.
pub(crate) const MEMORY: u64 = 4 << 20;

/// x86-64 machine code, one method an instruction or a short idiom.
#[derive(Clone, Default)]
pub(crate) struct Code(pub(crate) Vec<u8>);

impl Code {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// A system call with up to six arguments; the result is in `rax`.
    pub(crate) fn syscall(mut self, number: u32, arguments: &[u64]) -> Self {
        // mov rdi, rsi, rdx, r10, r8, r9: imm64
        const MOVES: [[u8; 2]; 6] = [
            [0x48, 0xbf],
            [0x48, 0xbe],
            [0x48, 0xba],
            [0x49, 0xba],
            [0x49, 0xb8],
            [0x49, 0xb9],
        ];
        for (index, opcode) in MOVES.into_iter().enumerate() {
            self.0.extend(opcode);
            self.0
                .extend(arguments.get(index).copied().unwrap_or(0).to_le_bytes());
        }
        self.0.push(0xb8); // mov eax, imm32
        self.0.extend(number.to_le_bytes());
        self.raw(&[0x0f, 0x05])
    }

    /// Exits with `status`.
    pub(crate) fn exit(self, status: u64) -> Self {
        self.syscall(231, &[status])
    }

    /// Exits with the low byte of `rax`.
    pub(crate) fn exit_rax(self) -> Self {
        // mov edi, eax; mov eax, 231; syscall
        self.raw(&[0x89, 0xc7, 0xb8, 231, 0, 0, 0, 0x0f, 0x05])
    }

    /// Loads `rax` from an address.
    pub(crate) fn load(self, address: u64) -> Self {
        self.raw(&[0x48, 0xa1]).raw(&address.to_le_bytes())
    }

    /// Stores `rax` to an address.
    pub(crate) fn store(self, address: u64) -> Self {
        self.raw(&[0x48, 0xa3]).raw(&address.to_le_bytes())
    }

    /// Jumps to an address.
    pub(crate) fn jump(self, address: u64) -> Self {
        // mov rax, imm64; jmp rax
        self.raw(&[0x48, 0xb8])
            .raw(&address.to_le_bytes())
            .raw(&[0xff, 0xe0])
    }

    /// Waits for ever.
    pub(crate) fn wait(self, epoll: u64) -> Self {
        self.syscall(281, &[epoll, DATA + 1024, 1, u64::MAX, 0, 0])
            .exit(99)
    }

    pub(crate) fn image(&self) -> Assembly {
        Assembly::new(&self.0)
    }
}

/// A file of its own in the temporary folder, removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(content: &[u8]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fata-spt-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).expect("a file in the temporary folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The tender, to be given arguments.
pub(crate) fn tender() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fata-spt"))
}

/// Runs an image with options of the tender and arguments of its own.
pub(crate) fn run(image: &Assembly, options: &[&str], arguments: &[&str]) -> Output {
    let file = Scratch::new(&image.bytes());
    let mut command = tender();
    if !options.iter().any(|option| option.starts_with("--mem=")) {
        command.arg("--mem=4");
    }
    command
        .args(options)
        .arg("--")
        .arg(file.path())
        .args(arguments);
    command.output().expect("the tender starts")
}

/// How a guest ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Status(i32),
    Signal(i32),
}

pub(crate) fn end(output: &Output) -> End {
    match output.status.signal() {
        Some(signal) => End::Signal(signal),
        None => End::Status(output.status.code().expect("a status or a signal")),
    }
}

/// Runs code without devices.
pub(crate) fn end_of(code: &Code) -> End {
    let output = run(&code.image(), &[], &[]);
    let end = end(&output);
    if end == End::Status(1) {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    }
    end
}

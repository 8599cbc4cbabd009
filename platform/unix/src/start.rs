// SPDX-License-Identifier: ISC
//! From C's `main` to the program's: the part of a tender.

use std::{
    arch::global_asm,
    env,
    ffi::{OsString, c_char, c_int},
};

use fata_abi::{manifest::Manifest, offer::large_buffers, platform};
use fata_tender::{
    attach::{self, Wants},
    options::{DEFAULT_MEMORY, Options},
};

use crate::{command_line, machine, machine::Machine, memory, report};

// Rust makes `main` for a program with a `fn main`; a unikernel has none, so here is one. It is weak,
// which only assembly can say, so that it gives way in a test, whose harness brings its own.
#[cfg(target_arch = "x86_64")]
global_asm!(".weak main", "main: jmp {start}", start = sym start);
#[cfg(target_arch = "aarch64")]
global_asm!(".weak main", "main: b {start}", start = sym start);

extern "C" fn start(count: c_int, arguments: *const *const c_char) -> c_int {
    // SAFETY: the C library calls `main` with the arguments of the process.
    unsafe { memory::set_arguments(count, arguments) };
    // SAFETY: this is the only thread, and nothing that it has called reads the environment now.
    unsafe { report::prepare() };
    match prepare(env::args_os().skip(1)) {
        Ok(machine) => machine::install(machine),
        Err(error) => {
            eprintln!("error: {error}");
            return 1;
        }
    }
    report::prepare_signals();
    platform::main().into()
}

/// Connects what the manifest declares to what the command line names.
fn prepare(words: impl Iterator<Item = OsString>) -> Result<Machine, fata_tender::Error> {
    let (options, words) = Options::split(words)?;
    let image = platform::image();
    let mut manifest = Manifest::parse(image.manifest.get().to_vec())
        .map_err(|error| fata_tender::Error::new(error.to_string()))?;
    let attached = if command_line::asks_for_help(&words) {
        Vec::new()
    } else {
        attach::attach(&mut manifest, &options, wants(&options))?
    };
    Machine::new(command_line::join(&words), attached)
        .map_err(|error| fata_tender::Error::new(format!("cannot wait for devices: {error}")))
}

/// What this platform and the stack above it make of frames beyond plain ones.
fn wants(options: &Options) -> Wants {
    let memory = options.memory.unwrap_or(DEFAULT_MEMORY);
    Wants {
        vnet: true,
        large: large_buffers(memory) > 0,
        large_udp: large_buffers(memory) > 0,
    }
}

#[cfg(test)]
mod tests {
    use fata_abi::{
        image::{ArgumentTree, Image, LAYOUT, Slice, Text},
        manifest::{Device, DeviceKind, NOTE_PADDING, encode_note, note_size},
        note::{HEADER_SIZE, Note},
    };

    use fata_abi::Platform;

    use super::*;
    use crate::Unix;

    const SIZE: usize = note_size(1);
    static MANIFEST: Note<SIZE> = encode_note(&[Device {
        name: "storage",
        kind: DeviceKind::Block,
    }]);
    static IMAGE: Image = Image {
        layout: LAYOUT,
        sealed: 0,
        name: Text::new("test"),
        version: Text::new("0"),
        about: Text::new(""),
        platform: Text::new(Unix::NAME),
        boot_arguments: Text::new(""),
        arguments: &ArgumentTree::EMPTY,
        manifest: Slice::new(MANIFEST.0.split_at(HEADER_SIZE + NOTE_PADDING).1),
    };

    #[unsafe(export_name = "__fata_image")]
    fn image() -> &'static Image {
        &IMAGE
    }

    #[unsafe(export_name = "__fata_main")]
    fn program() -> u8 {
        unreachable!("the test harness has a `main` of its own")
    }

    fn prepared(words: &[&str]) -> Result<Machine, String> {
        prepare(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_device_left_out_is_named_with_the_option_that_gives_it() {
        let error = prepared(&["--port=53"]).unwrap_err();
        assert!(error.contains("`storage`"), "{error}");
        assert!(error.contains("`--block:storage="), "{error}");
    }

    #[test]
    fn options_of_the_tender_come_first_and_the_rest_is_the_programs() {
        let path = env::temp_dir().join(format!("fata-unix-{}.img", std::process::id()));
        std::fs::write(&path, [0; 1024]).unwrap();
        let option = format!("--block:storage={}", path.display());
        let machine = prepared(&[&option, "--name=a b", "--block:storage=other"]);
        std::fs::remove_file(&path).unwrap();
        let machine = machine.unwrap();
        assert_eq!(machine.command_line, "'--name=a b' --block:storage=other");
        let disk = machine.block(fata_abi::Handle::new(1).unwrap()).unwrap();
        assert_eq!((disk.info().capacity, disk.info().block_size), (1024, 512));
    }

    #[test]
    fn help_needs_no_devices() {
        let machine = prepared(&["--help"]).unwrap();
        assert_eq!(machine.command_line, "--help");
        assert!(prepared(&["--net:storage=tap0", "--version"]).is_ok());
    }
}

// SPDX-License-Identifier: ISC
//! What a tender does until it comes to its own way of running an image: it reads the command line,
//! opens and checks the image, and attaches its devices.

use std::{ffi::OsString, io::Write};

use crate::{
    Error,
    attach::{self, Attached},
    boot,
    elf::{self, Abi, FileSource, Image},
    options::{Command, DEFAULT_MEMORY, HELP, Run},
};

/// Exit status of a tender that could not start its guest, as Solo5's have it.
pub const FAILURE: u8 = 1;

/// A tender, as a person meets it.
#[derive(Clone, Copy, Debug)]
pub struct Tender {
    /// Name of the program.
    pub name: &'static str,
    /// What it does, as a sentence.
    pub about: &'static str,
    /// The images that it runs.
    pub abi: Abi,
}

/// What only an uninhabited type can say: no return without an error.
#[derive(Clone, Copy, Debug)]
pub enum Never {}

/// An image that was asked for, with all that it needs before it has memory.
#[derive(Debug)]
pub struct Guest {
    /// Where its segments come from.
    pub source: FileSource,
    /// Its headers and notes; its manifest is attached.
    pub image: Image,
    /// Where its memory ends.
    pub end: u64,
    /// Its command line, NUL terminated.
    pub command_line: Vec<u8>,
    /// Its devices.
    pub attached: Vec<Attached>,
    /// A process that carries a network ends when the guest does.
    pub has_child: bool,
}

impl Tender {
    /// Does what `words` ask for, those that follow the program's name, and returns the exit status.
    /// An image is run by `start`, which comes back only if it could not.
    pub fn run(
        &self,
        words: impl IntoIterator<Item = OsString>,
        start: impl FnOnce(&Run) -> Result<Never, Error>,
    ) -> u8 {
        let Self { name, about, .. } = self;
        let result = match Command::parse(words) {
            Ok(Command::Help) => {
                return print(&format!(
                    "{about}\n\nUsage: {name} [OPTIONS] [--] IMAGE [ARGUMENTS]\n\nOptions:\n{HELP}"
                ));
            }
            // All crates of the workspace have one version.
            Ok(Command::Version) => {
                return print(&format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
            }
            Ok(Command::Run(run)) => start(&run),
            Err(error) => Err(error),
        };
        let Err(error) = result;
        eprintln!("{name}: {error}");
        FAILURE
    }

    /// Opens the image and attaches its devices.
    ///
    /// With a user-mode network this forks: see [`attach`](attach::attach).
    ///
    /// # Errors
    ///
    /// The image, the options and the host do not go together.
    pub fn open(&self, run: &Run) -> Result<Guest, Error> {
        let (source, mut image) = elf::open(&run.image, self.abi)?;
        let size = run.options.memory.unwrap_or(DEFAULT_MEMORY);
        let fits = image.check_fits(size);
        fits.map_err(|error| error.about(run.image.display()))?;
        let end = image.memory_end(size);
        let command_line = boot::command_line(&run.arguments)?;
        let wants = boot::wants(&image, end);
        let attached = attach::attach(&mut image.manifest, &run.options, wants)?;
        Ok(Guest {
            source,
            image,
            end,
            command_line,
            attached,
            has_child: attach::has_child(&run.options),
        })
    }
}

fn print(text: &str) -> u8 {
    let mut stdout = std::io::stdout();
    let written = stdout.write_all(text.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        Ok(()) => 0,
        Err(_) => FAILURE,
    }
}

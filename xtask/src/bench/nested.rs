// SPDX-License-Identifier: ISC
//! Measuring on a virtual CPU: this program plays its roles in the nested machine (`tests/nested`).

use std::{
    env,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use fata_nested::{Bed, Payload};

use super::images;

/// What a line with figures begins with; the kernel and tenders write lines too.
const MARK: &str = "figures ";

/// Roles to be played one after another, and what they need.
pub(super) struct Roles {
    bed: Bed,
    payload: Payload,
    job: String,
    count: usize,
}

impl Roles {
    /// None yet.
    ///
    /// # Errors
    ///
    /// Why there is no nested machine here.
    pub(super) fn new() -> Result<Self> {
        let mut payload = Payload::new()?;
        payload.put(&env::current_exe()?, Path::new("/bench"))?;
        Ok(Self {
            bed: Bed::find(&images::target().join("nested"))?,
            payload,
            job: String::new(),
            count: 0,
        })
    }

    /// The same, where the clock counts instructions, of which one takes a nanosecond.
    pub(super) fn counting(mut self) -> Self {
        self.bed.counts = true;
        self
    }

    /// Brings tenders and images, to be found as `/NAME`.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub(super) fn bring(&mut self, files: &[(&str, PathBuf)]) -> Result<()> {
        for (name, file) in files {
            self.payload.put(file, &Path::new("/").join(name))?;
        }
        Ok(())
    }

    /// Adds a role of `inside.rs`, with its words; none of what follows is played if it fails.
    pub(super) fn play(&mut self, words: &str) {
        let _ = writeln!(self.job, "figures=$(/bench bench --inside {words}) || exit");
        let _ = writeln!(self.job, "echo \"{MARK}$figures\"");
        self.count += 1;
    }

    /// Plays them, and returns the figures that each has printed.
    ///
    /// # Errors
    ///
    /// If one failed, or the machine did.
    pub(super) fn run(mut self, name: &str) -> Result<Vec<String>> {
        let mut figures = Vec::new();
        self.payload.job(&self.job);
        let folder = images::target().join("nested").join(name);
        self.bed.run(&mut self.payload, &folder, |line| {
            match line.strip_prefix(MARK) {
                Some(line) => figures.push(line.trim().to_owned()),
                None => eprintln!("  nested: {line}"),
            }
        })?;
        ensure!(
            figures.len() == self.count,
            "a role failed in the nested machine; it says above why"
        );
        Ok(figures)
    }
}

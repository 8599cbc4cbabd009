// SPDX-License-Identifier: ISC
//! What `net up` has made, remembered until `net down`.
//!
//! It lies where only root writes and a reboot, which removes taps and bridges as well, empties.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::Step;

const FILE: &str = "net.json";

/// Steps that were done and not taken back, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The steps.
    pub done: Vec<Step>,
}

impl State {
    /// Reads what is remembered in `folder`.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("cannot understand `{}`", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    /// Remembers it in `folder`; nothing done leaves no file.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(FILE);
        let result = if self.done.is_empty() {
            fs::remove_file(&path).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
        } else {
            let text = serde_json::to_string_pretty(self)?;
            fs::create_dir_all(folder).and_then(|()| fs::write(&path, text))
        };
        result.with_context(|| format!("cannot write `{}`", path.display()))
    }
}

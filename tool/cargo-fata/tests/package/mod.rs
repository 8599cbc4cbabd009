// SPDX-License-Identifier: ISC
//! A package made by the tool, and the tool in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// Where cargo keeps what several tests and several runs share.
const SHARED: &str = env!("CARGO_TARGET_TMPDIR");

/// A package made by `cargo fata new`.
pub(crate) struct Package {
    /// Where it is.
    pub(crate) folder: PathBuf,
    _home: TempDir,
}

impl Package {
    /// One named `name`, of this template.
    pub(crate) fn new(name: &str, template: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut new = command(home.path(), &["new", name, "--template", template]);
        let new = new.output().unwrap();
        assert!(new.status.success(), "{}", said(&new));
        let folder = home.path().join(name);
        // The versions that the workspace is tested with, without asking a registry.
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
        fs::copy(lock, folder.join("Cargo.lock")).unwrap();
        Self {
            folder,
            _home: home,
        }
    }

    /// Runs the tool in it.
    pub(crate) fn fata(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The tool in it, to be run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(&self.folder, arguments)
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-fata"));
    command
        .arg("fata")
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", SHARED)
        .env("CARGO_NET_OFFLINE", "true");
    command
}

/// All that was said, on either stream.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// What is on stdout, of what has succeeded.
pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

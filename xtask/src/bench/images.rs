// SPDX-License-Identifier: ISC
//! What the benchmarks measure: sealed images and the tender, built as a user would build them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::process;

/// Builds a package of this repository sealed for spt and says where the image is.
pub(super) fn sealed(package: &str) -> Result<PathBuf> {
    let image = format!("target/bench/{package}.spt");
    process::run("cargo", &["fata", "--quiet", "build", "-p", package, "-o", &image])?;
    Ok(PathBuf::from(image))
}

/// Builds our tender for release and says where it is.
pub(super) fn tender() -> Result<PathBuf> {
    process::run("cargo", &["build", "--quiet", "--release", "-p", "fata-spt"])?;
    Ok(PathBuf::from("target/release/fata-spt"))
}

/// Solo5's own tender and its hello, from the folder of a Solo5 build that `FATA_SOLO5` names.
pub(super) fn solo5() -> Option<(PathBuf, PathBuf)> {
    let folder = PathBuf::from(std::env::var_os("FATA_SOLO5")?);
    let tender = folder.join("tenders/spt/solo5-spt");
    let hello = folder.join("tests/test_hello/test_hello.spt");
    (tender.is_file() && hello.is_file()).then_some((tender, hello))
}

/// Bytes of a file.
pub(super) fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("no file {}", path.display()))?.len())
}

/// A UDP port of loopback that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    Ok(std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A running tender that is ended when dropped.
pub(super) struct Running(std::process::Child);

impl Running {
    /// Starts `command` without its output.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .with_context(|| format!("could not run {command:?}"))?;
        Ok(Self(child))
    }

    /// Fails if the program has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the server ended: {status}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end and nothing to report.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// SPDX-License-Identifier: ISC
//! What the benchmarks measure: sealed images and the tender, built as a user would build them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use fata_test_harness::{launch::Running, outcome::Ending};

use crate::process;

/// A server of a benchmark that runs longer than this has been forgotten.
pub(super) const LIMIT: Duration = Duration::from_secs(900);

/// Builds a package of this repository sealed for spt and says where the image is.
pub(super) fn sealed(package: &str) -> Result<PathBuf> {
    sealed_for(package, "spt")
}

/// Builds a package of this repository sealed for `target` and says where the image is.
pub(super) fn sealed_for(package: &str, target: &str) -> Result<PathBuf> {
    let image = format!("target/bench/{package}.{target}");
    let flags = ["-p", package, "-t", target, "-o", &image];
    process::run(
        "cargo",
        &[&["fata", "--quiet", "build"], &flags[..]].concat(),
    )?;
    Ok(PathBuf::from(image))
}

/// Builds our tender for release and says where it is.
pub(super) fn tender() -> Result<PathBuf> {
    process::run(
        "cargo",
        &["build", "--quiet", "--release", "-p", "fata-spt"],
    )?;
    Ok(target().join("release/fata-spt"))
}

/// Where cargo builds.
pub(super) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
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
    Ok(std::fs::metadata(path)
        .with_context(|| format!("no file {}", path.display()))?
        .len())
}

/// A UDP port of loopback that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    Ok(std::net::UdpSocket::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// Starts a server; dropping it ends it.
pub(super) fn start(command: Command) -> Result<Running> {
    Running::start(command, LIMIT).map_err(plain)
}

/// What the harness says of a failure, as an error.
pub(super) fn plain(ending: Ending) -> anyhow::Error {
    match ending {
        Ending::Failed(message) | Ending::Skipped(message) => anyhow!(message),
        Ending::DoesNotApply(reason) => anyhow!(reason),
    }
}

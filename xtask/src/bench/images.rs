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

/// Builds our tender of spt for release and says where it is.
pub(super) fn tender() -> Result<PathBuf> {
    tender_for("spt")
}

/// Builds our tender of `target` for release and says where it is.
pub(super) fn tender_for(target: &str) -> Result<PathBuf> {
    let package = format!("fata-{target}");
    process::run("cargo", &["build", "--quiet", "--release", "-p", &package])?;
    Ok(self::target().join("release").join(package))
}

/// Where cargo builds.
pub(super) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)
}

/// Solo5's own tender for `target`, as the matrix of tests finds it too.
pub(super) fn solo5_tender(target: &str) -> Option<PathBuf> {
    let variable = format!("FATA_SOLO5_{}", target.to_uppercase());
    let tender = PathBuf::from(std::env::var_os(variable)?);
    tender.is_file().then_some(tender)
}

/// Solo5's own hello for `target`, from the folder `tests` of a Solo5 build.
pub(super) fn solo5_hello(target: &str) -> Option<PathBuf> {
    let tests = PathBuf::from(std::env::var_os("FATA_SOLO5_TESTS")?);
    let hello = tests.join(format!("test_hello/test_hello.{target}"));
    hello.is_file().then_some(hello)
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

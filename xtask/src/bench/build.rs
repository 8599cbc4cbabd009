// SPDX-License-Identifier: ISC
//! Times of the developer: from a changed line to its image, and from a clone to the first answer.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{images, query, table::Row};
use crate::process;

/// Changes a line of an example and builds its image again.
pub(super) fn rebuild() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (package, source) in [
        ("hello", "examples/tutorial/hello/src/main.rs"),
        ("dns", "examples/app/dns/src/main.rs"),
    ] {
        images::sealed(package)?;
        let restored = Restored::of(Path::new(source))?;
        fs::write(
            source,
            format!(
                "{}\nconst _: u32 = {};\n",
                restored.text,
                std::process::id()
            ),
        )?;
        let start = Instant::now();
        images::sealed(package)?;
        let time = start.elapsed();
        drop(restored);
        rows.push(Row::new(
            &format!("changed line of {package} to its new image"),
            format!("{:.1} s", time.as_secs_f64()),
            "<= 5 s",
        ));
    }
    Ok(rows)
}

/// A source file that gets its text back.
struct Restored<'a> {
    path: &'a Path,
    text: String,
}

impl<'a> Restored<'a> {
    fn of(path: &'a Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("no {}", path.display()))?;
        Ok(Self { path, text })
    }
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::write(self.path, &self.text) {
            eprintln!(
                "error: {} could not be restored: {error}",
                self.path.display()
            );
        }
    }
}

/// Clones the repository, and runs the README's first command there with an empty cargo home.
pub(super) fn fresh_clone() -> Result<Vec<Row>> {
    // The port that examples/app/dns/Fata.toml forwards; whoever holds it would answer instead.
    let server = SocketAddr::from(([127, 0, 0, 1], 5353));
    drop(UdpSocket::bind(server).with_context(|| format!("{server} must be free for this"))?);
    let folder = std::env::temp_dir().join(format!("fata-clone-{}", std::process::id()));
    let _removed = Removed(&folder);
    let start = Instant::now();
    let clone = folder
        .to_str()
        .context("a temporary folder with a name in UTF-8")?;
    process::run("git", &["clone", "--quiet", ".", clone])?;
    let mut command = Command::new("cargo");
    command
        .args(["fata", "run", "-p", "dns"])
        .current_dir(&folder)
        .env("CARGO_HOME", folder.join("cargo-home"))
        .env_remove("CARGO_TARGET_DIR");
    let _running = images::start(command)?;
    let time = query::until_answered(server, start, Duration::from_secs(600))?;
    Ok(vec![Row::new(
        "fresh clone, empty cache, to the first answered query",
        format!("{:.0} s", time.as_secs_f64()),
        "<= 180 s",
    )])
}

/// A folder that goes away.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(self.0) {
            eprintln!("note: {} was not removed: {error}", self.0.display());
        }
    }
}

// SPDX-License-Identifier: ISC
//! How cargo is to be called, target by target: the stable toolchain as it is, with rustc's own
//! linker, the target's linker script, and nothing of the host's C library.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use fata_abi::solo5;

use super::{BuildFlags, toolchain};
use crate::{
    config::{Optimize, Target},
    project::{Project, cargo},
};

/// The triple that sealed images are compiled for: the ordinary one, whose precompiled `core` and
/// `alloc` every toolchain has.
pub const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Libraries that rustc and the `libc` crate ask for by habit. Empty ones satisfy them, and what
/// would have come from them is then an error of the linker.
const HOST_LIBRARIES: [&str; 9] = [
    "c", "m", "rt", "pthread", "util", "dl", "gcc", "gcc_s", "gcc_eh",
];
/// An archive without members.
const EMPTY_ARCHIVE: &str = "!<arch>\n";

/// How the release profile differs from cargo's in an image.
const PROFILE: [&str; 4] = [
    // Nothing unwinds in an image.
    "profile.release.panic='abort'",
    "profile.release.lto='fat'",
    "profile.release.codegen-units=1",
    // Kept beside the image, so that a panic can name file and line.
    "profile.release.debug='line-tables-only'",
];

/// Variables that the facade reads when the package is compiled.
const BOOT_ARGUMENTS: &str = "FATA_BOOT_ARGUMENTS";
const SEALED: &str = "FATA_SEALED";

/// The command that builds an ordinary process.
pub fn unix(project: &Project, flags: &BuildFlags) -> Command {
    let mut command = common(project, flags);
    command.arg("--target-dir").arg(&project.target_directory);
    command
}

/// The command that builds an image for `target`, a tender that starts images of Solo5's layout.
pub fn sealed(project: &Project, target: Target, flags: &BuildFlags) -> anyhow::Result<Command> {
    let work = project.work();
    let (script, libraries) = (work.join("link/solo5.ld"), work.join("link/empty"));
    write_if_changed(&script, solo5::LINKER_SCRIPT)?;
    for name in HOST_LIBRARIES {
        write_if_changed(&libraries.join(format!("lib{name}.a")), EMPTY_ARCHIVE)?;
    }
    let mut command = common(project, flags);
    command
        .args(["--release", "--target", TRIPLE, "--target-dir"])
        .arg(work.join(target.name()));
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    let optimize = flags
        .optimize
        .or(project.config.optimize)
        .unwrap_or_default();
    command.args(["--config", level(optimize)]);
    if flags.debug || flags.variables {
        command.args(["--config", "profile.release.debug='full'"]);
    }
    // Encoded, so that paths may hold spaces; in flags and not in the target's configuration, so
    // that build scripts, which share the triple, are not linked like images.
    command.env(
        "CARGO_ENCODED_RUSTFLAGS",
        rustflags(project, target, optimize, &script, &libraries)?.join("\x1f"),
    );
    Ok(command)
}

/// A unikernel mostly waits for packets and blocks; what it computes between them is little, and
/// small code has its own speed. `dns` spends a tenth of its time outside of the host's kernel.
fn level(optimize: Optimize) -> &'static str {
    match optimize {
        Optimize::Size => "profile.release.opt-level='z'",
        Optimize::Speed => "profile.release.opt-level=3",
    }
}

/// What makes an image smaller than the profile alone does, by more than 10 %.
const SMALLER: [&str; 10] = [
    // Functions of the same code become one; a backtrace may name the twin.
    "-Clink-arg=--icf=all",
    // Calls what several functions repeat, in a few rounds. Only straight code moves, never a call,
    // so that backtraces stay as they are.
    "-Cllvm-args=-enable-machine-outliner=always",
    "-Cllvm-args=-machine-outliner-reruns=2",
    // Level `z` copies nearly nothing into its callers. Much of Rust's code is smaller in its place
    // than as a call, unless it has many variables: far ones on the stack take longer instructions.
    // These are the numbers that give the smallest `dns`.
    "-Cllvm-args=-inline-threshold=20",
    "-Cllvm-args=-inline-max-stacksize=250",
    // A table has eight bytes for each of its targets, which is more than a few comparisons take.
    "-Cllvm-args=-min-jump-table-entries=16",
    // What else has a choice: registers that are saved, ends of blocks that are the same, moves that
    // could be jumps, and room before loops.
    "-Cllvm-args=-split-spill-mode=size",
    "-Cllvm-args=-tail-merge-size=2",
    "-Cllvm-args=-x86-cmov-converter=0",
    "-Cllvm-args=-align-loops=1",
];

fn rustflags(
    project: &Project,
    target: Target,
    optimize: Optimize,
    script: &Path,
    libraries: &Path,
) -> anyhow::Result<Vec<String>> {
    let mut flags: Vec<String> = [
        "--cfg",
        &format!("fata_platform=\"{}\"", target.name()),
        "--cfg",
        "getrandom_backend=\"custom\"",
        // Random numbers are wanted in tens of bytes: code for wide registers is never worth it.
        "--cfg",
        "chacha20_backend=\"soft\"",
        "-Clinker=rust-lld",
        "-Clinker-flavor=ld.lld",
        "-Crelocation-model=static",
        "-Ctarget-feature=+crt-static",
        // Backtraces walk frame pointers: there are no unwind tables.
        "-Cforce-frame-pointers=yes",
        "-Clink-arg=-zmax-page-size=4096",
    ]
    .map(str::to_owned)
    .into();
    if optimize == Optimize::Size {
        flags.extend(SMALLER.map(str::to_owned));
    }
    for (from, to) in renamed(&project.folder)? {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    }
    flags.push(format!("-Clink-arg=-T{}", script.display()));
    flags.push(format!("-Lnative={}", libraries.display()));
    Ok(flags)
}

/// Folders of this machine that would get into images with the place of each panic, and what is
/// written instead: images are to be the same wherever they are built, and small.
fn renamed(folder: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut renamed = Vec::new();
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    if let Some(home) = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo"))) {
        let mut sources = vec![home.join("git/checkouts")];
        // One folder a registry, whose name depends on the machine; none before the first download.
        for entry in fs::read_dir(home.join("registry/src"))
            .into_iter()
            .flatten()
        {
            sources.push(
                entry
                    .context("cannot read cargo's folder of sources")?
                    .path(),
            );
        }
        sources.sort();
        renamed.extend(
            sources
                .into_iter()
                .map(|source| (source.join(""), String::new())),
        );
    }
    // The sources of the standard library, where they are installed.
    let sysroot = toolchain::ask(folder, &["--print", "sysroot"])?;
    let version = toolchain::ask(folder, &["-vV"])?;
    let mut lines = version.lines();
    if let Some(hash) = lines.find_map(|line| line.strip_prefix("commit-hash: ")) {
        let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust");
        renamed.push((sources, format!("/rustc/{hash}")));
    }
    Ok(renamed)
}

fn common(project: &Project, flags: &BuildFlags) -> Command {
    let mut command = cargo();
    command
        .arg("build")
        .arg("--manifest-path")
        .arg(project.folder.join("Cargo.toml"))
        .args(["--bin", &project.binary])
        // The folder decides on the toolchain and on `.cargo/config.toml`.
        .current_dir(&project.folder)
        .env_remove(BOOT_ARGUMENTS)
        .env_remove(SEALED);
    for features in &flags.features {
        command.args(["--features", features]);
    }
    for (flag, given) in [
        ("--no-default-features", flags.no_default_features),
        ("--locked", flags.locked),
        ("--offline", flags.offline),
    ] {
        command.args(given.then_some(flag));
    }
    let arguments = project.config.boot_arguments();
    if !arguments.is_empty() {
        command.env(BOOT_ARGUMENTS, arguments);
    }
    if project.config.seal {
        command.env(SEALED, "1");
    }
    command
}

/// Leaves a file alone that is as it should be: a newer one would be linked again.
fn write_if_changed(path: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

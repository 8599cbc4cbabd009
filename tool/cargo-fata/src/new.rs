// SPDX-License-Identifier: ISC
//! `cargo fata new`: an ordinary cargo package that is a unikernel.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::{
    failure::failure,
    output::{Output, display},
};

/// Make a package for a unikernel
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo fata new hello\n  \
    cargo fata new resolver --template dns")]
pub struct New {
    /// Folder to make; its last part names the package
    #[arg(value_name = "NAME")]
    path: PathBuf,

    /// What to start from
    #[arg(long, value_name = "TEMPLATE", default_value = "hello")]
    template: Template,

    /// Take Fata from a checkout in this folder
    #[arg(long, value_name = "PATH", conflicts_with = "fata_git")]
    fata_path: Option<PathBuf>,

    /// Take Fata from a git repository
    #[arg(long, value_name = "URL")]
    fata_git: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Template {
    /// Says hello; takes an argument
    Hello,
    /// An authoritative DNS server for zones of yours
    Dns,
}

/// A file of a template: its path in the package, and its text.
type File = (&'static str, &'static str);

const MANIFEST: &str = include_str!("../templates/Cargo.toml.in");
/// What the dns template needs beside that: its build script compiles the zones.
const DNS_MANIFEST: &str = "\n[build-dependencies]\n\
    # Reads the zone files when the image is built.\n\
    fata-dns = { @FATA_DNS@ }\n";
const APART: &str = "\n# Not a member of the workspace of a folder above.\n[workspace]\n";
/// Below a checkout, its alias would look for the tool among the packages of the new one.
const ALIAS: &str = "# The tool of the checkout in a folder above, whose alias does not reach here.\n\
    [alias]\n\
    fata = \"run --manifest-path @CHECKOUT@/Cargo.toml --package cargo-fata -- fata\"\n";
const IGNORE: File = (".gitignore", "/target\n/dist\n");
const HELLO: &[File] = &[
    IGNORE,
    ("src/main.rs", include_str!("../templates/hello/main.rs")),
];
/// `examples/app/dns`, to which the files in `templates/dns` are links, with a short zone.
const DNS: &[File] = &[
    IGNORE,
    ("Fata.toml", include_str!("../templates/dns/Fata.toml")),
    ("build.rs", include_str!("../templates/dns/build.rs")),
    ("src/main.rs", include_str!("../templates/dns/main.rs")),
    (
        "src/arguments.rs",
        include_str!("../templates/dns/arguments.rs"),
    ),
    ("src/notify.rs", include_str!("../templates/dns/notify.rs")),
    ("src/tcp.rs", include_str!("../templates/dns/tcp.rs")),
    ("src/zones.rs", include_str!("../templates/dns/zones.rs")),
    (
        "zones/example.org.zone",
        include_str!("../templates/dns/example.org.zone"),
    ),
];
/// Fata's licence is not that of what is made from a template.
const LICENCE: &str = "// SPDX-License-Identifier: ISC\n";

impl New {
    /// Makes the package.
    pub fn run(self, output: Output) -> anyhow::Result<()> {
        let name = self.name()?;
        if self.path.exists() {
            return Err(failure(
                format!("`{}` exists already", self.path.display()),
                "choose another name, or remove it first",
            ));
        }
        let mut manifest = MANIFEST
            .replace("@NAME@", name)
            .replace("@FATA@", &self.source("fata")?);
        if self.template == Template::Dns {
            manifest += &DNS_MANIFEST.replace("@FATA_DNS@", &self.source("proto/dns")?);
        }
        let path = std::path::absolute(&self.path).unwrap_or_default();
        let above = |file: &str| path.ancestors().skip(1).find(|at| at.join(file).is_file());
        // Cargo would look for the package among the members of that above.
        if above("Cargo.toml").is_some() {
            manifest.push_str(APART);
        }
        let files = match self.template {
            Template::Hello => HELLO,
            Template::Dns => DNS,
        };
        write(&self.path.join("Cargo.toml"), &manifest)?;
        if let Some(checkout) = above("tool/cargo-fata/Cargo.toml") {
            let alias = ALIAS.replace("@CHECKOUT@", &checkout.display().to_string());
            write(&self.path.join(".cargo/config.toml"), &alias)?;
        }
        for (path, text) in files {
            let text = text.strip_prefix(LICENCE).unwrap_or(text);
            write(&self.path.join(path), text)?;
        }
        let path = display(&self.path);
        output.status("Created", format_args!("unikernel `{name}` in `{path}`"));
        output.status("Next", format_args!("cd {path} && cargo fata run"));
        Ok(())
    }

    fn name(&self) -> anyhow::Result<&str> {
        let name = self
            .path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fits) {
            return Ok(name);
        }
        Err(failure(
            format!("`{name}` cannot be the name of a package"),
            "use small letters, digits, `-` and `_`, a letter first",
        ))
    }

    /// Where the package takes a crate of Fata from, as the inside of a TOML table. `folder` is
    /// that of the crate in a checkout.
    fn source(&self, folder: &str) -> anyhow::Result<String> {
        if let Some(url) = &self.fata_git {
            return Ok(format!("git = {}", quoted(url)));
        }
        let checkout = match &self.fata_path {
            Some(path) => fs::canonicalize(path)
                .with_context(|| format!("cannot find the checkout `{}`", path.display()))?,
            // Until the crates are published: the checkout that the tool was built from.
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
        };
        let folder = checkout.join(folder);
        if !folder.join("Cargo.toml").is_file() {
            return Err(failure(
                format!("no checkout of Fata in `{}`", checkout.display()),
                "name one with `--fata-path PATH`, or a repository with `--fata-git URL`",
            ));
        }
        let folder = fs::canonicalize(&folder)
            .with_context(|| format!("cannot resolve `{}`", folder.display()))?;
        Ok(format!("path = {}", quoted(&folder.display().to_string())))
    }
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dns_template_is_the_whole_example() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/app/dns");
        let own = |path: &str| path.starts_with("zones/") || path == IGNORE.0;
        for (path, text) in DNS.iter().filter(|(path, _)| !own(path)) {
            let there = fs::read_to_string(example.join(path)).unwrap();
            assert!(there == *text, "`templates/dns` has another {path}");
        }
        for file in fs::read_dir(example.join("src")).unwrap() {
            let path = format!("src/{}", file.unwrap().file_name().display());
            assert!(
                DNS.iter().any(|file| file.0 == path),
                "{path} is not in the template"
            );
        }
    }
}

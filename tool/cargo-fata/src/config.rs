// SPDX-License-Identifier: ISC
//! `Fata.toml`: what a package remembers of how its unikernel is built and run.
//!
//! ```toml
//! target = "spt"
//! mem = "16M"
//! net.service = "user,udp:5353:53"
//! block.storage = "disk.img"
//! arguments = ["--port=5353"]     # boot arguments, compiled in
//! seal = true                     # ... and final
//! try = "dig @127.0.0.1 -p 5353 example.org"
//! ```

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use serde::Deserialize;

use crate::devices::{self, Devices, Memory};

pub mod edit;

/// Name of the file, beside `Cargo.toml`.
pub const FILE: &str = "Fata.toml";

/// Where a unikernel is to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// An ordinary process, for development
    Unix,
    /// A Linux process in a sandbox that leaves it a handful of system calls
    #[default]
    Spt,
    /// A virtual CPU of KVM
    Hvt,
}

impl Target {
    /// Its name, which is also the file extension of an image.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Spt => "spt",
            Self::Hvt => "hvt",
        }
    }
}

/// What the compiler aims at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Optimize {
    /// A small image, which also builds faster
    #[default]
    Size,
    /// A fast one, for programs that compute more than they wait
    Speed,
}

impl Optimize {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Speed => "speed",
        }
    }
}

/// Content of a `Fata.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where the unikernel is to live.
    pub target: Option<Target>,
    /// What the compiler aims at.
    pub optimize: Option<Optimize>,
    /// Its memory.
    pub mem: Option<Memory>,
    /// Network devices.
    pub net: BTreeMap<String, String>,
    /// MAC addresses.
    pub net_mac: BTreeMap<String, String>,
    /// Disks: paths, relative to the folder of the file.
    pub block: BTreeMap<String, String>,
    /// Block sizes.
    pub block_sector_size: BTreeMap<String, u32>,
    /// Boot arguments that are compiled into the image.
    pub arguments: Vec<String>,
    /// Whether they are final.
    pub seal: bool,
    /// A command to try when it runs; `cargo fata run` prints it.
    pub r#try: Option<String>,
}

impl Config {
    /// Reads the file in `folder`; without one, everything has its default.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text)
                .with_context(|| format!("cannot understand `{}`", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    /// Parses the text of a `Fata.toml`; errors name line and column.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml_edit::de::from_str(text)
            .map_err(|error| anyhow!("{}", error.to_string().trim_end()))?;
        let names = [&config.net, &config.net_mac, &config.block];
        for name in names.into_iter().flat_map(|map| map.keys()) {
            devices::check_name(name).map_err(|error| anyhow!(error))?;
        }
        Ok(config)
    }

    /// Where the unikernel is to live.
    pub fn target(&self) -> Target {
        self.target.unwrap_or_default()
    }

    /// Its devices; paths of disks are made to reach from the current folder.
    pub fn devices(&self, folder: &Path) -> Devices {
        let mut devices = Devices {
            mem: self.mem,
            net: self.net.clone(),
            net_mac: self.net_mac.clone(),
            block: self.block.clone(),
            block_sector_size: self.block_sector_size.clone(),
        };
        devices.resolve_paths(folder);
        devices
    }

    /// The boot arguments as the one line that the image takes.
    pub fn boot_arguments(&self) -> String {
        quote_all(&self.arguments)
    }
}

/// `arguments` as one line that splits into the same again: quoted as in a shell where need be.
pub fn quote_all<S: AsRef<str>>(arguments: &[S]) -> String {
    let quoted: Vec<String> = arguments.iter().map(|a| quote(a.as_ref())).collect();
    quoted.join(" ")
}

fn quote(argument: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '\'' | '"' | '\\');
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let config = Config::parse(
            "target = \"spt\"\noptimize = \"speed\"\nmem = 16\nnet.service = \"user\"\nblock.storage = \"disk.img\"\n\
             block-sector-size.storage = 4096\narguments = [\"--port=53\", \"a b\"]\nseal = true\n\
             try = \"dig\"\n[net-mac]\nservice = \"02:00:00:00:00:01\"\n",
        )
        .unwrap();
        assert_eq!(config.mem, Some(Memory(16)));
        assert_eq!(config.optimize, Some(Optimize::Speed));
        assert_eq!(config.boot_arguments(), "--port=53 'a b'");
        let devices = config.devices(Path::new("pkg"));
        assert_eq!(devices.block["storage"], "pkg/disk.img");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, line, words) in [
            ("mem = 1\nmemm = 2", "line 2", "unknown field `memm`"),
            ("\n\nmem = \"1K\"", "line 3", "megabytes"),
            ("target = \"kvm\"", "line 1", "unknown variant `kvm`"),
            ("seal = ", "line 1", ""),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(line) && error.contains(words), "{error}");
        }
        let error = Config::parse("net.a-b = \"user\"").unwrap_err();
        assert!(error.to_string().contains("letters and digits"), "{error}");
    }

    #[test]
    fn quoting_is_that_of_a_shell() {
        assert_eq!(
            quote_all(&["--a=b", "", "it's", "x y"]),
            r"--a=b '' 'it'\''s' 'x y'"
        );
    }
}

// SPDX-License-Identifier: ISC
//! Flags that give a unikernel's devices their host resources, as Solo5's tenders spell them.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use clap::Args;
use fata_abi::manifest::MAX_NAME;
use serde::{Deserialize, Deserializer, de};

/// `NAME=VALUE`, where the name is that of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// Device name, as the manifest of the image has it.
    pub name: String,
    /// What it is given.
    pub value: T,
}

/// Megabytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory(pub u32);

/// Host resources and memory.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Devices and memory")]
pub struct DeviceFlags {
    /// Memory of the unikernel: `16M`, `1G`
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub mem: Option<Memory>,

    /// Attach a network: a tap interface, an open descriptor `@FD`, or `user` with ports to
    /// forward: `user,udp:5353:53,tcp:127.0.0.1:8080:80`
    #[arg(long, value_name = "NAME=HOST", value_parser = parse_named)]
    pub net: Vec<Named<String>>,

    /// Give a network device this MAC address
    #[arg(long, value_name = "NAME=MAC", value_parser = parse_named)]
    pub net_mac: Vec<Named<String>>,

    /// Attach a file or a host's block device as a disk
    #[arg(long, value_name = "NAME=PATH", value_parser = parse_named)]
    pub block: Vec<Named<String>>,

    /// Bytes in a block of a disk
    #[arg(long, value_name = "NAME=BYTES", value_parser = parse_named_number)]
    pub block_sector_size: Vec<Named<u32>>,
}

/// Devices with their host resources, from `Fata.toml` and then from flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Megabytes of memory, unless the tender's default will do.
    pub mem: Option<Memory>,
    /// Network devices.
    pub net: BTreeMap<String, String>,
    /// MAC addresses.
    pub net_mac: BTreeMap<String, String>,
    /// Disks.
    pub block: BTreeMap<String, String>,
    /// Block sizes.
    pub block_sector_size: BTreeMap<String, u32>,
}

impl DeviceFlags {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.mem.is_none()
            && self.net.is_empty()
            && self.net_mac.is_empty()
            && self.block.is_empty()
            && self.block_sector_size.is_empty()
    }
}

impl Devices {
    /// Lets `flags` override.
    pub fn apply(&mut self, flags: &DeviceFlags) {
        fn extend<T: Clone>(map: &mut BTreeMap<String, T>, flags: &[Named<T>]) {
            map.extend(flags.iter().map(|f| (f.name.clone(), f.value.clone())));
        }
        self.mem = flags.mem.or(self.mem);
        extend(&mut self.net, &flags.net);
        extend(&mut self.net_mac, &flags.net_mac);
        extend(&mut self.block, &flags.block);
        extend(&mut self.block_sector_size, &flags.block_sector_size);
    }

    /// The options of a tender that say the same.
    pub fn options(&self) -> Vec<OsString> {
        let mut options = Vec::new();
        if let Some(Memory(megabytes)) = self.mem {
            options.push(format!("--mem={megabytes}").into());
        }
        let mut named = |flag: &str, name: &str, value: &str| {
            options.push(format!("--{flag}:{name}={value}").into());
        };
        for (name, value) in &self.net {
            named("net", name, value);
        }
        for (name, value) in &self.net_mac {
            named("net-mac", name, value);
        }
        for (name, value) in &self.block {
            named("block", name, value);
        }
        for (name, value) in &self.block_sector_size {
            named("block-sector-size", name, &value.to_string());
        }
        options
    }

    /// Makes paths of disks that are relative to `folder` reach the same file from here.
    pub fn resolve_paths(&mut self, folder: &Path) {
        for path in self.block.values_mut() {
            if let Some(resolved) = folder.join(&*path).to_str() {
                *path = resolved.to_owned();
            }
        }
    }
}

/// Rewrites `--net:NAME=HOST`, which is how tenders spell it and no parser of flags knows, to
/// `--net NAME=HOST`. Boot arguments, after `--`, are left alone.
pub fn split_colons(args: Vec<OsString>) -> Vec<OsString> {
    const FLAGS: [&str; 4] = ["--net", "--net-mac", "--block", "--block-sector-size"];
    let mut boot_arguments = false;
    let mut split = Vec::with_capacity(args.len());
    for arg in args {
        boot_arguments |= arg == "--";
        match arg.to_str().and_then(|text| text.split_once(':')) {
            Some((flag, rest)) if !boot_arguments && FLAGS.contains(&flag) => {
                split.extend([OsString::from(flag), OsString::from(rest)]);
            }
            _ => split.push(arg),
        }
    }
    split
}

/// Parses `NAME=VALUE`.
pub fn parse_named(text: &str) -> Result<Named<String>, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("a device's name comes first, as in `service={text}`"))?;
    check_name(name)?;
    if value.is_empty() {
        return Err(format!("nothing after `{name}=`"));
    }
    Ok(Named {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

fn parse_named_number(text: &str) -> Result<Named<u32>, String> {
    let Named { name, value } = parse_named(text)?;
    let value: u32 = value.parse().map_err(|_| "expected a number of bytes")?;
    if !value.is_power_of_two() || value < 512 {
        return Err("a block size is a power of two from 512 up".to_owned());
    }
    Ok(Named { name, value })
}

/// Whether `name` can be that of a device.
pub fn check_name(name: &str) -> Result<(), String> {
    let characters = name.chars().all(|c| c.is_ascii_alphanumeric());
    if name.is_empty() || name.len() > MAX_NAME || !characters {
        return Err(format!(
            "a device name is 1 to {MAX_NAME} letters and digits: `{name}`"
        ));
    }
    Ok(())
}

/// Parses `16M`, `1G` or, as tenders take it, `16`.
pub fn parse_memory(text: &str) -> Result<Memory, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "m" | "mb" | "mib" => 1,
        "g" | "gb" | "gib" => 1024,
        _ => 0,
    };
    let size = digits
        .parse()
        .ok()
        .and_then(|n: u32| n.checked_mul(factor))
        .filter(|&n| n > 0)
        .ok_or("expected whole megabytes such as `16M` or `1G`")?;
    Ok(Memory(size))
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}M", self.0)
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Memory;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a size such as \"16M\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Memory, E> {
                parse_memory(text).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Memory, E> {
                parse_memory(&number.to_string()).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(args: &[&str]) -> Vec<String> {
        split_colons(args.iter().map(OsString::from).collect())
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect()
    }

    #[test]
    fn colons_are_split_before_boot_arguments_only() {
        assert_eq!(
            split(&["run", "--net:service=user,udp:1:2", "--", "--net:a=b"]),
            ["run", "--net", "service=user,udp:1:2", "--", "--net:a=b"]
        );
        assert_eq!(split(&["--net-mac:a=02:00"]), ["--net-mac", "a=02:00"]);
        assert_eq!(split(&["--color:x", "a:b"]), ["--color:x", "a:b"]);
    }

    #[test]
    fn memory_is_whole_megabytes() {
        assert_eq!(parse_memory("16M"), Ok(Memory(16)));
        assert_eq!(parse_memory("16"), Ok(Memory(16)));
        assert_eq!(parse_memory("2g"), Ok(Memory(2048)));
        for wrong in ["", "M", "0", "1.5M", "12K", "-1", "4294967295G", "é"] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert!(parse_named("service=tap0").is_ok());
        assert!(parse_named("ser-vice=tap0").is_err());
        assert!(parse_named("service").is_err());
        assert!(parse_named("=tap0").is_err());
        assert!(parse_named_number("storage=4096").is_ok());
        assert!(parse_named_number("storage=100").is_err());
    }

    #[test]
    fn flags_override() {
        let mut devices = Devices::default();
        devices.net.insert("service".into(), "user".into());
        devices.apply(&DeviceFlags {
            mem: Some(Memory(2)),
            net: vec![parse_named("service=tap0").unwrap()],
            ..DeviceFlags::default()
        });
        assert_eq!(devices.options(), ["--mem=2", "--net:service=tap0"]);
    }
}

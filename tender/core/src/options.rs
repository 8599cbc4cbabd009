// SPDX-License-Identifier: ISC
//! The command line of a tender: that of Solo5's tenders, so that scripts and orchestrators written
//! for those run Fata's too, with a few additions (`--net:NAME=user`, units after `--mem`).
//!
//! [`Command::parse`] is the whole command line of a tender; [`Options::split`] is for a program
//! that is its own tender. Nothing here looks at the host: a parsed option may still name a tap
//! that does not exist, which [`attach`](crate::attach) finds out.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use fata_abi::manifest::{self, Device, DeviceKind, MAX_NAME};

use crate::Error;
pub use debug::{DEFAULT_GDB_PORT, Debug};

mod debug;

/// Guest memory when `--mem` is not given, as Solo5's tenders have it.
pub const DEFAULT_MEMORY: u64 = 512 << 20;
/// Bytes in a block when `--block-sector-size` is not given.
pub const DEFAULT_SECTOR_SIZE: u16 = 512;

/// Help for the options that every tender has, each line indented for a list of options.
pub const HELP: &str =
    "  --mem=SIZE                        memory of the guest: a number of MB, or with a unit, as in
                                    16M, 1G or 1536K (default: 512); an image of Fata has all of
                                    it, one of Solo5 all but the first MB, as Solo5 counts
  --net:NAME=IFACE                  attach the tap interface IFACE as network device NAME
  --net:NAME=@FD                    the same with a tap, or a socket that carries one frame a
                                    message, that the caller opened as descriptor FD
  --net:NAME=user[,FORWARD]...      a network without root: address by DHCP, the way out through
                                    this process; a FORWARD leads from the host to the guest, as
                                    in udp:5353:53 or tcp:127.0.0.1:8080:80; the word `host` lets
                                    the guest reach services on this machine's loopback
  --net-mac:NAME=MAC                Ethernet address of network device NAME (default: random)
  --block:NAME=PATH                 attach the file or block device PATH as block device NAME
  --block-sector-size:NAME=BYTES    size of its blocks: a power of two, 512 to 32768 (default: 512)
  --gdb                             wait for gdb before the first instruction of the guest
  --gdb-port=PORT                   where on this machine's loopback (default: 1234)
  --dumpcore=DIR                    write a core file into DIR if the guest fails
  --trace=FILE                      write to FILE what the guest asked of its host, and when
  --help                            print this help
  --version                         print the version
";

/// What a tender is asked to do.
#[expect(
    clippy::large_enum_variant,
    reason = "a process has one of these, and takes it apart at once"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Print help.
    Help,
    /// Print the version.
    Version,
    /// Run an image.
    Run(Run),
}

/// An image to run, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Options of the tender.
    pub options: Options,
    /// Options for looking into the guest.
    pub debug: Debug,
    /// The image.
    pub image: PathBuf,
    /// Arguments for the image.
    pub arguments: Vec<OsString>,
}

/// Options of a tender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--mem`, in bytes: a multiple of the page size. What of the addresses that is,
    /// [`Image::memory_end`](crate::elf::Image::memory_end) says.
    pub memory: Option<u64>,
    /// `--net`, by the name of the device, as all that follow.
    pub nets: BTreeMap<String, NetSource>,
    /// `--net-mac`.
    pub macs: BTreeMap<String, [u8; 6]>,
    /// `--block`.
    pub blocks: BTreeMap<String, PathBuf>,
    /// `--block-sector-size`.
    pub sector_sizes: BTreeMap<String, u16>,
}

/// Where a network device leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetSource {
    /// A tap interface by its name.
    Tap(String),
    /// An open descriptor.
    Descriptor(i32),
    /// The user-mode network.
    User(fata_usernet::Config),
}

impl Command {
    /// Parses the words after the program's name.
    ///
    /// # Errors
    ///
    /// The first word that is no option of a tender, or no image given.
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let mut words = words.into_iter();
        let mut next = || {
            let missing = || Error::new("no image is given").hint("`--help` shows how to run one");
            words.next().ok_or_else(missing)
        };
        let mut options = Options::default();
        let mut debug = Debug::default();
        let image = loop {
            let word = next()?;
            match word.as_bytes() {
                b"--help" | b"-h" => return Ok(Self::Help),
                b"--version" | b"-V" => return Ok(Self::Version),
                b"--" => break next()?,
                [b'-', ..] => {
                    if !options.take(&word)? && !debug.take(&word)? {
                        let what = format!("unknown option: `{}`", word.display());
                        return Err(Error::new(what).hint(
                            "options of the tender are listed by `--help`; \
                             arguments of the unikernel come after the image",
                        ));
                    }
                }
                _ => break word,
            }
        };
        Ok(Self::Run(Run {
            options,
            debug,
            image: image.into(),
            arguments: words.collect(),
        }))
    }
}

impl Options {
    /// Splits the command line of a program that is its own tender: leading words that are options
    /// of a tender, up to `--` if there is one, and all others, which are the program's.
    ///
    /// # Errors
    ///
    /// The first option whose value makes no sense.
    pub fn split(
        words: impl IntoIterator<Item = OsString>,
    ) -> Result<(Self, Vec<OsString>), Error> {
        let mut options = Self::default();
        let mut rest = Vec::new();
        let mut words = words.into_iter();
        for word in words.by_ref() {
            if word == "--" {
                break;
            }
            if !options.take(&word)? {
                rest.push(word);
                break;
            }
        }
        rest.extend(words);
        Ok((options, rest))
    }

    /// Takes in one word of a command line. `false`: it is no option of a tender.
    ///
    /// # Errors
    ///
    /// The word is such an option, but what it says makes no sense.
    pub fn take(&mut self, word: &OsStr) -> Result<bool, Error> {
        let (key, value) = split_at_equals(word);
        let (option, name) = match key.split_once(':') {
            Some((option, name)) => (option, Some(name)),
            None => (key.as_str(), None),
        };
        let Some(&(_, example)) = EXAMPLES.iter().find(|(known, _)| *known == option) else {
            return Ok(false);
        };
        let value = value.ok_or_else(|| without_value(&key, example))?;
        let text = || {
            value
                .to_str()
                .ok_or_else(|| Error::new(format!("value of `{key}` is not UTF-8: {value:?}")))
        };
        if option == "--mem" {
            let size = parse_memory(text()?)?;
            return once(&key, self.memory.replace(size).is_some());
        }
        let name = checked_name(word, &key, name, example)?;
        let about = |error: Error| error.about(word.display());
        let twice = match option {
            "--net" => {
                let source = parse_net(&key, text()?).map_err(about)?;
                self.nets.insert(name, source).is_some()
            }
            "--net-mac" => {
                let mac = parse_mac(text()?).map_err(about)?;
                self.macs.insert(name, mac).is_some()
            }
            "--block" => self.blocks.insert(name, value.into()).is_some(),
            _ => {
                let size = parse_sector_size(text()?).map_err(about)?;
                self.sector_sizes.insert(name, size).is_some()
            }
        };
        once(&key, twice)
    }

    /// What connects the device `name`, for someone who left it out: options as they stand in a
    /// message, each between backticks.
    pub fn example(kind: DeviceKind, name: &str) -> String {
        match kind {
            DeviceKind::Net => format!("`--net:{name}=tap0` or `--net:{name}=user`"),
            DeviceKind::Block => format!("`--block:{name}=disk.img`"),
        }
    }
}

/// The options that take a value, each with an example.
const EXAMPLES: [(&str, &str); 5] = [
    ("--mem", "--mem=16M"),
    ("--net", "--net:service=tap0"),
    ("--net-mac", "--net-mac:service=02:00:00:00:00:01"),
    ("--block", "--block:storage=disk.img"),
    ("--block-sector-size", "--block-sector-size:storage=4096"),
];

/// Splits `--key=value`; an empty value is none. A key that is not UTF-8 is no option, so a lossy copy
/// serves.
fn split_at_equals(word: &OsStr) -> (String, Option<&OsStr>) {
    let mut parts = word.as_bytes().splitn(2, |&byte| byte == b'=');
    let key = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let value = parts.next().filter(|value| !value.is_empty());
    (key.into_owned(), value.map(OsStr::from_bytes))
}

fn checked_name(
    word: &OsStr,
    key: &str,
    name: Option<&str>,
    example: &str,
) -> Result<String, Error> {
    let Some(name) = name else {
        let hint = format!("name the device of the manifest, as in `{example}`");
        let error = Error::new("does not say for which device").hint(hint);
        return Err(error.about(word.display()));
    };
    let kind = DeviceKind::Net;
    if manifest::check(&[Device { name, kind }]).is_err() {
        let hint = format!("a device has 1 to {MAX_NAME} letters and digits, as in `{example}`");
        return Err(Error::new(format!("`{key}` does not name a device")).hint(hint));
    }
    Ok(name.to_owned())
}

fn without_value(key: &str, example: &str) -> Error {
    Error::new(format!("`{key}` needs a value"))
        .hint(format!("write it with `=`, as in `{example}`"))
}

/// What `take` returns for an option that it has taken in, and had before if `twice`.
fn once(key: &str, twice: bool) -> Result<bool, Error> {
    match twice {
        true => Err(Error::new(format!("`{key}` is given twice")).hint("leave one of the two out")),
        false => Ok(true),
    }
}

/// Parses a memory size: a number of mebibytes, or of the unit that follows it.
///
/// # Errors
///
/// Not a size, zero, not a multiple of the page size, or more than an address can name.
pub fn parse_memory(text: &str) -> Result<u64, Error> {
    let bad = || {
        Error::new(format!("not a memory size: `{text}`"))
            .hint("give a number of MB, or a unit, as in `--mem=16M` or `--mem=1G`")
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "K" | "KB" | "KIB" => 10,
        "" | "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return Err(bad()),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    let bytes = number.checked_mul(1 << shift);
    let bytes = bytes
        .filter(|bytes| (1..1 << 46).contains(bytes))
        .ok_or_else(bad)?;
    if bytes % 4096 != 0 {
        let what = format!("memory size is not a multiple of 4K: `{text}`");
        return Err(Error::new(what));
    }
    Ok(bytes)
}

fn parse_net(key: &str, text: &str) -> Result<NetSource, Error> {
    if let Some(number) = text.strip_prefix('@') {
        let descriptor = number.parse().ok().filter(|&descriptor| descriptor > 2);
        return descriptor.map(NetSource::Descriptor).ok_or_else(|| {
            Error::new("names no file descriptor")
                .hint("give the number of one above 2 that the caller opened, as in `@3`")
        });
    }
    let (source, rest) = text.split_once(',').unwrap_or((text, ""));
    if source == "user" {
        return rest.parse().map(NetSource::User).map_err(|error| {
            Error::new(format!("describes no network: {error}"))
                .hint(format!("for example `{key}=user,udp:5353:53,tcp:8080:80`"))
        });
    }
    // IFNAMSIZ is 16 with its NUL; `%` would make the kernel invent a name.
    if text.len() > 15 || text.contains(['/', '%', ',', ' ']) {
        return Err(
            Error::new("names no network interface").hint("give a tap interface, `@FD`, or `user`")
        );
    }
    Ok(NetSource::Tap(text.to_owned()))
}

fn parse_mac(text: &str) -> Result<[u8; 6], Error> {
    let error = |what: &str| Error::new(what).hint("write an address such as `02:00:00:00:00:01`");
    let byte = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(part, 16).ok();
        byte.filter(|_| digits)
    };
    let bytes: Option<Vec<_>> = text.split(':').map(byte).collect();
    let mac: Option<[u8; 6]> = bytes.and_then(|bytes| bytes.try_into().ok());
    let mac = mac.ok_or_else(|| error("is no Ethernet address"))?;
    match mac[0] & 1 != 0 || mac == [0; 6] {
        true => Err(error("is not the address of a single station")),
        false => Ok(mac),
    }
}

fn parse_sector_size(text: &str) -> Result<u16, Error> {
    let size = text.parse().ok();
    let size = size.filter(|size: &u16| *size >= 512 && size.is_power_of_two());
    size.ok_or_else(|| {
        Error::new("is no block size").hint("it must be a power of two from 512 to 32768")
    })
}

#[cfg(test)]
mod tests;

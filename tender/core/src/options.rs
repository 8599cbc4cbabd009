// SPDX-License-Identifier: ISC
//! The command line of a tender: that of Solo5's tenders, so that scripts and orchestrators written
//! for those run Fata's too, with a few additions (`--net:NAME=user`, units after `--mem`).
//!
//! [`Command::parse`] is the whole command line of a tender; [`Options::split`] is for a program
//! that is its own tender. Nothing here looks at the host: a parsed option may still name a tap
//! that does not exist, which [`attach`](crate::attach) finds out.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use fata_abi::manifest::{DeviceKind, MAX_NAME};

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
    /// `--net`.
    pub nets: Vec<Named<NetSource>>,
    /// `--net-mac`.
    pub macs: Vec<Named<[u8; 6]>>,
    /// `--block`.
    pub blocks: Vec<Named<PathBuf>>,
    /// `--block-sector-size`.
    pub sector_sizes: Vec<Named<u16>>,
}

/// What is given for the device `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// Name of a device in the manifest.
    pub name: String,
    /// What is given for it.
    pub value: T,
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
        let mut options = Options::default();
        let mut debug = Debug::default();
        let image = loop {
            let word = words.next().ok_or_else(missing_image)?;
            match word.as_bytes() {
                b"--help" | b"-h" => return Ok(Self::Help),
                b"--version" | b"-V" => return Ok(Self::Version),
                b"--" => break words.next().ok_or_else(missing_image)?,
                [b'-', ..] => {
                    if !options.take(&word)? && !debug.take(&word)? {
                        return Err(unknown_option(&word));
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
        let value = value
            .filter(|value| !value.is_empty())
            .ok_or_else(|| without_value(&key, example))?;
        let text = || {
            value
                .to_str()
                .ok_or_else(|| Error::new(format!("value of `{key}` is not UTF-8: {value:?}")))
        };
        if option == "--mem" {
            return self.take_memory(&key, text()?).map(|()| true);
        }
        let name = checked_name(option, name, value, example)?;
        match option {
            "--net" => add(&mut self.nets, &key, name, parse_net(&key, text()?)?)?,
            "--net-mac" => add(&mut self.macs, &key, name, parse_mac(&key, text()?)?)?,
            "--block" => add(&mut self.blocks, &key, name, value.into())?,
            _ => add(
                &mut self.sector_sizes,
                &key,
                name,
                parse_sector_size(&key, text()?)?,
            )?,
        }
        Ok(true)
    }

    /// What connects the device `name`, for someone who left it out: options as they stand in a
    /// message, each between backticks.
    pub fn example(kind: DeviceKind, name: &str) -> String {
        match kind {
            DeviceKind::Net => format!("`--net:{name}=tap0` or `--net:{name}=user`"),
            DeviceKind::Block => format!("`--block:{name}=disk.img`"),
        }
    }

    fn take_memory(&mut self, key: &str, text: &str) -> Result<(), Error> {
        if self.memory.is_some() {
            return Err(twice(key));
        }
        self.memory = Some(parse_memory(text)?);
        Ok(())
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

/// Splits `--key=value`. A key that is not UTF-8 is no option, so a lossy copy serves.
fn split_at_equals(word: &OsStr) -> (String, Option<&OsStr>) {
    let bytes = word.as_bytes();
    let (key, value) = match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) => (&bytes[..at], Some(OsStr::from_bytes(&bytes[at + 1..]))),
        None => (bytes, None),
    };
    (String::from_utf8_lossy(key).into_owned(), value)
}

fn checked_name<'a>(
    option: &str,
    name: Option<&'a str>,
    value: &OsStr,
    example: &str,
) -> Result<&'a str, Error> {
    let Some(name) = name else {
        return Err(Error::new(format!(
            "`{option}={}` does not say for which device",
            value.display()
        ))
        .hint(format!(
            "name the device of the manifest, as in `{example}`"
        )));
    };
    let characters = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if name.is_empty() || name.len() > MAX_NAME || !characters {
        return Err(
            Error::new(format!("`{option}:{name}` does not name a device")).hint(format!(
                "a device has 1 to {MAX_NAME} letters and digits, as in `{example}`"
            )),
        );
    }
    Ok(name)
}

fn add<T>(list: &mut Vec<Named<T>>, key: &str, name: &str, value: T) -> Result<(), Error> {
    if list.iter().any(|named| named.name == name) {
        return Err(twice(key));
    }
    list.push(Named {
        name: name.to_owned(),
        value,
    });
    Ok(())
}

fn without_value(key: &str, example: &str) -> Error {
    Error::new(format!("`{key}` needs a value"))
        .hint(format!("write it with `=`, as in `{example}`"))
}

fn twice(key: &str) -> Error {
    Error::new(format!("`{key}` is given twice")).hint("leave one of the two out")
}

/// Parses a memory size: a number of mebibytes, or of the unit that follows it.
///
/// # Errors
///
/// Not a size, zero, not a multiple of the page size, or more than an address can name.
pub fn parse_memory(text: &str) -> Result<u64, Error> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "K" | "KB" | "KIB" => 10,
        "" | "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return Err(bad_memory(text)),
    };
    let number: u64 = number.parse().map_err(|_| bad_memory(text))?;
    let bytes = number
        .checked_mul(1 << shift)
        .filter(|&bytes| bytes > 0 && bytes < 1 << 46)
        .ok_or_else(|| bad_memory(text))?;
    if bytes % 4096 != 0 {
        return Err(Error::new(format!(
            "memory size is not a multiple of 4K: `{text}`"
        )));
    }
    Ok(bytes)
}

fn bad_memory(text: &str) -> Error {
    Error::new(format!("not a memory size: `{text}`"))
        .hint("give a number of MB, or a unit, as in `--mem=16M` or `--mem=1G`")
}

fn parse_net(key: &str, text: &str) -> Result<NetSource, Error> {
    if let Some(number) = text.strip_prefix('@') {
        return match number.parse() {
            Ok(descriptor) if descriptor > 2 => Ok(NetSource::Descriptor(descriptor)),
            _ => Err(
                Error::new(format!("`{key}={text}` names no file descriptor"))
                    .hint("give the number of one above 2 that the caller opened, as in `@3`"),
            ),
        };
    }
    let (source, rest) = text.split_once(',').unwrap_or((text, ""));
    if source == "user" {
        return match rest.parse() {
            Ok(config) => Ok(NetSource::User(config)),
            Err(error) => Err(Error::new(format!("`{key}={text}`: {error}"))
                .hint(format!("for example `{key}=user,udp:5353:53,tcp:8080:80`"))),
        };
    }
    // IFNAMSIZ is 16 with its NUL; `%` would make the kernel invent a name.
    if text.len() > 15 || text.contains(['/', '%', ',', ' ']) {
        return Err(
            Error::new(format!("`{key}={text}` names no network interface"))
                .hint("give a tap interface, `@FD`, or `user`"),
        );
    }
    Ok(NetSource::Tap(text.to_owned()))
}

fn parse_mac(key: &str, text: &str) -> Result<[u8; 6], Error> {
    let error = |why: &str| {
        Error::new(format!("`{key}={text}` {why}"))
            .hint("write an address such as `02:00:00:00:00:01`")
    };
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2);
        *byte = part
            .filter(|part| part.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|part| u8::from_str_radix(part, 16).ok())
            .ok_or_else(|| error("is no Ethernet address"))?;
    }
    if parts.next().is_some() {
        return Err(error("is no Ethernet address"));
    }
    if mac[0] & 1 != 0 || mac == [0; 6] {
        return Err(error("is not the address of a single station"));
    }
    Ok(mac)
}

fn parse_sector_size(key: &str, text: &str) -> Result<u16, Error> {
    match text.parse::<u16>() {
        Ok(size) if size >= 512 && size.is_power_of_two() => Ok(size),
        _ => Err(Error::new(format!("`{key}={text}` is no block size"))
            .hint("it must be a power of two from 512 to 32768")),
    }
}

fn missing_image() -> Error {
    Error::new("no image is given").hint("`--help` shows how to run one")
}

fn unknown_option(word: &OsStr) -> Error {
    let word = word.display();
    Error::new(format!("unknown option: `{word}`")).hint(
        "options of the tender are listed by `--help`; \
         arguments of the unikernel come after the image",
    )
}

#[cfg(test)]
mod tests;

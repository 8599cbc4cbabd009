// SPDX-License-Identifier: ISC
//! Passes a unikernel's console on, and puts names to the addresses of a backtrace.
//!
//! An image has no names in it; the tool has kept them. The runtime prints a backtrace as one
//! line, `backtrace: 0x10a2f3 0x10b000`, and the names follow it here, a line each.

use std::io::{self, Read, Write};

/// What a line of return addresses begins with.
const BACKTRACE: &str = "backtrace: ";
/// Longest line that can be one.
const MAX_LINE: usize = 2048;

/// Copies `from` to `to` as it comes, until its end. `name` tells the functions at addresses.
pub fn pass_on(
    mut from: impl Read,
    mut to: impl Write,
    mut name: impl FnMut(&[u64]) -> Vec<Option<String>>,
) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    let mut line = Vec::new();
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for part in buffer[..read].split_inclusive(|&byte| byte == b'\n') {
            to.write_all(part)?;
            keep(&mut line, part);
            if part.ends_with(b"\n") {
                if let Some(addresses) = addresses(&line) {
                    write_names(&mut to, &addresses, &name(&addresses))?;
                }
                line.clear();
            }
        }
        to.flush()?;
    }
}

/// Keeps what may still be a backtrace.
fn keep(line: &mut Vec<u8>, part: &[u8]) {
    let room = (MAX_LINE + 1).saturating_sub(line.len());
    line.extend_from_slice(&part[..part.len().min(room)]);
}

/// The addresses in a backtrace.
fn addresses(line: &[u8]) -> Option<Vec<u64>> {
    if line.len() > MAX_LINE {
        return None;
    }
    let words = str::from_utf8(line).ok()?.strip_prefix(BACKTRACE)?;
    let address = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    words.split_whitespace().map(address).collect()
}

fn write_names(to: &mut impl Write, addresses: &[u64], names: &[Option<String>]) -> io::Result<()> {
    for (address, name) in addresses.iter().zip(names) {
        let name = name.as_deref().unwrap_or("?");
        writeln!(to, "  {address:#10x}  {name}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(parts: &[&str]) -> String {
        struct Parts<'a>(std::slice::Iter<'a, &'a str>);
        impl Read for Parts<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let part = self.0.next().map_or("", |part| part);
                buffer[..part.len()].copy_from_slice(part.as_bytes());
                Ok(part.len())
            }
        }
        let mut to = Vec::new();
        let name = |addresses: &[u64]| {
            let known = |&address: &u64| (address == 0x10a2f3).then(|| "dns::main".to_owned());
            addresses.iter().map(known).collect()
        };
        pass_on(Parts(parts.iter()), &mut to, name).unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn a_backtrace_gets_names() {
        assert_eq!(
            passed(&["panic: no\nbacktrace: 0x10a", "2f3 0x10b000\nmore\n"]),
            "panic: no\nbacktrace: 0x10a2f3 0x10b000\n    0x10a2f3  dns::main\n    0x10b000  ?\nmore\n"
        );
    }

    #[test]
    fn all_else_passes_unchanged() {
        let long = format!("backtrace: {}\n", "0x1 ".repeat(1000));
        let wrong = [
            "",
            "no newline",
            "0x10a2f3\n",
            "\n\n",
            "backtrace: 0xzz\n",
            "backtrace: 1\n",
        ];
        for text in wrong.into_iter().chain([long.as_str()]) {
            assert_eq!(passed(&[text]), *text);
        }
        assert_eq!(passed(&["backtrace: 0x", "10a2f3"]), "backtrace: 0x10a2f3");
    }
}

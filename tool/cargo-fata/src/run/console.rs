// SPDX-License-Identifier: ISC
//! Passes a unikernel's console on, and puts names to the addresses of a backtrace.
//!
//! An image has no names in it; the tool has kept them. Of a panic, and of an exception of the CPU,
//! an image prints the backtrace as one line, `backtrace: 0x10a2f3 0x10b000`, and the names follow
//! it here, a line for each function and each that was inlined into it.

use std::io::{self, Read, Write};

use crate::image::lines::Frame;

/// What a line of return addresses begins with.
const BACKTRACE: &str = "backtrace: ";
/// Longest line that can be one.
const MAX_LINE: usize = 2048;

/// Copies `from` to `to` as it comes, until its end. `name` tells the functions around addresses of
/// instructions, innermost first.
pub fn pass_on(
    mut from: impl Read,
    mut to: impl Write,
    mut name: impl FnMut(&[u64]) -> Vec<Vec<Frame>>,
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
                    // A return address is that of the instruction after the call.
                    let calls: Vec<u64> = addresses.iter().map(|a| a.wrapping_sub(1)).collect();
                    write_names(&mut to, &addresses, &name(&calls))?;
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

fn write_names(to: &mut impl Write, addresses: &[u64], names: &[Vec<Frame>]) -> io::Result<()> {
    for (address, frames) in addresses.iter().zip(names) {
        write!(to, "  {address:#10x}  ")?;
        for (index, frame) in frames.iter().enumerate() {
            if index > 0 {
                write!(to, "{:14}inlined into ", "")?;
            }
            write_frame(to, frame)?;
        }
        if frames.is_empty() {
            writeln!(to, "?")?;
        }
    }
    Ok(())
}

fn write_frame(to: &mut impl Write, frame: &Frame) -> io::Result<()> {
    write!(to, "{}", frame.function.as_deref().unwrap_or("?"))?;
    if let Some(place) = &frame.place {
        write!(to, " at {place}")?;
    }
    writeln!(to)
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
            let frame = |function: &str, place: &str| Frame {
                function: Some(function.to_owned()),
                place: (!place.is_empty()).then(|| place.to_owned()),
            };
            let known = |&address: &u64| match address {
                0x10a2f2 => vec![frame("dns::main", "")],
                0x10a300 => vec![frame("ask", "a.rs:1"), frame("main", "b.rs:2")],
                _ => Vec::new(),
            };
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
    fn what_was_inlined_comes_before_what_it_is_in() {
        assert_eq!(
            passed(&["backtrace: 0x10a301\n"]),
            "backtrace: 0x10a301\n    0x10a301  ask at a.rs:1\n              \
             inlined into main at b.rs:2\n"
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

// SPDX-License-Identifier: ISC
//! Output to the console, a line in one write.

use core::fmt::{self, Write};

use fata_abi::platform;

pub use crate::{print, println};

/// Collects what is written and passes it on in one piece, as far as it fits: a call to the
/// platform for each fragment of a formatted line would be slow, and would mix lines where others
/// write to the same place. Needs no heap, so that it works when that is broken or full.
#[derive(Debug)]
pub struct Line {
    buffer: [u8; Self::SIZE],
    len: usize,
}

impl Line {
    const SIZE: usize = 256;

    /// An empty line.
    pub const fn new() -> Self {
        Self {
            buffer: [0; Self::SIZE],
            len: 0,
        }
    }

    /// Writes what was collected. Happens also when the line is dropped.
    pub fn flush(&mut self) {
        if self.len > 0 {
            platform::console_write(&self.buffer[..self.len]);
            self.len = 0;
        }
    }

    /// Appends `text`.
    #[inline(never)]
    pub fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            self.push_byte(byte);
        }
    }
}

impl Line {
    /// Appends a number, filled up to `width` characters with `fill`. Formatting would do the same
    /// with more code.
    #[inline(never)]
    pub(crate) fn push_number(&mut self, number: u64, width: usize, fill: u8) {
        let mut digits = [fill; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        for digit in &digits[at.min(digits.len() - width)..] {
            self.push_byte(*digit);
        }
    }

    /// Appends an address.
    #[inline(never)]
    pub(crate) fn push_hex(&mut self, address: usize) {
        self.push("0x");
        let digits = (usize::BITS - address.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            self.push_byte(b"0123456789abcdef"[address >> (4 * digit) & 15]);
        }
    }

    #[inline(never)]
    fn push_byte(&mut self, byte: u8) {
        self.buffer[self.len] = byte;
        self.len += 1;
        if self.len == Self::SIZE {
            self.flush();
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Writes formatted text; what [`print!`] calls.
pub fn write(text: fmt::Arguments<'_>) {
    put(text, "");
}

/// Writes formatted text and ends the line; what [`println!`] calls.
pub fn write_line(text: fmt::Arguments<'_>) {
    put(text, "\n");
}

fn put(text: fmt::Arguments<'_>, end: &str) {
    let mut line = Line::new();
    match text.as_str() {
        Some(text) => line.push(text),
        // An error can come only from a `Display` that reports one, which is its own affair.
        None => drop(line.write_fmt(text)),
    }
    line.push(end);
}

/// Writes formatted text to the console.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::console::write(::core::format_args!($($text)*)) };
}

/// Writes a formatted line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($text:tt)*) => { $crate::console::write_line(::core::format_args!($($text)*)) };
}

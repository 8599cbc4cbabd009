// SPDX-License-Identifier: ISC
//! Words of a master file: comments, quotes, and parentheses that join lines (RFC 1035 section 5.1).

use alloc::string::String;

use super::ZoneError;

/// A word as it stands, escapes not yet resolved.
#[derive(Clone, Copy)]
pub(super) struct Word<'t> {
    /// Its bytes, without the quotes if it was quoted as a whole.
    pub(super) raw: &'t [u8],
    pub(super) quoted: bool,
    pub(super) line: u32,
    column: u32,
}

/// Goes over a text word by word.
pub(super) struct Lexer<'t> {
    file: String,
    text: &'t [u8],
    at: usize,
    line: u32,
    line_start: usize,
    /// Parentheses that are open, and where the last was opened.
    depth: u32,
    opened: (u32, u32),
    blank: bool,
    kept: Option<Word<'t>>,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(file: &str, text: &'t [u8]) -> Self {
        Self {
            file: file.into(),
            text: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text),
            at: 0,
            line: 1,
            line_start: 0,
            depth: 0,
            opened: (0, 0),
            blank: false,
            kept: None,
        }
    }

    /// Goes to the next line that is not empty; false at the end of the text.
    pub(super) fn next_entry(&mut self) -> Result<bool, ZoneError> {
        loop {
            self.blank = matches!(self.text.get(self.at), Some(b' ' | b'\t'));
            if let Some(word) = self.take()? {
                self.kept = Some(word);
                return Ok(true);
            }
            if self.at >= self.text.len() {
                return Ok(false);
            }
            self.newline();
        }
    }

    /// Whether the line of the entry starts with a blank, so that its owner is the one before.
    pub(super) fn starts_blank(&self) -> bool {
        self.blank
    }

    /// The next word of the entry, if there is one.
    pub(super) fn take(&mut self) -> Result<Option<Word<'t>>, ZoneError> {
        if let Some(word) = self.kept.take() {
            return Ok(Some(word));
        }
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b';') => {
                    let rest = &self.text[self.at..];
                    let len = rest.iter().position(|&byte| byte == b'\n');
                    self.at += len.unwrap_or(rest.len());
                }
                Some(b'\n') if self.depth > 0 => self.newline(),
                Some(b'(') => {
                    self.depth += 1;
                    self.opened = (self.line, self.column());
                    self.at += 1;
                }
                Some(b')') if self.depth > 0 => {
                    self.depth -= 1;
                    self.at += 1;
                }
                Some(b')') => {
                    return Err(self.error_here("expected no `)`, as none is open"));
                }
                Some(b'"') => return self.quoted().map(Some),
                Some(b'\n') => return Ok(None),
                None if self.depth > 0 => {
                    let (line, column) = self.opened;
                    let what = "expected a `)` for this `(` before the end of the file";
                    return Err(ZoneError::new(
                        &self.file,
                        line,
                        column,
                        what,
                        String::new(),
                    ));
                }
                None => return Ok(None),
                Some(_) => return self.word().map(Some),
            }
        }
    }

    /// Gives a word back, to be the next again.
    pub(super) fn put_back(&mut self, word: Word<'t>) {
        self.kept = Some(word);
    }

    /// The next word, which must be there.
    pub(super) fn expect(&mut self, what: &'static str) -> Result<Word<'t>, ZoneError> {
        match self.take()? {
            Some(word) => Ok(word),
            None => Err(self.error_here(what)),
        }
    }

    /// Refuses another word in the entry.
    pub(super) fn end(&mut self, what: &'static str) -> Result<(), ZoneError> {
        match self.take()? {
            Some(word) => Err(self.error(&word, what)),
            None => Ok(()),
        }
    }

    /// An error about `word`.
    pub(super) fn error(&self, word: &Word<'_>, what: &'static str) -> ZoneError {
        let shown = &word.raw[..word.raw.len().min(80)];
        let found = String::from_utf8_lossy(shown).into_owned();
        ZoneError::new(&self.file, word.line, word.column, what, found)
    }

    /// An error about the place that was reached.
    pub(super) fn error_here(&self, what: &'static str) -> ZoneError {
        ZoneError::new(&self.file, self.line, self.column(), what, String::new())
    }

    fn column(&self) -> u32 {
        (self.at - self.line_start + 1) as u32
    }

    fn newline(&mut self) {
        self.at += 1;
        self.line += 1;
        self.line_start = self.at;
    }

    fn quoted(&mut self) -> Result<Word<'t>, ZoneError> {
        let (line, column) = (self.line, self.column());
        let start = self.at + 1;
        self.skip_quoted()?;
        Ok(Word {
            raw: &self.text[start..self.at - 1],
            quoted: true,
            line,
            column,
        })
    }

    /// Goes behind a string in quotes.
    fn skip_quoted(&mut self) -> Result<(), ZoneError> {
        let column = self.column();
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') if !matches!(self.text.get(self.at + 1), Some(b'\n')) => self.at += 2,
                None | Some(b'\n' | b'\\') => {
                    let what = "expected a closing `\"` before the end of the line";
                    return Err(ZoneError::new(
                        &self.file,
                        self.line,
                        column,
                        what,
                        String::new(),
                    ));
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    /// A word without quotes; a part of it may be quoted, as in `alpn="h2,h3"`.
    fn word(&mut self) -> Result<Word<'t>, ZoneError> {
        let (line, column) = (self.line, self.column());
        let start = self.at;
        loop {
            match self.text.get(self.at) {
                None | Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')') => break,
                Some(b'"') if self.text[self.at - 1] == b'=' => self.skip_quoted()?,
                Some(b'"') => break,
                Some(b'\\') if !matches!(self.text.get(self.at + 1), None | Some(b'\n')) => {
                    self.at += 2;
                }
                Some(_) => self.at += 1,
            }
        }
        Ok(Word {
            raw: &self.text[start..self.at],
            quoted: false,
            line,
            column,
        })
    }
}

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

/// The text was refused; the [`Lexer`] knows why. That leaves the many results of a parser small.
#[derive(Debug)]
pub(super) struct Refused(());

/// Goes over a text word by word.
pub(super) struct Lexer<'t> {
    file: &'t str,
    /// Why the text was refused.
    error: Option<ZoneError>,
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
    pub(super) fn new(file: &'t str, text: &'t [u8]) -> Self {
        Self {
            file,
            error: None,
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
    pub(super) fn next_entry(&mut self) -> Result<bool, Refused> {
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
    pub(super) fn take(&mut self) -> Result<Option<Word<'t>>, Refused> {
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
                    return Err(self.refuse_here("expected no `)`, as none is open"));
                }
                Some(b'"') => return self.quoted().map(Some),
                Some(b'\n') => return Ok(None),
                None if self.depth > 0 => {
                    let (line, column) = self.opened;
                    let what = "expected a `)` for this `(` before the end of the file";
                    return Err(self.refuse_at(line, column, what));
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
    pub(super) fn expect(&mut self, what: &'static str) -> Result<Word<'t>, Refused> {
        match self.take()? {
            Some(word) => Ok(word),
            None => Err(self.refuse_here(what)),
        }
    }

    /// Refuses another word in the entry.
    pub(super) fn end(&mut self, what: &'static str) -> Result<(), Refused> {
        match self.take()? {
            Some(word) => Err(self.refuse(&word, what)),
            None => Ok(()),
        }
    }

    /// Refuses `word`.
    #[cold]
    pub(super) fn refuse(&mut self, word: &Word<'_>, what: &'static str) -> Refused {
        let shown = &word.raw[..word.raw.len().min(80)];
        let found = String::from_utf8_lossy(shown).into_owned();
        self.note(ZoneError::new(
            self.file,
            word.line,
            word.column,
            what,
            found,
        ))
    }

    /// Refuses what is at the place that was reached.
    pub(super) fn refuse_here(&mut self, what: &'static str) -> Refused {
        let (line, column) = (self.line, self.column());
        self.refuse_at(line, column, what)
    }

    #[cold]
    fn refuse_at(&mut self, line: u32, column: u32, what: &'static str) -> Refused {
        self.note(ZoneError::new(self.file, line, column, what, String::new()))
    }

    /// Refuses the text for an error in a file that it includes.
    pub(super) fn note(&mut self, error: ZoneError) -> Refused {
        self.error = Some(error);
        Refused(())
    }

    /// Why the text was refused.
    pub(super) fn into_error(self, Refused(()): Refused) -> ZoneError {
        self.error
            .unwrap_or_else(|| ZoneError::new(self.file, 0, 0, "refused", String::new()))
    }

    fn column(&self) -> u32 {
        (self.at - self.line_start + 1) as u32
    }

    fn newline(&mut self) {
        self.at += 1;
        self.line += 1;
        self.line_start = self.at;
    }

    fn quoted(&mut self) -> Result<Word<'t>, Refused> {
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
    fn skip_quoted(&mut self) -> Result<(), Refused> {
        let column = self.column();
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') if !matches!(self.text.get(self.at + 1), Some(b'\n')) => self.at += 2,
                None | Some(b'\n' | b'\\') => {
                    let what = "expected a closing `\"` before the end of the line";
                    return Err(self.refuse_at(self.line, column, what));
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    /// A word without quotes; a part of it may be quoted, as in `alpn="h2,h3"`.
    fn word(&mut self) -> Result<Word<'t>, Refused> {
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

// SPDX-License-Identifier: ISC
//! Changes to a `Fata.toml` that leave alone what a person wrote around them.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::Context;
use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

use super::FILE;
use crate::failure::failure;

const NEW: &str =
    "# How this unikernel is built and run. `cargo fata configure` edits this file.\n";

/// A `Fata.toml` being changed.
#[derive(Debug)]
pub struct Edit {
    document: DocumentMut,
    /// What stands above the document.
    heading: &'static str,
}

impl Edit {
    /// Of the file in `folder`, or of a new one.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                Self::of(&text).with_context(|| format!("cannot understand `{}`", path.display()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self {
                document: DocumentMut::new(),
                heading: NEW,
            }),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    /// Of a text.
    pub fn of(text: &str) -> anyhow::Result<Self> {
        Ok(Self {
            document: text.parse()?,
            heading: "",
        })
    }

    /// Sets `key`, which is plain or `table.name`.
    pub fn set(&mut self, key: &str, new: impl Into<Value>) {
        let (table, key) = match key.split_once('.') {
            Some((table, key)) => (self.table(table), key),
            None => (
                self.document.as_table_mut() as &mut dyn toml_edit::TableLike,
                key,
            ),
        };
        match table.get_mut(key).and_then(Item::as_value_mut) {
            // Keeps the comment at the end of the line.
            Some(old) => {
                let decor = old.decor().clone();
                *old = new.into();
                *old.decor_mut() = decor;
            }
            None => {
                table.insert(key, value(new));
            }
        }
    }

    /// Sets `key` to a list.
    pub fn set_list(&mut self, key: &str, items: &[String]) {
        self.set(key, Array::from_iter(items));
    }

    /// Removes `key`.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn unset(&mut self, key: &str) -> anyhow::Result<()> {
        let removed = match key.split_once('.') {
            Some((table, name)) => {
                let inner = self
                    .document
                    .get_mut(table)
                    .and_then(Item::as_table_like_mut);
                let removed = inner.and_then(|inner| inner.remove(name));
                let left = self.document.get(table).and_then(Item::as_table_like);
                if left.is_some_and(|left| left.is_empty()) {
                    self.document.remove(table);
                }
                removed
            }
            None => self.document.remove(key),
        };
        match removed {
            Some(_) => Ok(()),
            None => Err(failure(
                format!("`{key}` is not set"),
                "`cargo fata configure` shows what is",
            )),
        }
    }

    /// The text.
    pub fn text(&self) -> String {
        format!("{}{}", self.heading, self.document)
    }

    /// Writes it to the file in `folder`.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(FILE);
        fs::write(&path, self.text()).with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn table(&mut self, name: &str) -> &mut dyn toml_edit::TableLike {
        let item = self.document.entry(name).or_insert_with(|| {
            let mut table = Table::new();
            table.set_dotted(true);
            Item::Table(table)
        });
        if !item.is_table_like() {
            *item = Item::Table(Table::new());
        }
        item.as_table_like_mut().expect("made a table above")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_order_are_kept() {
        let mut edit =
            Edit::of("# top\nmem = \"2M\" # small\n\n# ports\nnet.service = \"user\"\n").unwrap();
        edit.set("mem", "16M");
        edit.set("net.service", "tap0");
        edit.set("net.second", "tap1");
        edit.set("seal", true);
        assert_eq!(
            edit.text(),
            "# top\nmem = \"16M\" # small\n\n# ports\nnet.service = \"tap0\"\n\
             net.second = \"tap1\"\nseal = true\n"
        );
    }

    #[test]
    fn tables_with_a_heading_are_used() {
        let mut edit = Edit::of("[net]\nservice = \"user\"\n").unwrap();
        edit.set("net.second", "tap1");
        assert_eq!(
            edit.text(),
            "[net]\nservice = \"user\"\nsecond = \"tap1\"\n"
        );
    }

    #[test]
    fn unset_takes_away_what_is_empty_then() {
        let mut edit = Edit::of("mem = \"2M\"\nnet.service = \"user\"\n").unwrap();
        edit.unset("net.service").unwrap();
        assert_eq!(edit.text(), "mem = \"2M\"\n");
        assert!(edit.unset("net.service").is_err());
        assert!(edit.unset("target").is_err());
    }
}

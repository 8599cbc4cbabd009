// SPDX-License-Identifier: ISC
//! The pages that `--help` and `--version` print.

use fata_abi::image::{Argument, ArgumentTree, Image, REPEATED, REQUIRED};

use super::{find, visit};
use crate::console::Line;

/// Column at which help is wrapped.
const WIDTH: usize = 80;
/// Columns before the help of an argument.
const INDENT: usize = 8;

pub(crate) fn print_version(image: &Image) {
    let mut line = Line::new();
    for text in [image.name.get(), " ", image.version.get(), "\n"] {
        line.push(text);
    }
}

/// Prints what `image` is and which arguments it understands; `own` are those of the runtime, which
/// the image lists too.
#[inline(never)]
pub(crate) fn print_help(image: &Image, own: &'static ArgumentTree) {
    print_version(image);
    let mut page = Page {
        line: Line::new(),
        column: 0,
    };
    if !image.about.get().is_empty() {
        page.wrap(image.about.get(), 0);
        page.end();
    }
    // Arguments of a type lie directly below the root, those of its devices deeper.
    let is_own = |name: &str| find(own, name).is_some();
    page.group("Arguments", image.arguments, &|name, depth| {
        depth < 2 && !is_own(name)
    });
    page.group("Devices", image.arguments, &|_, depth| depth >= 2);
    page.group("Runtime", own, &|_, _| true);
    page.wrap("--help", 2);
    page.end();
    page.wrap("Print this page.", INDENT);
    page.end();
    page.wrap("--version", 2);
    page.end();
    page.wrap("Print name and version.", INDENT);
    page.end();
    let compiled = image.boot_arguments.get();
    if !compiled.is_empty() {
        page.end();
        page.wrap(
            if image.sealed != 0 {
                "This image is sealed with:"
            } else {
                "Compiled into this image:"
            },
            0,
        );
        page.wrap(compiled, 1);
        page.end();
    }
}

struct Page {
    line: Line,
    column: usize,
}

impl Page {
    fn group(
        &mut self,
        title: &str,
        tree: &'static ArgumentTree,
        belongs: &dyn Fn(&str, usize) -> bool,
    ) {
        let mut empty = true;
        visit(tree, &mut |name, argument, depth| {
            if belongs(name, depth) {
                if empty {
                    self.line.push("\n");
                    self.line.push(title);
                    self.line.push(":\n");
                    empty = false;
                }
                self.argument(name, argument);
            }
        });
    }

    #[inline(never)]
    fn argument(&mut self, name: &str, argument: &Argument) {
        self.line.push("  --");
        self.line.push(name);
        let value = argument.value.get();
        if !value.is_empty() {
            self.line.push("=");
            self.line.push(value);
            if argument.flags & REPEATED != 0 {
                self.line.push(",...");
            }
        }
        self.end();
        self.wrap(argument.help.get(), INDENT);
        if argument.flags & REQUIRED != 0 {
            self.wrap("Required.", INDENT);
        }
        if !argument.default.get().is_empty() {
            self.wrap("Default:", INDENT);
            self.wrap(argument.default.get(), INDENT);
        }
        self.end();
    }

    /// Adds the words of `text`, each line beginning after `indent` columns.
    #[inline(never)]
    fn wrap(&mut self, text: &str, indent: usize) {
        for word in text.split_ascii_whitespace() {
            // Counting letters instead of bytes would take more code than the rest of this.
            let width = word.len();
            if self.column > 0 && self.column + 1 + width > WIDTH {
                self.end();
            }
            let blanks = if self.column == 0 { indent } else { 1 };
            for _ in 0..blanks {
                self.line.push(" ");
            }
            self.line.push(word);
            self.column += blanks + width;
        }
    }

    fn end(&mut self) {
        self.line.push("\n");
        self.column = 0;
    }
}

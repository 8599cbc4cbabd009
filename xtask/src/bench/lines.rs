// SPDX-License-Identifier: ISC
//! Lines of code: what is left of Rust sources without blank lines, comments and tests.
//!
//! Tests are the items under `#[cfg(test)]`, the files of modules that are declared so, and files
//! and folders that are called so. [`plain`] first takes out comments and what is inside of
//! literals, so that a brace in a text is none.

use std::{
    fs, iter,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

const TEST: &str = "#[cfg(test)]";
/// What is a test by its name.
const TESTS: [&str; 2] = ["tests", "tests.rs"];
/// Files whose modules are beside them, not in a folder of their name.
const ROOTS: [&str; 3] = ["lib.rs", "main.rs", "mod.rs"];

/// The lines of code in each Rust source below `folder`.
///
/// # Errors
///
/// If it cannot be read.
pub(super) fn below(folder: &Path) -> Result<Vec<(PathBuf, usize)>> {
    let mut files = Vec::new();
    sources(folder, &mut files)?;
    let mut counted = Vec::new();
    let mut tests = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file:?}"))?;
        let text = plain(&text);
        let (code, modules) = without_tests(&text);
        let is_root = ROOTS.iter().any(|name| file.ends_with(name));
        let home = file.with_extension("");
        let home = if is_root { file.parent() } else { Some(&*home) }.unwrap_or(folder);
        tests.extend(modules.iter().map(|name| home.join(name)));
        let lines = code.lines().filter(|line| !line.trim().is_empty());
        let lines = lines.count();
        counted.push((file, lines));
    }
    counted.retain(|(file, _)| {
        let of = |test: &PathBuf| file.starts_with(test) || file.with_extension("") == *test;
        !tests.iter().any(of)
    });
    Ok(counted)
}

/// Adds the Rust sources below `folder` that are no tests by their name.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {folder:?}"))?;
    for entry in entries {
        let path = entry?.path();
        if TESTS.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            sources(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

/// `code` without the items that are compiled for tests only, and the names of those modules among
/// them that are files.
fn without_tests(code: &str) -> (String, Vec<&str>) {
    let (mut kept, mut modules, mut rest) = (String::new(), Vec::new(), code);
    while let Some((before, behind)) = rest.split_once(TEST) {
        kept += before;
        let (item, after) = behind.split_at(item(behind));
        let words: Vec<&str> = item.split_whitespace().collect();
        if let [.., "mod", name] = words[..]
            && let Some(name) = name.strip_suffix(';')
        {
            modules.push(name);
        }
        rest = after;
    }
    (kept + rest, modules)
}

/// How long the item is with which `code` begins: to its `;`, or to the brace that closes it.
fn item(code: &str) -> usize {
    let mut depth = 0;
    for (at, character) in code.char_indices() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => continue,
        }
        if depth < 0 {
            return at;
        }
        if depth == 0 && character == '}' {
            // A list of imports goes on to its semicolon.
            let more = code[at + 1..].starts_with(';');
            return at + 1 + usize::from(more);
        }
    }
    code.len()
}

/// `text` with spaces for comments and quotes for literals, line by line as it was.
fn plain(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let (len, instead) = opaque(rest).unwrap_or((first.len_utf8(), first));
        let (part, after) = rest.split_at(len);
        let blank = |c: char| if c.is_whitespace() { c } else { instead };
        plain.extend(part.chars().map(blank));
        rest = after;
    }
    plain
}

/// How long the comment or literal is with which `text` begins, and what to write for it.
fn opaque(text: &str) -> Option<(usize, char)> {
    let to = |from: usize, end: &str| {
        let at = text.get(from..).and_then(|rest| rest.find(end));
        at.map_or(text.len(), |at| from + at + end.len())
    };
    match text.as_bytes() {
        [b'/', b'/', ..] => Some((text.find('\n').unwrap_or(text.len()), ' ')),
        [b'/', b'*', ..] => Some((block_comment(text), ' ')),
        [b'"', ..] => Some((string(text), '"')),
        [b'r', hashes @ ..] => {
            let count = hashes.iter().take_while(|&&byte| byte == b'#').count();
            let is_raw = hashes.get(count) == Some(&b'"');
            let end = iter::once('"').chain(iter::repeat_n('#', count));
            is_raw.then(|| (to(count + 2, &end.collect::<String>()), '"'))
        }
        // What is escaped may be the quote.
        [b'\'', b'\\', _, ..] => Some((to(3, "'"), '"')),
        // Otherwise it may be a lifetime.
        [b'\'', ..] => {
            let character = text[1..].chars().next()?;
            let behind = 1 + character.len_utf8();
            text[behind..]
                .starts_with('\'')
                .then_some((behind + 1, '"'))
        }
        _ => None,
    }
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            byte => escaped = byte == b'\\' && !escaped,
        }
    }
    text.len()
}

/// One may be in another.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let step = match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => 1,
            Some(b"*/") => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        let text = plain(text);
        let (code, _) = without_tests(&text);
        code.lines().filter(|line| !line.trim().is_empty()).count()
    }

    #[test]
    fn comments_and_blank_lines_are_no_code() {
        assert_eq!(count("//! a\n\n/// b\nfn f() {} // c\n"), 1);
        assert_eq!(count("/* a\n /* b */\n c */\nfn f() {}\n/* */ x\n"), 2);
    }

    #[test]
    fn texts_are_code_and_hide_what_is_in_them() {
        assert_eq!(count("a(\"\n  // no comment\n\n  /*\");\nb();\n"), 4);
        assert_eq!(count("a(r#\"\"/* \"#);\nb();\n"), 2);
        assert_eq!(
            count("a('\"');\nb('\\'');\n// \"\nc::<'a>(\"\\\"//\");\n"),
            3
        );
        assert_eq!(count("r#type();\n/* */\n"), 1);
    }

    #[test]
    fn tests_are_left_out_wherever_they_are() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { \"}\"; }\n}\nfn c() {}\n";
        assert_eq!(count(text), 2);
        let text =
            "#[cfg(test)]\nuse a::{\n  b,\n};\n#[cfg(test)]\nconst A: [u8; 2] = [\n 1, 2];\nx\n";
        assert_eq!(count(text), 1);
        assert_eq!(count("f({\n#[cfg(test)]\na.b()\n});\nx\n"), 3);
    }

    #[test]
    fn files_of_tests_are_left_out() {
        let folder = std::env::temp_dir().join(format!("fata-lines-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let files = [
            ("lib.rs", "mod a;\n#[cfg(test)]\nmod fake;\n"),
            ("fake.rs", "fn f() {}\n"),
            (
                "a.rs",
                "fn a() {}\n#[cfg(test)]\n#[path = \"x\"]\nmod judge;\n#[cfg(test)]\nmod tests;\n",
            ),
            ("a/judge.rs", "fn f() {}\n"),
            ("a/judge/deep.rs", "fn f() {}\n"),
            ("a/tests.rs", "fn f() {}\n"),
            ("a/tests/more.rs", "fn f() {}\n"),
            ("a/b.rs", "fn b() {}\n"),
            ("note.md", "text\n"),
        ];
        for (name, text) in files {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let counted = below(&folder);
        fs::remove_dir_all(&folder).unwrap();
        let mut counted = counted.unwrap();
        counted.sort();
        let expected = ["a/b.rs", "a.rs", "lib.rs"].map(|name| (folder.join(name), 1));
        assert_eq!(counted, expected);
    }
}

// SPDX-License-Identifier: ISC
//! Makes one line of the arguments of a process, from which a program gets the same words again.

use std::ffi::OsString;

/// The words in one line, each quoted as for a shell where it needs to be. What is no UTF-8 becomes
/// a replacement character.
pub(crate) fn join(words: &[OsString]) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        let word = word.to_string_lossy();
        if word.is_empty() || word.contains(|c: char| c.is_whitespace() || "'\"\\".contains(c)) {
            line.push('\'');
            line.push_str(&word.replace('\'', r"'\''"));
            line.push('\'');
        } else {
            line.push_str(&word);
        }
    }
    line
}

/// Whether the program will only talk about itself, for which it needs no devices.
pub(crate) fn asks_for_help(words: &[OsString]) -> bool {
    words
        .iter()
        .any(|word| word == "--help" || word == "--version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_need_it() {
        let words = [
            "--a=b",
            "two words",
            "",
            "it's",
            r"back\slash",
            "\"q\"",
            "tab\t",
        ];
        let words: Vec<OsString> = words.iter().map(Into::into).collect();
        let expected = r#"--a=b 'two words' '' 'it'\''s' 'back\slash' '"q"' 'tab	'"#;
        assert_eq!(join(&words), expected);
        assert_eq!(join(&[]), "");
    }
}

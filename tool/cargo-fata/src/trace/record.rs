// SPDX-License-Identifier: ISC
//! A line of a tender's trace: `START DURATION NAME ARGUMENTS... = RESULT`, times in nanoseconds.

/// A call that a unikernel made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it began, in nanoseconds since a moment of the tender's choice.
    pub start: u64,
    /// How long it took, in nanoseconds.
    pub duration: u64,
    /// What was asked for.
    pub name: &'a str,
    /// With what.
    pub arguments: &'a str,
    /// What came of it; empty where the call never came back.
    pub result: &'a str,
}

impl<'a> Record<'a> {
    /// Reads a line; `None` if it is not one of a trace, such as the half of one that a tender was
    /// writing when it was ended.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (start, rest) = word(line);
        let (duration, rest) = word(rest);
        let (name, rest) = word(rest);
        // The last, because arguments may be texts.
        let (arguments, result) = match rest.rsplit_once("= ") {
            Some((arguments, result)) if arguments.is_empty() || arguments.ends_with(' ') => {
                (arguments, result)
            }
            _ => (rest.trim_end().trim_end_matches('='), ""),
        };
        (!name.is_empty() && name != "=").then_some(())?;
        Some(Self {
            start: start.parse().ok()?,
            duration: duration.parse().ok()?,
            name,
            arguments: arguments.trim(),
            result: result.trim(),
        })
    }

    /// When it ended.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.duration)
    }
}

/// The first word of `text`, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let record = Record::parse("1200 35 block_read storage offset=512 length=512 = ok\r");
        let record = record.unwrap();
        assert_eq!(
            (record.start, record.duration, record.end()),
            (1200, 35, 1235)
        );
        assert_eq!(record.name, "block_read");
        assert_eq!(record.arguments, "storage offset=512 length=512");
        assert_eq!(record.result, "ok");
    }

    #[test]
    fn arguments_and_result_may_be_missing_or_look_alike() {
        for (line, arguments, result) in [
            ("1 2 walltime = 17", "", "17"),
            ("1 2 halt status=0", "status=0", ""),
            ("1 2 halt status=0 =", "status=0", ""),
            ("1 2 halt", "", ""),
            ("1 2 write \"a = b\" = 5", "\"a = b\"", "5"),
            ("  1   2  poll   until=7   =   ready ", "until=7", "ready"),
        ] {
            let record = Record::parse(line).unwrap();
            assert_eq!(
                (record.arguments, record.result),
                (arguments, result),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_no_line_of_a_trace_is_none() {
        for line in [
            "",
            "1",
            "1 2",
            "1 2 = 3",
            "a 2 poll = 3",
            "-1 2 poll = 3",
            "1 2.5 poll",
        ] {
            assert_eq!(Record::parse(line), None, "{line}");
        }
    }

    /// Deterministic noise in a good line: whatever comes out, it does not panic, and what it
    /// returns are parts of the line.
    #[test]
    fn noise_is_survived() {
        let good = "1200 35 block_read storage offset=512 \u{e9} = ok";
        let mut seed = 1u32;
        for _ in 0..20_000 {
            let mut bytes = good.as_bytes().to_vec();
            for _ in 0..1 + seed % 3 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % bytes.len();
                bytes[at] = b" =\t0a\xff-\n"[(seed >> 24) as usize % 8];
            }
            let line = String::from_utf8_lossy(&bytes);
            if let Some(record) = Record::parse(&line) {
                assert!(line.contains(record.arguments) && line.contains(record.result));
                assert!(!record.name.is_empty());
            }
        }
    }
}

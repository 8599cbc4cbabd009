// SPDX-License-Identifier: ISC
//! Entry points for fuzzing, with a second, plainer opinion on what bytes mean.

use std::vec::Vec;

use crate::{
    ClientLimits, Limits, Method,
    body::Left,
    chunked::Chunked,
    client::Head as AnswerHead,
    head::{Head, Length, Request},
};

/// A request and its body, cut where `cut` says: parsed, and compared with a reading of the whole
/// at once.
///
/// # Panics
///
/// If the two differ, or a head is taken whose lines have another end than CRLF.
pub fn request(cut: u8, input: &[u8]) {
    let limits = Limits::DEFAULT;
    let mut head = Head::new();
    let Ok(true) = head.parse(input, &limits) else {
        return;
    };
    let (text, rest) = input.split_at(head.len);
    check_head(text);
    // A head is found where it ends, and not before.
    assert_eq!(Head::new().parse(text, &limits), Ok(true));
    assert_eq!(
        Head::new().parse(&text[..text.len() - 1], &limits),
        Ok(false)
    );
    let request = Request::new(&head, input);
    assert!(request.path().starts_with(['/', '*']));
    let lengths = request.headers().filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        name == "content-length" || name == "transfer-encoding"
    });
    assert!(lengths.count() <= 1, "a length that is said twice");
    let _ = crate::decode(request.path());
    if head.body == Length::Chunked {
        chunked(cut, rest);
    }
}

fn check_head(text: &[u8]) {
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' => assert_eq!(text[at - 1], b'\r'),
            b'\r' => assert_eq!(text[at + 1], b'\n'),
            0 => panic!("NUL in a head"),
            _ => {}
        }
    }
}

/// A chunked body, decoded in pieces of a size that follows from `cut` and compared with a reading
/// of the whole at once.
///
/// # Panics
///
/// If the two differ.
pub fn chunked(cut: u8, input: &[u8]) {
    let (input_step, room) = (usize::from(cut >> 4) + 1, usize::from(cut & 15) + 1);
    let mut left = Left::Chunks(Chunked::new());
    let (mut body, mut at) = (Vec::new(), 0);
    let mut buffer = [0; 16];
    let mut failed = false;
    while at < input.len() && !left.is_done() {
        let end = input.len().min(at + input_step);
        match left.take(&input[at..end], &mut buffer[..room]) {
            Ok(progress) => {
                body.extend_from_slice(&buffer[..progress.written]);
                at += progress.read;
            }
            Err(_) => {
                failed = true;
                break;
            }
        }
    }
    let (expected, end) = plain(input);
    match end {
        Some(end) => {
            assert!(left.is_done() && !failed);
            assert_eq!((at, body), (end, expected));
        }
        // What was handed on before something was wrong is the beginning of what was sent.
        None => assert!(!left.is_done() && expected.starts_with(&body)),
    }
}

/// The body that `input` begins with and where it ends, read line by line; if it is not all there
/// or wrong, as much as there is.
fn plain(input: &[u8]) -> (Vec<u8>, Option<usize>) {
    let mut body = Vec::new();
    let mut at = 0;
    let mut skipped = 0;
    let end = (|| {
        loop {
            let line = line(input, &mut at)?;
            let digits = line.split(|byte| *byte == b';').next()?;
            skipped += line.len().saturating_sub(digits.len() + 1);
            let digits = core::str::from_utf8(digits).ok()?;
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let digits = digits.trim_start_matches('0');
            let size = match (is_plain && !line.is_empty() && line[0] != b';', digits) {
                (false, _) => return None,
                (true, "") => 0,
                (true, digits) => u64::from_str_radix(digits, 16).ok()?,
            };
            if skipped > 16_384 {
                return None;
            }
            if size == 0 {
                break;
            }
            let rest = &input[at..];
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            body.extend_from_slice(&rest[..size.min(rest.len())]);
            let behind = rest.get(size..)?;
            if !behind.starts_with(b"\r\n") {
                return None;
            }
            at += size + 2;
        }
        loop {
            let line = line(input, &mut at)?;
            skipped += line.len();
            if skipped > 16_384 || line.starts_with(b" ") || line.starts_with(b"\t") {
                return None;
            }
            if line.is_empty() {
                return Some(at);
            }
        }
    })();
    (body, end)
}

/// The next line, which ends with CRLF and has no other control character than TAB.
fn line<'i>(input: &'i [u8], at: &mut usize) -> Option<&'i [u8]> {
    let rest = input.get(*at..)?;
    let len = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..len];
    *at += len + 2;
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    line.iter().all(is_text).then_some(line)
}

/// The head of a response.
///
/// # Panics
///
/// If a head is taken that says two lengths.
pub fn answer(input: &[u8]) {
    let limits = ClientLimits::default();
    for method in [Method::Get, Method::Head] {
        let mut head = AnswerHead::new();
        if let Ok(true) = head.parse(input, method, &limits) {
            assert!(head.len <= input.len());
            let _ = head.fields.iter(input).count();
            assert!(!head.keep_alive || !matches!(head.body, Left::UntilEnd));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mutations of good bodies and heads mean the same to both readers.
    #[test]
    fn mutations_mean_the_same_to_both() {
        let seeds: [&[u8]; 3] = [
            b"4\r\nWiki\r\n6;a=b\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nA: b\r\n\r\nGET",
            b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
        ];
        let mut state = 7_u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize
        };
        for round in 0..30_000 {
            let mut input = seeds[round % 3].to_vec();
            for _ in 0..random() % 4 {
                if input.is_empty() {
                    break;
                }
                let at = random() % input.len();
                match random() % 4 {
                    0 => input[at] = random() as u8,
                    1 => drop(input.remove(at)),
                    2 => input.truncate(at + 1),
                    _ => input.insert(at, b"\r\n :;0fF"[random() % 8]),
                }
            }
            let cut = random() as u8;
            chunked(cut, &input);
            request(cut, &input);
            answer(&input);
        }
    }
}

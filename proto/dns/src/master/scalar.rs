// SPDX-License-Identifier: ISC
//! Numbers, times and encoded bytes as master files write them.

use alloc::vec::Vec;

/// A decimal number up to `most`.
pub(super) fn number(text: &[u8], most: u32) -> Option<u32> {
    let mut value = 0_u32;
    if text.is_empty() {
        return None;
    }
    for &byte in text {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value = value.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    (value <= most).then_some(value)
}

/// A time in seconds, or with units as in `1h30m`; at most 2^31 - 1 (RFC 2181 section 8).
pub(super) fn ttl(text: &[u8]) -> Option<u32> {
    let mut total = 0_u32;
    let mut value = None;
    for &byte in text {
        let seconds = match byte {
            b'0'..=b'9' => {
                let digit = u32::from(byte - b'0');
                value = Some(value.unwrap_or(0_u32).checked_mul(10)?.checked_add(digit)?);
                continue;
            }
            b's' | b'S' => 1,
            b'm' | b'M' => 60,
            b'h' | b'H' => 3600,
            b'd' | b'D' => 86_400,
            b'w' | b'W' => 604_800,
            _ => return None,
        };
        total = total.checked_add(value.take()?.checked_mul(seconds)?)?;
    }
    let total = total.checked_add(value.unwrap_or(0))?;
    (!text.is_empty() && total <= i32::MAX as u32).then_some(total)
}

/// A moment: `YYYYMMDDHHmmSS` or seconds since 1970 (RFC 4034 section 3.2).
pub(super) fn moment(text: &[u8]) -> Option<u32> {
    if text.len() != 14 {
        return number(text, u32::MAX);
    }
    let part = |from: usize, to: usize| number(&text[from..to], u32::MAX);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let valid = year >= 1970
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !valid {
        return None;
    }
    // Days since 1970: the year is taken to begin in March, so that the leap day ends it.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = u64::from(year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1) - 719_468;
    let seconds = days * 86_400 + u64::from(hour * 3600 + minute * 60 + second);
    Some(seconds as u32) // serial number arithmetic, RFC 4034 section 3.1.5
}

/// Decodes characters of an alphabet whose digits have `bits` bits, over several words.
pub(super) struct Decoder {
    bits: u32,
    digit: fn(u8) -> Option<u8>,
    state: u32,
    held: u32,
    padding: u32,
    digits: u32,
}

impl Decoder {
    pub(super) fn hex() -> Self {
        Self::new(4, |byte| {
            char::from(byte).to_digit(16).map(|digit| digit as u8)
        })
    }

    /// RFC 4648 section 7, without padding (RFC 5155 section 3.3).
    pub(super) fn base32hex() -> Self {
        Self::new(5, |byte| {
            char::from(byte).to_digit(32).map(|digit| digit as u8)
        })
    }

    /// RFC 4648 section 4.
    pub(super) fn base64() -> Self {
        Self::new(6, |byte| {
            Some(match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            })
        })
    }

    fn new(bits: u32, digit: fn(u8) -> Option<u8>) -> Self {
        Self {
            bits,
            digit,
            state: 0,
            held: 0,
            padding: 0,
            digits: 0,
        }
    }

    /// Takes a word.
    pub(super) fn push(&mut self, word: &[u8], out: &mut Vec<u8>) -> Option<()> {
        for &byte in word {
            if byte == b'=' && self.bits == 6 {
                self.padding += 1;
                continue;
            }
            if self.padding > 0 {
                return None;
            }
            self.state = self.state << self.bits | u32::from((self.digit)(byte)?);
            self.held += self.bits;
            self.digits += 1;
            if self.held >= 8 {
                self.held -= 8;
                out.push((self.state >> self.held) as u8);
            }
        }
        Some(())
    }

    /// Whether what came makes whole bytes, padded as it must be.
    pub(super) fn complete(&self) -> bool {
        let rest_is_zero = self.state & ((1 << self.held) - 1) == 0;
        let padded = self.bits != 6 || (self.digits + self.padding).is_multiple_of(4);
        rest_is_zero && padded && self.held < self.bits && self.padding < 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(ttl(b"1h30m"), Some(5400));
        assert_eq!(ttl(b"1W2D"), Some(777_600));
        assert_eq!(ttl(b"3600"), Some(3600));
        assert_eq!(ttl(b"2147483647"), Some(2_147_483_647));
        for wrong in [&b"2147483648"[..], b"h", b"1x", b"", b"1hh", b"99999999w"] {
            assert_eq!(ttl(wrong), None);
        }
    }

    /// The second example is that of RFC 4034 section 3.3.
    #[test]
    fn moments() {
        assert_eq!(moment(b"19700101000000"), Some(0));
        assert_eq!(moment(b"20030322173103"), Some(1_048_354_263));
        assert_eq!(moment(b"20240229120000"), Some(1_709_208_000));
        assert_eq!(moment(b"1048354263"), Some(1_048_354_263));
        assert_eq!(moment(b"20031322173103"), None);
    }

    fn decode(mut decoder: Decoder, words: &[&[u8]]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for word in words {
            decoder.push(word, &mut out)?;
        }
        decoder.complete().then_some(out)
    }

    /// RFC 4648 section 10.
    #[test]
    fn encoded_bytes() {
        let foobar = Some(b"foobar".to_vec());
        assert_eq!(decode(Decoder::base64(), &[b"Zm9v", b"YmFy"]), foobar);
        assert_eq!(decode(Decoder::base64(), &[b"Zg=="]), Some(b"f".to_vec()));
        assert_eq!(decode(Decoder::base32hex(), &[b"CPNMUOJ1E8"]), foobar);
        assert_eq!(decode(Decoder::hex(), &[b"666F", b"6f626172"]), foobar);
        for wrong in [&b"Zg"[..], b"Zg=", b"Zh==", b"Zm9v=Zm9", b"Zm9*", b"Z==="] {
            assert_eq!(decode(Decoder::base64(), &[wrong]), None);
        }
        assert_eq!(decode(Decoder::hex(), &[b"666"]), None);
        assert_eq!(decode(Decoder::base32hex(), &[b"C"]), None);
    }
}

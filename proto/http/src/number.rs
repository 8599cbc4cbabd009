// SPDX-License-Identifier: ISC
//! Numbers as text, without the formatting machinery.

use alloc::vec::Vec;

/// The number that `digits` are, all of them and nothing else.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Appends `number` in decimal.
pub(crate) fn push_decimal(text: &mut Vec<u8>, number: u64) {
    push(text, number, 10);
}

/// Appends `number` in hexadecimal.
pub(crate) fn push_hexadecimal(text: &mut Vec<u8>, number: u64) {
    push(text, number, 16);
}

fn push(text: &mut Vec<u8>, mut number: u64, base: u64) {
    let start = text.len();
    loop {
        let digit = (number % base) as u8;
        text.push(if digit < 10 { b'0' } else { b'a' - 10 } + digit);
        number /= base;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = text.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 9, 10, 612, u64::MAX] {
            let mut text = Vec::new();
            push_decimal(&mut text, number);
            assert_eq!(decimal(&text), Some(number));
            text.clear();
            push_hexadecimal(&mut text, number);
            let text = core::str::from_utf8(&text).unwrap();
            assert_eq!(u64::from_str_radix(text, 16), Ok(number));
        }
    }

    #[test]
    fn only_digits_are_a_number() {
        for text in ["", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
    }
}

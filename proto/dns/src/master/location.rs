// SPDX-License-Identifier: ISC
//! Places on earth: the data of LOC records.
//!
//! Read first: RFC 1876 sections 2 and 3.

use alloc::vec::Vec;

use super::{
    lexer::{Lexer, Refused},
    scalar::number,
};

/// Reads `d [m [s]] N|S d [m [s]] E|W alt[m] [size[m] [horizontal[m] [vertical[m]]]]`.
pub(super) fn read(lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<(), Refused> {
    let latitude = angle(
        lexer,
        90,
        b"NS",
        "expected a latitude such as `52 22 23.000 N`",
    )?;
    let longitude = angle(
        lexer,
        180,
        b"EW",
        "expected a longitude such as `4 53 32.000 E`",
    )?;
    let what = "expected an altitude in metres such as `-2.00m`";
    let word = lexer.expect(what)?;
    let altitude = metres(word.raw)
        .and_then(|cm| u32::try_from(cm + 10_000_000).ok())
        .ok_or_else(|| lexer.refuse(&word, what))?;
    // Defaults: 1 m, 10 km, 10 m.
    let mut precisions = [0x12, 0x16, 0x13];
    for precision in &mut precisions {
        let Some(word) = lexer.take()? else {
            break;
        };
        let value = metres(word.raw).and_then(power);
        *precision = value.ok_or_else(|| lexer.refuse(&word, "expected metres such as `10m`"))?;
    }
    out.push(0);
    out.extend_from_slice(&precisions);
    for value in [latitude, longitude, altitude] {
        out.extend_from_slice(&value.to_be_bytes());
    }
    Ok(())
}

/// Thousandths of a second of arc, from 2^31 on.
fn angle(
    lexer: &mut Lexer<'_>,
    most: u32,
    sides: &[u8; 2],
    what: &'static str,
) -> Result<u32, Refused> {
    let mut parts = [0_u32; 3];
    for i in 0..4 {
        let word = lexer.expect(what)?;
        if let [side] = word.raw
            && let Some(negative) = sides.iter().position(|s| s.eq_ignore_ascii_case(side))
            && i > 0
        {
            let value = parts[0] * 3_600_000 + parts[1] * 60_000 + parts[2];
            if value > most * 3_600_000 {
                return Err(lexer.refuse(&word, what));
            }
            let middle = 1_u32 << 31;
            return Ok(if negative == 1 {
                middle - value
            } else {
                middle + value
            });
        }
        let part = match i {
            0 => number(word.raw, most),
            1 => number(word.raw, 59),
            2 => decimal(word.raw, 3).filter(|&value| value < 60_000),
            _ => None,
        };
        parts[i.min(2)] = part.ok_or_else(|| lexer.refuse(&word, what))?;
    }
    Err(lexer.refuse_here(what))
}

/// A number with up to `places` digits after the point, times 10^places.
fn decimal(text: &[u8], places: u32) -> Option<u32> {
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let whole = number(parts.next()?, u32::MAX)?;
    let fraction = parts.next().unwrap_or(b"0");
    let missing = places.checked_sub(fraction.len() as u32)?;
    let fraction = number(fraction, u32::MAX)? * 10_u32.pow(missing);
    whole.checked_mul(10_u32.pow(places))?.checked_add(fraction)
}

/// Centimetres.
fn metres(text: &[u8]) -> Option<i64> {
    let text = text.strip_suffix(b"m").unwrap_or(text);
    match text.strip_prefix(b"-") {
        Some(text) => Some(-i64::from(decimal(text, 2)?)),
        None => Some(i64::from(decimal(text, 2)?)),
    }
}

/// A digit and a power of ten, four bits each.
fn power(mut centimetres: i64) -> Option<u8> {
    let mut exponent = 0;
    while centimetres > 9 {
        centimetres /= 10;
        exponent += 1;
    }
    (centimetres >= 0 && exponent <= 9).then_some((centimetres as u8) << 4 | exponent)
}

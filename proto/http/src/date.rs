// SPDX-License-Identifier: ISC
//! Dates. Read first: RFC 9110 section 5.6.7.

use crate::number::decimal;

/// Bytes of a date as it is sent.
pub(crate) const LEN: usize = 29;

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// The form that is sent: `Sun, 06 Nov 1994 08:49:37 GMT`. `seconds` count from 1970; from the
/// year 10,000 on the year is wrong.
pub(crate) fn format(seconds: u64) -> [u8; LEN] {
    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let days = seconds / 86_400;
    let (year, month, day) = civil(days);
    let mut put = |at: usize, text: &[u8]| {
        if let Some(place) = date.get_mut(at..at + text.len()) {
            place.copy_from_slice(text);
        }
    };
    put(0, DAYS[(days % 7) as usize]);
    put(5, &two(day));
    put(8, MONTHS[(month - 1) as usize % 12]);
    put(12, &two(year / 100));
    put(14, &two(year));
    put(17, &two(seconds / 3_600 % 24));
    put(20, &two(seconds / 60 % 60));
    put(23, &two(seconds % 60));
    date
}

fn two(number: u64) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

/// Year, month and day of a day counted from 1970-01-01. Years are counted from March, and 400 of
/// them always have as many days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

/// Days from 1970-01-01 to a day of the calendar, not before it.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let day = (153 * month + 2) / 5 + day - 1;
    let days = 365 * (year % 400) + year % 400 / 4 - year % 400 / 100 + day;
    (year / 400 * 146_097 + days).checked_sub(719_468)
}

/// Seconds from 1970 to a date in any of the three forms that a recipient must understand.
pub(crate) fn parse(text: &[u8]) -> Option<u64> {
    let (name, rest) = text.split_at_checked(3)?;
    if !name.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let (day, month, year, time) = if let Some(date) = rest.strip_prefix(b", ") {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let (date, time) = date.strip_suffix(b" GMT")?.split_at_checked(11)?;
        let (day, month) = (date.get(..3)?.strip_suffix(b" ")?, date.get(3..6)?);
        (day, month, date.get(6..)?.strip_prefix(b" ")?, time)
    } else if let Some(date) = rest.strip_prefix(b" ") {
        // Sun Nov  6 08:49:37 1994
        let day = date.get(3..6)?.strip_prefix(b" ")?.trim_ascii_start();
        let year = date.get(15..)?.strip_prefix(b" ")?;
        (day, date.get(..3)?, year, date.get(6..15)?)
    } else {
        // Sunday, 06-Nov-94 08:49:37 GMT
        let comma = rest.iter().position(|byte| *byte == b',')?;
        let date = rest.get(comma..)?.strip_prefix(b", ")?;
        let (date, time) = date.strip_suffix(b" GMT")?.split_at_checked(9)?;
        let (day, month) = (date.get(..3)?.strip_suffix(b"-")?, date.get(3..6)?);
        (day, month, date.get(6..)?.strip_prefix(b"-")?, time)
    };
    let month = MONTHS.iter().position(|known| *known == month)? as u64 + 1;
    let year = match (year.len(), decimal(year)?) {
        (4, year) => year,
        // Two digits: of the past, or at most fifty years ahead of when this was written.
        (2, year) => year + if year < 76 { 2000 } else { 1900 },
        _ => return None,
    };
    let day = decimal(day).filter(|day| (1..=31).contains(day))?;
    Some(days(year, month, day)? * 86_400 + clock(time)?)
}

/// Seconds of the day in ` 08:49:37`. A leap second is one.
fn clock(time: &[u8]) -> Option<u64> {
    let &[b' ', h1, h2, b':', m1, m2, b':', s1, s2] = time else {
        return None;
    };
    let within = |digits: [u8; 2], most| decimal(&digits).filter(|number| *number <= most);
    Some(within([h1, h2], 23)? * 3_600 + within([m1, m2], 59)? * 60 + within([s1, s2], 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the RFC.
    const EXAMPLE: u64 = 784_111_777;

    #[test]
    fn the_three_forms_mean_the_same() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(EXAMPLE), "{text}");
        }
        assert_eq!(&format(EXAMPLE), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn what_is_sent_is_understood() {
        // Every hundredth day or so until 2199, at odd times.
        for at in (0..7_226_582_400_u64).step_by(8_650_001) {
            assert_eq!(parse(&format(at)), Some(at));
        }
        assert_eq!(&format(951_782_400), b"Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[test]
    fn other_text_is_no_date() {
        for text in [
            "",
            "Sun",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1894 08:49:37 GMT",
            "784111777",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}

// SPDX-License-Identifier: ISC
//! TCP options: parsed from foreign bytes, and written in the order that pads least.
//!
//! RFC 9293 section 3.2 (form, maximum segment size), RFC 7323 sections 2.2 and 3.2 (window scale,
//! timestamps), RFC 2018 sections 2 and 3 (SACK).

use super::seq::Seq;

/// Bytes of the timestamps option with its padding.
pub(crate) const TIMESTAMPS_LEN: u16 = 12;
/// A larger window scale is taken for this one (RFC 7323, section 2.3).
pub(crate) const MAX_WINDOW_SCALE: u8 = 14;
/// A segment size for peers that name none (RFC 9293, section 3.7.1).
pub(crate) const DEFAULT_MSS: u16 = 536;

/// A range of sequence numbers, the end not included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: Seq,
    pub(crate) end: Seq,
}

/// SACK blocks of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blocks {
    ranges: [Range; 4],
    count: u8,
}

impl Blocks {
    /// Appends a block if there is room; says whether there was.
    pub(crate) fn push(&mut self, range: Range) -> bool {
        let Some(place) = self.ranges.get_mut(usize::from(self.count)) else {
            return false;
        };
        *place = range;
        self.count += 1;
        true
    }

    pub(crate) fn as_slice(&self) -> &[Range] {
        self.ranges.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Bytes of the option with its padding.
    pub(crate) const fn option_len(&self) -> u16 {
        if self.count == 0 {
            0
        } else {
            4 + 8 * self.count as u16
        }
    }
}

/// The options of one segment that this stack knows; others are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) mss: Option<u16>,
    /// Never above [`MAX_WINDOW_SCALE`] when parsed.
    pub(crate) window_scale: Option<u8>,
    /// TSval and TSecr.
    pub(crate) timestamps: Option<(u32, u32)>,
    pub(crate) sack_permitted: bool,
    pub(crate) sack: Blocks,
}

/// The first four bytes of `bytes` as a number.
fn word(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

impl Options {
    /// Reads the bytes between fixed header and payload. What is malformed ends the options: what
    /// came before it counts.
    pub(crate) fn parse(mut bytes: &[u8]) -> Self {
        let mut options = Self::default();
        // What nearly every segment of a connection has: padding and timestamps (RFC 7323,
        // appendix A).
        if bytes.len() == 12 && bytes.starts_with(&[1, 1, 8, 10]) {
            options.timestamps = Some((word(&bytes[4..]), word(&bytes[8..])));
            return options;
        }
        while let [kind, rest @ ..] = bytes {
            match kind {
                0 => break,
                1 => bytes = rest,
                _ => {
                    let Some(len) = rest.first().map(|len| usize::from(*len)) else {
                        break;
                    };
                    if len < 2 || len > bytes.len() {
                        break;
                    }
                    let (option, after) = bytes.split_at(len);
                    options.one(*kind, option.get(2..).unwrap_or(&[]));
                    bytes = after;
                }
            }
        }
        options
    }

    /// Takes one option with the value `value`.
    fn one(&mut self, kind: u8, value: &[u8]) {
        match (kind, value.len()) {
            (2, 2) => self.mss = value.first_chunk().map(|mss| u16::from_be_bytes(*mss)),
            (3, 1) => self.window_scale = value.first().map(|scale| (*scale).min(MAX_WINDOW_SCALE)),
            (4, 0) => self.sack_permitted = true,
            (5, 8 | 16 | 24 | 32) => {
                self.sack = Blocks::default();
                for block in value.as_chunks::<8>().0 {
                    self.sack.push(Range {
                        start: Seq(word(block)),
                        end: Seq(word(&block[4..])),
                    });
                }
            }
            (8, 8) => {
                let [value, echo] = [word(value), word(&value[4..])];
                self.timestamps = Some((value, echo));
            }
            _ => {}
        }
    }

    /// Writes the options and pads them to a multiple of four; gives their length. At most 40 bytes:
    /// whoever fills in SACK blocks leaves room for the rest.
    pub(crate) fn emit(&self, buffer: &mut [u8; 40]) -> usize {
        let mut out = Writer { buffer, len: 0 };
        if let Some(mss) = self.mss {
            out.put(&[2, 4]);
            out.put(&mss.to_be_bytes());
        }
        if let Some((value, echo)) = self.timestamps {
            // SACK permitted takes the place of the padding.
            out.put(if self.sack_permitted {
                &[4, 2, 8, 10]
            } else {
                &[1, 1, 8, 10]
            });
            out.put(&value.to_be_bytes());
            out.put(&echo.to_be_bytes());
        } else if self.sack_permitted {
            out.put(&[1, 1, 4, 2]);
        }
        if let Some(scale) = self.window_scale {
            out.put(&[1, 3, 3, scale]);
        }
        let blocks = self.sack.as_slice();
        let room = (40usize.saturating_sub(out.len + 4)) / 8;
        let count = blocks.len().min(room);
        if count > 0 {
            out.put(&[1, 1, 5, 2 + 8 * count as u8]);
            for block in &blocks[..count] {
                out.put(&block.start.0.to_be_bytes());
                out.put(&block.end.0.to_be_bytes());
            }
        }
        out.len
    }
}

/// Bytes that are put one after the other.
struct Writer<'a> {
    buffer: &'a mut [u8; 40],
    len: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.buffer.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Blocks, Options, Range};
    use crate::tcp::seq::Seq;

    fn round(options: Options) -> usize {
        let mut buffer = [0; 40];
        let len = options.emit(&mut buffer);
        assert_eq!(len % 4, 0);
        assert_eq!(Options::parse(&buffer[..len]), options);
        len
    }

    /// RFC 9293 section 3.2, RFC 7323 appendix A, RFC 2018 section 3: what is written is read again.
    #[test]
    fn written_and_read() {
        assert_eq!(round(Options::default()), 0);
        let mut options = Options {
            mss: Some(1460),
            window_scale: Some(7),
            timestamps: Some((1, 2)),
            sack_permitted: true,
            ..Options::default()
        };
        assert_eq!(round(options), 20);
        options.timestamps = None;
        assert_eq!(round(options), 12);
        let mut sack = Blocks::default();
        for n in 0..4 {
            let range = Range {
                start: Seq(n * 10),
                end: Seq(n * 10 + 5),
            };
            assert!(sack.push(range));
        }
        assert!(!sack.push(Range::default()));
        assert_eq!(
            round(Options {
                sack,
                ..Options::default()
            }),
            36
        );
        // Three blocks fit beside timestamps (RFC 2018, section 3).
        let options = Options {
            sack,
            timestamps: Some((3, 4)),
            ..Options::default()
        };
        let mut buffer = [0; 40];
        assert_eq!(options.emit(&mut buffer), 40);
        assert_eq!(
            Options::parse(&buffer).sack.as_slice(),
            &sack.as_slice()[..3]
        );
    }

    /// RFC 7323, section 2.3: a scale above 14 is 14. RFC 9293 section 3.2 (MUST-7): lengths that
    /// cannot be end the options.
    #[test]
    fn odd_options() {
        assert_eq!(Options::parse(&[3, 3, 200, 0]).window_scale, Some(14));
        assert_eq!(Options::parse(&[2, 0, 2, 4]), Options::default());
        assert_eq!(Options::parse(&[2, 9, 2, 4]), Options::default());
        assert!(Options::parse(&[254, 3, 0, 4, 2]).sack_permitted);
        assert_eq!(Options::parse(&[0, 4, 2]), Options::default());
    }
}

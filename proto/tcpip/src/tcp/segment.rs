// SPDX-License-Identifier: ISC
//! The header of a TCP segment: its meaning, read from foreign bytes and written (RFC 9293, section
//! 3.1). Checksums are the Internet layer's. The urgent pointer is ignored (RFC 6093, section 5).

use super::{options::Options, seq::Seq};

/// Length without options.
pub(crate) const HEADER_LEN: usize = 20;

/// Control bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    pub(crate) const FIN: Self = Self(0x01);
    pub(crate) const SYN: Self = Self(0x02);
    pub(crate) const RST: Self = Self(0x04);
    pub(crate) const PSH: Self = Self(0x08);
    pub(crate) const ACK: Self = Self(0x10);
    pub(crate) const ECE: Self = Self(0x40);
    pub(crate) const CWR: Self = Self(0x80);

    /// Whether any of `other` is set here.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits of both.
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a reset says: a segment with nothing else in it, small enough to be handed around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reset {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) seq: Seq,
    /// As in [`Segment`].
    pub(crate) ack: Seq,
    pub(crate) flags: Flags,
}

impl From<Reset> for Segment {
    fn from(reset: Reset) -> Self {
        Self {
            source_port: reset.source_port,
            destination_port: reset.destination_port,
            seq: reset.seq,
            ack: reset.ack,
            flags: reset.flags,
            ..Self::default()
        }
    }
}

/// A segment without its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) seq: Seq,
    /// Means something only with [`Flags::ACK`].
    pub(crate) ack: Seq,
    pub(crate) flags: Flags,
    /// As it is in the header: not scaled.
    pub(crate) window: u16,
    pub(crate) options: Options,
    /// Bytes before the payload; set by [`Self::parse`].
    pub(crate) header_len: u8,
}

impl Segment {
    /// Reads a header. `None` if it is cut off or says that it is shorter than one can be.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let fixed: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let header_len = fixed[12] >> 4 << 2;
        let options = bytes.get(HEADER_LEN..usize::from(header_len))?;
        let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
        Some(Self {
            source_port: half(0),
            destination_port: half(2),
            seq: Seq(word(4)),
            ack: Seq(word(8)),
            flags: Flags(fixed[13]),
            window: half(14),
            options: Options::parse(options),
            header_len,
        })
    }

    /// Writes the header, with its checksum field zero; gives its length.
    pub(crate) fn emit(&self, buffer: &mut [u8; 60]) -> usize {
        let (fixed, options) = buffer.split_at_mut(HEADER_LEN);
        let mut len = HEADER_LEN;
        if let Some(options) = options.first_chunk_mut() {
            len += self.options.emit(options);
        }
        let ports = u32::from(self.source_port) << 16 | u32::from(self.destination_port);
        let control = (len as u32) << 26 | u32::from(self.flags.0) << 16 | u32::from(self.window);
        let words = [ports, self.seq.0, self.ack.0, control, 0];
        for (place, word) in fixed.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *place = word.to_be_bytes();
        }
        len
    }

    /// The sequence numbers that the segment takes with `len` bytes of payload.
    pub(crate) fn sequence_len(&self, len: usize) -> u32 {
        len as u32 + u32::from(self.flags.has(Flags::SYN)) + u32::from(self.flags.has(Flags::FIN))
    }

    /// The reset that answers this segment, with `len` bytes of payload, where there is no
    /// connection (RFC 9293, section 3.10.7.1). `None` if it is a reset itself.
    pub(crate) fn refuse(&self, len: usize) -> Option<Reset> {
        if self.flags.has(Flags::RST) {
            return None;
        }
        let mut reset = Reset {
            source_port: self.destination_port,
            destination_port: self.source_port,
            seq: Seq::default(),
            ack: Seq::default(),
            flags: Flags::RST,
        };
        if self.flags.has(Flags::ACK) {
            reset.seq = self.ack;
        } else {
            reset.flags = Flags::RST.with(Flags::ACK);
            reset.ack = self.seq + self.sequence_len(len);
        }
        Some(reset)
    }
}

#[cfg(test)]
mod tests {
    use super::{Flags, Segment};
    use crate::tcp::{options::Options, seq::Seq};

    fn sample() -> Segment {
        Segment {
            source_port: 80,
            destination_port: 40_000,
            seq: Seq(0x0102_0304),
            ack: Seq(0xf000_0001),
            flags: Flags::ACK.with(Flags::PSH),
            window: 777,
            options: Options {
                timestamps: Some((5, 6)),
                ..Options::default()
            },
            header_len: 32,
        }
    }

    /// RFC 9293, section 3.1: what is written is read again.
    #[test]
    fn written_and_read() {
        let mut buffer = [0xff; 60];
        let len = sample().emit(&mut buffer);
        assert_eq!(len, 32);
        assert_eq!(Segment::parse(&buffer[..len]), Some(sample()));
        assert_eq!(&buffer[16..20], &[0; 4]);
    }

    /// Hostile headers are refused or read, and never panic.
    #[test]
    fn never_panics() {
        let mut buffer = [0; 60];
        let len = sample().emit(&mut buffer);
        for cut in 0..len {
            assert_eq!(Segment::parse(&buffer[..cut]), None);
        }
        let mut random = 7u64;
        for _ in 0..200_000 {
            for byte in &mut buffer {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = (random >> 33) as u8;
                // Many small numbers, which options are made of.
                if random & 3 == 0 {
                    *byte &= 15;
                }
            }
            if let Some(segment) = Segment::parse(&buffer) {
                assert!(segment.emit(&mut [0; 60]) <= 60);
            }
        }
    }

    /// RFC 9293, section 3.10.7.1: the reset for a segment without a connection.
    #[test]
    fn refused() {
        let reset = sample().refuse(9).unwrap();
        assert_eq!((reset.seq, reset.flags), (sample().ack, Flags::RST));
        let syn = Segment {
            flags: Flags::SYN,
            ..sample()
        };
        let reset = syn.refuse(0).unwrap();
        assert_eq!((reset.seq, reset.ack), (Seq(0), sample().seq + 1));
        assert_eq!(
            Segment {
                flags: Flags::RST,
                ..sample()
            }
            .refuse(0),
            None
        );
    }
}

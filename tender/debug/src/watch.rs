// SPDX-License-Identifier: ISC
//! What the processor itself watches: up to four addresses, in its debug registers.
//!
//! Read first: Intel SDM volume 3B, 18.2 "Debug Registers".

/// How many there can be.
pub const SLOTS: usize = 4;

/// What stops a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To execute there.
    Execute,
    /// To write there.
    Write,
    /// To read or write there.
    Access,
}

/// Something that the processor watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    address: u64,
    len: u8,
    kind: Kind,
}

impl Point {
    /// `len` bytes at `address`, if a processor can watch those: 1, 2, 4 or 8, aligned.
    pub fn new(address: u64, len: u64, kind: Kind) -> Option<Self> {
        let fits = matches!(len, 1 | 2 | 4 | 8) && address.is_multiple_of(len);
        let fits = fits && (len == 1 || kind != Kind::Execute);
        fits.then_some(Self {
            address,
            len: len as u8,
            kind,
        })
    }

    /// Where.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// What.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// The value of DR7 for these points, whose addresses go to DR0 to DR3.
pub fn control(points: &[Option<Point>; SLOTS]) -> u64 {
    // Bit 10 is always one.
    points
        .iter()
        .enumerate()
        .fold(1 << 10, |control, (slot, point)| {
            let Some(point) = point else {
                return control;
            };
            let kind = match point.kind {
                Kind::Execute => 0b00,
                Kind::Write => 0b01,
                Kind::Access => 0b11,
            };
            let len = match point.len {
                1 => 0b00,
                2 => 0b01,
                8 => 0b10,
                _ => 0b11,
            };
            let enable = 1 << (2 * slot);
            control | enable | (kind | len << 2) << (16 + 4 * slot)
        })
}

/// The slot that a value of DR6 says was hit.
pub fn hit(status: u64) -> Option<usize> {
    (0..SLOTS).find(|slot| status & 1 << slot != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_manual_has_it() {
        let execute = Point::new(0x1001, 1, Kind::Execute);
        let write = Point::new(0x2008, 8, Kind::Write);
        assert_eq!(control(&[None; SLOTS]), 0x400);
        assert_eq!(control(&[execute, None, None, None]), 0x401);
        assert_eq!(control(&[None, write, None, None]), 0x0090_0404);
        assert_eq!(hit(0xffff_0ff2), Some(1));
        assert_eq!(hit(0x4000), None);
    }

    #[test]
    fn what_no_processor_watches() {
        for (address, len, kind) in [
            (0x1001, 2, Kind::Write),
            (0x1000, 3, Kind::Access),
            (0x1000, 0, Kind::Write),
            (0x1000, 4, Kind::Execute),
        ] {
            assert_eq!(Point::new(address, len, kind), None);
        }
    }
}

// SPDX-License-Identifier: ISC
//! A network frame in a buffer that a platform lends.

use core::{fmt, ops::Deref, ops::DerefMut, ptr::NonNull, slice};

use crate::net::Offload;

/// An owned Ethernet frame in memory that belongs to a device.
///
/// Holding a `Frame` proves that `capacity` bytes from `data` are initialised, that nobody else
/// reads or writes them, and that this lasts until the frame is dropped, which gives the buffer
/// back. It dereferences to the bytes of the frame.
pub struct Frame {
    data: NonNull<u8>,
    /// `<= capacity`
    len: u32,
    capacity: u32,
    /// Bytes before `data` that are as much the frame's own.
    headroom: u32,
    /// What the frame means beyond its bytes.
    pub offload: Offload,
    release: Release,
}

/// How a buffer goes back: called once, with the token that the platform chose.
#[derive(Clone, Copy)]
pub struct Release {
    /// The function to call.
    pub call: fn(token: usize),
    /// Tells the platform which buffer it is.
    pub token: usize,
}

impl Frame {
    /// Wraps a buffer of `capacity` bytes, of which the first `len` are the frame.
    ///
    /// # Safety
    ///
    /// 1. `data..data + capacity` is initialised memory that nothing else accesses until
    ///    `release` is called.
    /// 2. `len <= capacity`.
    pub const unsafe fn from_raw(
        data: NonNull<u8>,
        len: u32,
        capacity: u32,
        offload: Offload,
        release: Release,
    ) -> Self {
        Self {
            data,
            len,
            capacity,
            headroom: 0,
            offload,
            release,
        }
    }

    /// Bytes that the buffer can hold.
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Takes the first `count` bytes off the frame, which begins behind them then.
    ///
    /// # Panics
    ///
    /// If the frame is shorter than that.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len as usize, "frame shorter than its header");
        // SAFETY: `count <= len <= capacity`, so this stays within the buffer or at its end; the
        // promise of `from_raw` holds for what is left of it.
        self.data = unsafe { self.data.add(count) };
        self.len -= count as u32;
        self.capacity -= count as u32;
        self.headroom += count as u32;
    }

    /// Puts `count` bytes before the frame, with the content they had when they were taken off, and
    /// says whether there are as many.
    pub fn retreat(&mut self, count: usize) -> bool {
        if count > self.headroom as usize {
            return false;
        }
        // SAFETY: `advance` has passed over at least as many bytes, which the promise of `from_raw`
        // holds for too.
        self.data = unsafe { self.data.sub(count) };
        self.len += count as u32;
        self.capacity += count as u32;
        self.headroom -= count as u32;
        true
    }

    /// Makes the frame `len` bytes long, within the buffer. Bytes that become visible hold
    /// whatever the buffer held.
    ///
    /// # Panics
    ///
    /// If `len` exceeds [`capacity`](Self::capacity).
    pub fn set_len(&mut self, len: usize) {
        assert!(
            len <= self.capacity as usize,
            "frame longer than its buffer"
        );
        self.len = len as u32;
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: by the contract of `from_raw` these bytes are initialised and ours alone.
        unsafe { slice::from_raw_parts(self.data.as_ptr(), self.len as usize) }
    }
}

impl DerefMut for Frame {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes the access exclusive.
        unsafe { slice::from_raw_parts_mut(self.data.as_ptr(), self.len as usize) }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        (self.release.call)(self.release.token);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("len", &self.len)
            .field("offload", &self.offload)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_off_the_front_can_be_put_back() {
        let mut bytes = [1u8, 2, 3, 4, 5, 6];
        let release = Release {
            call: |_| (),
            token: 0,
        };
        let data = NonNull::from(&mut bytes).cast();
        // SAFETY: the array outlives the frame, and nothing else uses it until then.
        let mut frame = unsafe { Frame::from_raw(data, 4, 6, Offload::default(), release) };
        frame.advance(3);
        assert_eq!((&frame[..], frame.capacity()), (&[4][..], 3));
        frame.set_len(3);
        assert_eq!(frame[..], [4, 5, 6]);
        assert!(!frame.retreat(4) && frame.retreat(2));
        assert_eq!((&frame[..], frame.capacity()), (&[2, 3, 4, 5, 6][..], 5));
        assert!(frame.retreat(1) && !frame.retreat(1));
    }
}

// SPDX-License-Identifier: ISC
//! Network devices: Ethernet frames in buffers that the device lends.
//!
//! The buffers are the device's because the fast ones own theirs (rings shared with a host), and
//! copying a frame costs more than most of what is done with it. What a frame means beyond its
//! bytes follows virtio 1.2, section 5.1.6, as in [`fata_abi::net`].
//!
//! # Polling and wakers
//!
//! A device has one user. It keeps one waker for receiving and one for reserving; a later poll of
//! the same kind replaces the earlier waker. A `Ready` answer registers nothing.

use core::{
    fmt,
    future::poll_fn,
    ops::DerefMut,
    task::{Context, Poll},
};

pub use fata_abi::net::{
    Capabilities, Checksum, LONGEST_FRAME, NetInfo, Offload, SegmentKind, Segmentation,
};

/// An owned Ethernet frame, without preamble and frame check sequence. It dereferences to its
/// bytes; dropping it gives the buffer back.
pub trait Frame: DerefMut<Target = [u8]> + 'static {
    /// What the frame means beyond its bytes.
    fn offload(&self) -> Offload;

    /// Says what the frame means beyond its bytes. Only what [`NetInfo::offload`] of the device
    /// that will send it offers may be asked for.
    fn set_offload(&mut self, offload: Offload);

    /// Makes the frame `len` bytes long. Bytes that become visible hold anything.
    ///
    /// # Panics
    ///
    /// If the buffer is shorter than `len`. A reserved frame has at least the length that it was
    /// reserved with, a received one at least the length that it arrived with.
    fn set_len(&mut self, len: usize);
}

/// A network device.
///
/// The link may lose, repeat and reorder frames, and what arrives may be hostile; a device adds no
/// check beyond its own length limits.
pub trait Net {
    /// The frames that it lends.
    type Frame: Frame;

    /// What the device is like. Constant while the device exists.
    fn info(&self) -> NetInfo;

    /// Takes the next received frame.
    ///
    /// Pending while none has arrived, and while every buffer of the device is lent: a user that
    /// keeps frames stops its own reception. Frames that arrive meanwhile may be lost.
    ///
    /// Its length is what the link delivered, be it shorter than an Ethernet header. Frames for
    /// other stations may be among those received.
    ///
    /// # Errors
    ///
    /// [`NetError::Failed`]: the device is gone for good, and every later call says so too.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Frame, NetError>>;

    /// Borrows a buffer for a frame of `len` bytes, which is its length until
    /// [`Frame::set_len`]. Its content is unspecified; its [`Offload`] is the plain one. Dropping
    /// it unsent sends nothing.
    ///
    /// Pending while all buffers are in use, be it by the link or by the user.
    ///
    /// # Errors
    ///
    /// [`NetError::TooLong`]: `len` exceeds [`NetInfo::max_frame`], or what a buffer of the device
    /// holds, which is [`NetInfo::longest_on_wire`] at least; the device goes on working.
    /// [`NetError::Failed`]: as for [`poll_receive`](Self::poll_receive).
    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<Self::Frame, NetError>>;

    /// Queues `frame` for sending: one reserved, or one received here and reused. Never blocks.
    /// Success means that the device took it whole, not that it arrives anywhere. Frames leave in
    /// the order in which they were given.
    ///
    /// # Errors
    ///
    /// The frame is dropped in each case. [`NetError::TooLong`]: it exceeds
    /// [`NetInfo::max_frame`]. [`NetError::Unsupported`]: it is empty, or asks for an offload that
    /// the device does not offer. [`NetError::Failed`]: as above.
    fn send(&mut self, frame: Self::Frame) -> Result<(), NetError>;

    /// Queues `frame` with `tail` behind it for sending, as one frame that is as long as they are
    /// together; otherwise as [`send`](Self::send). The headers are in `frame`; the tail is payload
    /// from where it lies. Its bytes are taken during the call, and copied no more often than those
    /// of a frame.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send); [`NetError::Unsupported`] also where
    /// [`Capabilities::gather`] is not offered, which is what is provided here. Whoever wraps a
    /// device and does not pass this on does not pass on the capability either
    /// ([`without_gather`]).
    fn send_gather(&mut self, frame: Self::Frame, tail: [&[u8]; 2]) -> Result<(), NetError> {
        let _ = (frame, tail);
        Err(NetError::Unsupported)
    }

    /// Makes the device look at what was queued. A user calls it once after a batch; without it a
    /// frame may wait for ever.
    fn flush(&mut self);
}

/// The two waits of [`Net`] as futures. Dropping one loses nothing: a frame is taken only by the
/// poll that returns it.
pub trait NetExt: Net {
    /// Waits for the next frame; see [`Net::poll_receive`].
    fn receive(&mut self) -> impl Future<Output = Result<Self::Frame, NetError>> {
        poll_fn(|cx| self.poll_receive(cx))
    }

    /// Waits for a buffer; see [`Net::poll_reserve`].
    fn reserve(&mut self, len: usize) -> impl Future<Output = Result<Self::Frame, NetError>> {
        poll_fn(move |cx| self.poll_reserve(cx, len))
    }
}

impl<N: Net> NetExt for N {}

/// The same device as far as it is known to who does not pass on [`Net::send_gather`].
pub const fn without_gather(mut info: NetInfo) -> NetInfo {
    info.offload.gather = false;
    info
}

/// The rules that every [`Net`] checks before it sends a frame of `len` bytes, its tail included.
///
/// # Errors
///
/// [`NetError::TooLong`] and [`NetError::Unsupported`], as [`Net::send`] says.
pub fn check(info: &NetInfo, len: usize, offload: Offload) -> Result<(), NetError> {
    let max = match offload.segmentation {
        Some(_) => info.max_frame,
        None => info.max_frame.min(info.longest_on_wire()),
    };
    if len > max {
        return Err(NetError::TooLong { len, max });
    }
    if len == 0 || !info.offload.include(&offload) {
        return Err(NetError::Unsupported);
    }
    Ok(())
}

/// [`check`] for a frame with a tail.
///
/// # Errors
///
/// As there; [`NetError::Unsupported`] for a device that does not gather, and for a frame that has
/// not all its headers.
pub fn check_gather(
    info: &NetInfo,
    frame: usize,
    tail: [&[u8]; 2],
    offload: Offload,
) -> Result<(), NetError> {
    check(info, frame + tail[0].len() + tail[1].len(), offload)?;
    let headers = offload.segmentation.map_or(1, |s| s.header_len.into());
    if !info.offload.gather || frame < headers {
        return Err(NetError::Unsupported);
    }
    Ok(())
}

/// Why a network device did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetError {
    /// The device is gone for good.
    Failed,
    /// The frame is longer than the device sends.
    TooLong {
        /// Bytes of the frame.
        len: usize,
        /// [`NetInfo::max_frame`].
        max: usize,
    },
    /// The frame is empty or asks for an offload that the device does not offer.
    Unsupported,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("network device failed"),
            Self::TooLong { len, max } => {
                write!(
                    f,
                    "frame of {len} bytes is too long; the device sends at most {max}"
                )
            }
            Self::Unsupported => {
                f.write_str("frame is empty or asks for an offload that the device does not offer")
            }
        }
    }
}

impl core::error::Error for NetError {}

impl Frame for fata_abi::Frame {
    fn offload(&self) -> Offload {
        self.offload
    }

    fn set_offload(&mut self, offload: Offload) {
        self.offload = offload;
    }

    fn set_len(&mut self, len: usize) {
        Self::set_len(self, len);
    }
}

// SPDX-License-Identifier: ISC
//! Network devices: what they can do, and what a frame means beyond its bytes.
//!
//! [`Offload`] says what the header of a virtio-net frame says (virtio 1.2, section 5.1.6), which is
//! also what a Linux tap with `IFF_VNET_HDR` and a Xen netfront ring carry. A stack that uses none
//! of it handles plain Ethernet frames and is right on every device.

/// A network device as the platform describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetInfo {
    /// Ethernet address.
    pub mac: [u8; 6],
    /// Largest IP packet that the link carries, without the Ethernet header.
    pub mtu: u16,
    /// Largest frame, Ethernet header included, that can be reserved and sent. More than
    /// `mtu + 14` only where segmentation is offloaded.
    pub max_frame: usize,
    /// What may be left to the device.
    pub offload: Capabilities,
}

/// What a device does for the stack. All false means plain frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Completes checksums of sent frames ([`Checksum::Partial`]).
    pub checksum: bool,
    /// Cuts large TCP over IPv4 sends into segments.
    pub tcp4: bool,
    /// Cuts large TCP over IPv6 sends into segments.
    pub tcp6: bool,
    /// Cuts large UDP sends into datagrams.
    pub udp: bool,
    /// May hand in received frames larger than the MTU, with their [`Segmentation`].
    pub receive_large: bool,
}

/// What a frame means beyond its bytes. The default is a plain frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// State of the transport checksum.
    pub checksum: Checksum,
    /// Set where the frame stands for several on the wire.
    pub segmentation: Option<Segmentation>,
}

/// State of a frame's transport checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// In the bytes, and nobody has looked whether it is right.
    #[default]
    Unverified,
    /// The device has verified it (received frames only).
    Verified,
    /// Not computed: the ones' complement sum from byte `start` to the end is to be stored at
    /// `start + offset`, where the sum of the pseudo header already is.
    Partial {
        /// Where summing begins.
        start: u16,
        /// Where the result goes, counted from `start`.
        offset: u16,
    },
}

/// How one large frame stands for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// Which protocol is cut.
    pub kind: SegmentKind,
    /// Payload bytes of each segment but the last.
    pub size: u16,
    /// Bytes of headers that every segment repeats.
    pub header_len: u16,
}

/// The protocol that [`Segmentation`] cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over IPv4 or IPv6.
    Udp,
}

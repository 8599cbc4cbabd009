// SPDX-License-Identifier: ISC
//! Network devices: what they can do, and what a frame means beyond its bytes.
//!
//! [`Offload`] says what the header of a virtio-net frame says (virtio 1.2, section 5.1.6), which is
//! also what a Linux tap with `IFF_VNET_HDR` and a Xen netfront ring carry; [`vnet`] reads and writes
//! that header. Asking for an offload is free choice. Understanding them is not: a frame that a peer
//! on the same host sent may arrive with [`Checksum::Partial`], and it may stand for several where
//! [`Capabilities::receive_large`] says so.

pub mod vnet;

/// A network device as the platform describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetInfo {
    /// Ethernet address.
    pub mac: [u8; 6],
    /// Largest IP packet that the link carries, without the Ethernet header.
    pub mtu: u16,
    /// Largest frame that can be sent, Ethernet header and what is gathered included. More than
    /// [`longest_on_wire`](Self::longest_on_wire) only where segmentation is offloaded, and for
    /// frames that ask for it. Reserving one may be refused beyond that length: buffers of this size
    /// are few or none, and where [`Capabilities::gather`] is offered nobody needs them.
    pub max_frame: usize,
    /// Received frames that may be kept, for as long as one likes, while reception goes on. Whoever
    /// keeps more may stop it, as buffers are few: zero where they should be given back at once.
    pub keep: u16,
    /// What may be left to the device.
    pub offload: Capabilities,
}

impl NetInfo {
    /// Bytes of the longest frame that the link carries as it is: the MTU and the Ethernet header.
    pub const fn longest_on_wire(&self) -> usize {
        self.mtu as usize + ETHERNET_HEADER
    }
}

/// Bytes of an Ethernet header.
pub const ETHERNET_HEADER: usize = 14;
/// Bytes of the longest frame that a device cuts: the longest IPv4 packet, and an Ethernet header.
pub const LONGEST_FRAME: usize = 65535 + ETHERNET_HEADER;

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
    /// May hand in received frames larger than the MTU, with their [`Segmentation`]. Buffers for
    /// them are few: a stack that keeps what it received for long copies it out.
    pub receive_large: bool,
    /// Sends bytes that lie elsewhere behind those of a frame.
    pub gather: bool,
}

impl Capabilities {
    /// Nothing: plain frames.
    pub const NONE: Self = Self {
        checksum: false,
        tcp4: false,
        tcp6: false,
        udp: false,
        receive_large: false,
        gather: false,
    };

    /// Whether a frame for sending may ask for `offload`. Segments need checksums of their own, so
    /// who wants the one leaves the other to the device too.
    pub const fn include(&self, offload: &Offload) -> bool {
        let partial = matches!(offload.checksum, Checksum::Partial { .. });
        let kind = match &offload.segmentation {
            None => return !partial || self.checksum,
            Some(segmentation) => segmentation.kind,
        };
        partial
            && self.checksum
            && match kind {
                SegmentKind::Tcp4 => self.tcp4,
                SegmentKind::Tcp6 => self.tcp6,
                SegmentKind::Udp => self.udp,
            }
    }
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
    /// `start + offset`, where the sum of the pseudo header already is. Of a frame that stands for
    /// several, that pseudo header has the length of the whole.
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
    /// Bytes of headers that every segment repeats, from the Ethernet header to that of TCP or UDP.
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

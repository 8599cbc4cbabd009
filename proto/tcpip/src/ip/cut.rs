// SPDX-License-Identifier: ISC
//! Cutting packets that are longer than the path carries into fragments.
//!
//! Only for transports that allow it: UDP, ICMP and raw packets. The transport packet is put
//! together once, with its checksum, as this path is rare. Read first: RFC 791 section 2.3, RFC 8200
//! section 4.5.

use super::{
    Ip, Outgoing, SendError,
    send::{Fields, HEAD, Next, Way, finish, pseudo, set_checksum},
};
use crate::{
    link::Link,
    packet::{FRAGMENT, IPV4, IPV6, protocol},
};

const MORE_FRAGMENTS: u16 = 0x2000;

impl Ip {
    /// Sends `packet` in pieces of at most `way.mtu` bytes.
    #[inline(never)]
    pub(super) fn send_pieces(
        &mut self,
        link: &mut dyn Link,
        way: Way,
        packet: &Outgoing<'_>,
        now: u64,
    ) -> Result<(), SendError> {
        let mut whole = [packet.header, packet.payload[0], packet.payload[1]].concat();
        let mut fields = Fields::of(packet);
        let ipv4 = packet.destination.is_ipv4();
        let (header_len, extension) = if ipv4 { (IPV4, 0) } else { (IPV6, FRAGMENT) };
        let room = usize::from(way.mtu).saturating_sub(header_len + extension) & !7;
        let longest = usize::from(u16::MAX) - if ipv4 { IPV4 } else { 0 };
        if whole.len() > longest || room == 0 || matches!(way.next, Next::Ourselves) {
            return Err(SendError::TooLong(way.mtu));
        }
        let mut head = [0; HEAD];
        let emitted = fields.emit(&mut head, 0);
        let (_, addresses) = emitted.ok_or(SendError::NoRoute)?;
        if let Some(offset) = packet.checksum_at {
            let sum = pseudo(addresses, packet.protocol, whole.len()).add(&whole);
            set_checksum(&mut whole, offset, finish(sum, packet.protocol));
        }
        let ident = (self.random)() as u32;
        fields.ident = self.idents.next();
        if !ipv4 {
            fields.protocol = protocol::FRAGMENT;
        }
        let mut offset = 0;
        for piece in whole.chunks(room) {
            let more = offset + piece.len() < whole.len();
            fields.fragment = (offset >> 3) as u16 | if more { MORE_FRAGMENTS } else { 0 };
            let emitted = fields.emit(&mut head, extension + piece.len());
            let (at, _) = emitted.ok_or(SendError::NoRoute)?;
            let place = head[at..].first_chunk_mut().filter(|_| !ipv4);
            if let Some(place) = place {
                let place: &mut [u8; FRAGMENT] = place;
                place[0] = packet.protocol;
                place[2..4].copy_from_slice(&(offset as u16 | u16::from(more)).to_be_bytes());
                place[4..].copy_from_slice(&ident.to_be_bytes());
            }
            let (end, pieces) = (at + extension, [piece, &[]]);
            self.deliver(
                link,
                way.next,
                &mut head,
                end,
                pieces,
                Default::default(),
                now,
            )?;
            offset += piece.len();
        }
        Ok(())
    }
}

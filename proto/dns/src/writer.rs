// SPDX-License-Identifier: ISC
//! Messages as they leave: records written straight into the buffer of the caller, names compressed.
//!
//! Every name that can be compressed is a node of its zone's tree, so a name that was written is
//! remembered as its node and place; finding it again compares numbers and never bytes. Names of the
//! question count as written, under the node that they belong to.
//!
//! Read first: RFC 1035 section 4.1.4, RFC 3597 section 4.

use crate::{
    types::{Type, layout},
    wire::{HEADER, IN},
    zone::{NONE, Rrset, Zone, node_at},
};

/// The message has no room for that.
#[derive(Debug)]
pub(crate) struct Full;

/// Whose record it is.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    /// The name that starts at this place in the message, within reach of a pointer.
    At(usize),
    /// The name of a node.
    Node(u32),
}

/// The end of what a pointer reaches.
const REACH: usize = 0x4000;
/// Names that are remembered; later ones take the place of earlier ones.
const MEMORY: usize = 32;

/// A message being written.
pub(crate) struct Writer<'b> {
    buffer: &'b mut [u8],
    at: usize,
    /// Where it must end.
    pub(crate) limit: usize,
    places: [(u32, u16); MEMORY],
    used: usize,
    next: usize,
    /// A node whose name stands at a place of the message but has not been remembered yet.
    seed: (u32, usize),
    /// Where the data of the last record start.
    pub(crate) data_at: usize,
}

impl<'b> Writer<'b> {
    /// Starts a message in `buffer`, of at most `limit` bytes, behind its header.
    pub(crate) fn new(buffer: &'b mut [u8], limit: usize) -> Self {
        let limit = limit.min(buffer.len());
        Self {
            buffer,
            at: HEADER,
            limit,
            places: [(NONE, 0); MEMORY],
            used: 0,
            next: 0,
            seed: (NONE, 0),
            data_at: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.at
    }

    /// Writes the header.
    pub(crate) fn header(&mut self, id: [u8; 2], flags: u16, counts: [u16; 4]) {
        if let Some(header) = self.buffer.first_chunk_mut::<HEADER>() {
            header[..2].copy_from_slice(&id);
            header[2..4].copy_from_slice(&flags.to_be_bytes());
            for (place, count) in header[4..].chunks_exact_mut(2).zip(counts) {
                place.copy_from_slice(&count.to_be_bytes());
            }
        }
    }

    pub(crate) fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Full> {
        let end = self.at + N;
        if end > self.limit {
            return Err(Full);
        }
        *self
            .buffer
            .get_mut(self.at..end)
            .and_then(|to| to.first_chunk_mut())
            .ok_or(Full)? = bytes;
        self.at = end;
        Ok(())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.at + bytes.len();
        if end > self.limit {
            return Err(Full);
        }
        self.buffer
            .get_mut(self.at..end)
            .ok_or(Full)?
            .copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Says that the name of `node` stands at `place`.
    pub(crate) fn seed(&mut self, node: u32, place: usize) {
        self.seed = (node, place);
    }

    /// Forgets all names: the nodes to come are those of another zone.
    pub(crate) fn forget(&mut self) {
        self.used = 0;
        self.next = 0;
        self.seed = (NONE, 0);
    }

    fn remember(&mut self, node: u32, place: usize) {
        if place < REACH {
            self.places[self.next] = (node, place as u16);
            self.next = (self.next + 1) % MEMORY;
            self.used = (self.used + 1).min(MEMORY);
        }
    }

    fn place(&self, node: u32) -> Option<u16> {
        let mut places = self.places[..self.used].iter();
        places.find(|place| place.0 == node).map(|place| place.1)
    }

    /// Remembers the seed and its ancestors.
    fn take_seed(&mut self, zone: &Zone) {
        let (mut node, mut place) = core::mem::replace(&mut self.seed, (NONE, 0));
        while let Some(found) = zone.tree.node(node) {
            let label = usize::from(zone.tree.name(node)[0]);
            if label == 0 {
                break;
            }
            self.remember(node, place);
            place += 1 + label;
            node = found.parent;
        }
    }

    /// Goes back to `at` and forgets the names behind it.
    pub(crate) fn rewind(&mut self, at: usize) {
        self.at = at;
        for place in &mut self.places[..self.used] {
            if usize::from(place.1) >= at {
                place.0 = NONE;
            }
        }
    }

    /// Writes the name of a node.
    pub(crate) fn name(&mut self, zone: &Zone, mut node: u32, compress: bool) -> Result<(), Full> {
        if !compress {
            return self.bytes(zone.tree.name(node));
        }
        self.take_seed(zone);
        loop {
            let name = zone.tree.name(node);
            let label = usize::from(name[0]);
            if label == 0 {
                return self.put([0]);
            }
            if let Some(place) = self.place(node) {
                return self.put((0xc000 | place).to_be_bytes());
            }
            self.remember(node, self.at);
            self.bytes(&name[..=label])?;
            node = zone.tree.node(node).map_or(NONE, |node| node.parent);
        }
    }

    /// Writes all records of an RRset, or nothing.
    pub(crate) fn rrset(
        &mut self,
        zone: &Zone,
        owner: Owner,
        rrset: Rrset,
        ttl: u32,
    ) -> Result<(), Full> {
        let start = self.at;
        if self.records(zone, owner, rrset, ttl, 0) == usize::from(rrset.count) {
            Ok(())
        } else {
            self.rewind(start);
            Err(Full)
        }
    }

    /// Writes records of an RRset from number `first` on while there is room, and says up to which
    /// number it came.
    pub(crate) fn records(
        &mut self,
        zone: &Zone,
        mut owner: Owner,
        rrset: Rrset,
        ttl: u32,
        first: usize,
    ) -> usize {
        let mut done = first;
        for data in zone.data(rrset).skip(first) {
            let start = self.at;
            if self.record(zone, owner, rrset.rtype, ttl, data).is_err() {
                self.rewind(start);
                break;
            }
            if matches!(owner, Owner::Node(_)) && start < REACH {
                owner = Owner::At(start);
            }
            done += 1;
        }
        done
    }

    fn record(
        &mut self,
        zone: &Zone,
        owner: Owner,
        rtype: Type,
        ttl: u32,
        data: &[u8],
    ) -> Result<(), Full> {
        let layout = layout(rtype);
        let stored = data.len() as u16;
        self.head(zone, owner, rtype, ttl, stored)?;
        self.data_at = self.at;
        if layout.names == 0 {
            return self.bytes(data);
        }
        let (prefix, mut rest) = data
            .split_at_checked(usize::from(layout.prefix))
            .ok_or(Full)?;
        self.bytes(prefix)?;
        for _ in 0..layout.names {
            let (node, after) = node_at(rest, 0).ok_or(Full)?;
            self.name(zone, node, layout.compress)?;
            rest = after;
        }
        self.bytes(rest)?;
        self.end_data();
        Ok(())
    }

    /// Writes a record up to its data, whose length is `len` or set later by
    /// [`end_data`](Self::end_data).
    pub(crate) fn head(
        &mut self,
        zone: &Zone,
        owner: Owner,
        rtype: Type,
        ttl: u32,
        len: u16,
    ) -> Result<(), Full> {
        if let Owner::Node(node) = owner {
            self.name(zone, node, true)?;
        }
        let place = match owner {
            Owner::At(place) => place as u16 | 0xc000,
            Owner::Node(_) => 0,
        };
        let ([p0, p1], [t0, t1], [c0, c1]) =
            (place.to_be_bytes(), rtype.0.to_be_bytes(), IN.to_be_bytes());
        let ([l0, l1], [s0, s1, s2, s3]) = (len.to_be_bytes(), ttl.to_be_bytes());
        if place == 0 {
            self.put([t0, t1, c0, c1, s0, s1, s2, s3, l0, l1])?;
        } else {
            self.put([p0, p1, t0, t1, c0, c1, s0, s1, s2, s3, l0, l1])?;
        }
        self.data_at = self.at;
        Ok(())
    }

    /// Sets the length of the data of the last record.
    pub(crate) fn end_data(&mut self) {
        let len = (self.at - self.data_at) as u16;
        if let Some(place) = self.buffer.get_mut(self.data_at - 2..self.data_at) {
            place.copy_from_slice(&len.to_be_bytes());
        }
    }
}

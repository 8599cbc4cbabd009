// SPDX-License-Identifier: ISC
//! The database of a server: which address belongs to whom, and until when.
//!
//! One entry an address, so it is bounded by the pools. Entries that have ended stay until somebody
//! else needs the address: who comes back gets what it had (RFC 2131 section 4.3.1).

use alloc::collections::BTreeMap;
use core::net::Ipv4Addr;

use super::config::{Identity, Network};

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Offered, and kept for the client for a moment.
    Offered,
    /// Leased.
    Leased,
    /// Used by somebody whom the server does not know, as a client has found out.
    Declined,
}

/// An entry of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whose it is, or was.
    pub client: Identity,
    /// What it is as long as it has not ended.
    pub state: State,
    /// When it ends.
    pub expires: u64,
}

impl Binding {
    /// Whether it has not ended.
    pub fn is_current(&self, now: u64) -> bool {
        now < self.expires
    }

    /// Whether nobody but `client` can have the address now.
    fn is_free_for(&self, client: &Identity, now: u64) -> bool {
        let is_theirs = self.client == *client && self.state != State::Declined;
        is_theirs || !self.is_current(now)
    }
}

/// All entries, by address, and the address of each client.
#[derive(Default)]
pub(super) struct Leases {
    by_address: BTreeMap<Ipv4Addr, Binding>,
    by_client: BTreeMap<Identity, Ipv4Addr>,
}

impl Leases {
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, &Binding)> {
        self.by_address.iter().map(|(address, it)| (*address, it))
    }

    /// The address that a client has, or had last.
    pub(super) fn of(&self, client: &Identity) -> Option<(Ipv4Addr, &Binding)> {
        let address = *self.by_client.get(client)?;
        Some((address, self.by_address.get(&address)?))
    }

    /// Whether the client can have the address.
    pub(super) fn is_free(&self, address: Ipv4Addr, client: &Identity, now: u64) -> bool {
        let binding = self.by_address.get(&address);
        binding.is_none_or(|binding| binding.is_free_for(client, now))
    }

    /// Whether somebody unknown has the address.
    pub(super) fn is_declined(&self, address: Ipv4Addr, now: u64) -> bool {
        let binding = self.by_address.get(&address);
        binding.is_some_and(|it| it.state == State::Declined && it.is_current(now))
    }

    /// Gives the address to a client, which gives up what it had before.
    pub(super) fn set(&mut self, address: Ipv4Addr, client: &Identity, state: State, expires: u64) {
        if let Some(earlier) = self.by_client.insert(client.clone(), address)
            && earlier != address
        {
            self.by_address.remove(&earlier);
        }
        let binding = Binding {
            client: client.clone(),
            state,
            expires,
        };
        if let Some(earlier) = self.by_address.insert(address, binding)
            && earlier.client != *client
        {
            self.by_client.remove(&earlier.client);
        }
    }

    /// Ends what a client has now; it is remembered.
    pub(super) fn end(&mut self, address: Ipv4Addr, now: u64) {
        if let Some(binding) = self.by_address.get_mut(&address) {
            binding.expires = now;
        }
    }

    /// Keeps the address from everybody until `expires`.
    pub(super) fn decline(&mut self, address: Ipv4Addr, expires: u64) {
        if let Some(binding) = self.by_address.get_mut(&address) {
            self.by_client.remove(&binding.client);
            binding.state = State::Declined;
            binding.expires = expires;
        }
    }

    /// An address of the pools that nobody had yet, else the one that has been free for longest;
    /// without those that are `reserved`.
    pub(super) fn choose(
        &self,
        network: &Network,
        client: &Identity,
        now: u64,
        reserved: &dyn Fn(Ipv4Addr) -> bool,
    ) -> Option<Ipv4Addr> {
        let mut oldest: Option<(u64, Ipv4Addr)> = None;
        for (first, last) in &network.pools {
            for bits in first.to_bits()..=last.to_bits() {
                let address = Ipv4Addr::from_bits(bits);
                if reserved(address) {
                    continue;
                }
                match self.by_address.get(&address) {
                    None => return Some(address),
                    Some(binding) if binding.is_free_for(client, now) => {
                        let found = (binding.expires, address);
                        oldest = Some(oldest.map_or(found, |oldest| oldest.min(found)));
                    }
                    Some(_) => {}
                }
            }
        }
        oldest.map(|(_, address)| address)
    }
}

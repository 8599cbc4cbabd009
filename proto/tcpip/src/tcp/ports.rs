// SPDX-License-Identifier: ISC
//! Ports for connections that begin here.
//!
//! Consecutive for the same destination, so that one comes again as late as possible, and yet not
//! to be guessed by others. Read first: RFC 6056 section 3.3.3 (algorithm 3) and section 3.2.

use super::hash::{Key, Purpose, Tuple};

/// First of the ports that are chosen. Lower than the dynamic ports begin (RFC 6335, section 6),
/// as RFC 6056 section 3.2 advises: who makes many connections needs many.
pub(crate) const FIRST: u16 = 32768;
/// How many there are.
const COUNT: u16 = u16::MAX - FIRST + 1;

/// Goes on from port to port.
#[derive(Default)]
pub(crate) struct Ports {
    next: u16,
}

impl Ports {
    /// Sets the local port of `tuple` to one that is `free`, if any is.
    pub(crate) fn choose(
        &mut self,
        key: &Key,
        tuple: &mut Tuple,
        mut free: impl FnMut(&Tuple) -> bool,
    ) -> bool {
        tuple.local_port = 0;
        let offset = key.hash(Purpose::Port, tuple, 0) as u16;
        for _ in 0..COUNT {
            tuple.local_port = FIRST + offset.wrapping_add(self.next) % COUNT;
            self.next = self.next.wrapping_add(1);
            if free(tuple) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::addr::Addr;
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn gives_every_port_once_before_any_comes_again() {
        let key = Key::new(|| 5);
        let mut ports = Ports::default();
        let mut tuple = Tuple {
            local: Addr::from([10, 0, 0, 1]),
            peer: Addr::from([10, 0, 0, 2]),
            local_port: 0,
            peer_port: 80,
        };
        let mut taken = HashSet::new();
        for _ in 0..COUNT {
            assert!(ports.choose(&key, &mut tuple, |tuple| !taken.contains(&tuple.local_port)));
            assert!(tuple.local_port >= FIRST);
            assert!(taken.insert(tuple.local_port));
        }
        assert!(!ports.choose(&key, &mut tuple, |tuple| !taken.contains(&tuple.local_port)));
    }

    #[test]
    fn another_destination_begins_elsewhere() {
        let key = Key::new(|| 5);
        let start = |peer_port| {
            let mut tuple = Tuple {
                local: Addr::from([10, 0, 0, 1]),
                peer: Addr::from([10, 0, 0, 2]),
                local_port: 0,
                peer_port,
            };
            Ports::default().choose(&key, &mut tuple, |_| true);
            tuple.local_port
        };
        let starts: HashSet<u16> = (1..=20).map(start).collect();
        assert!(starts.len() > 15);
    }
}

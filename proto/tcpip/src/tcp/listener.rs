// SPDX-License-Identifier: ISC
//! Ports on which connections are accepted, and the connections that wait to be.
//!
//! A handshake that is under way waits in the SYN queue ([`syn_queue`](super::syn_queue)), one that
//! is complete in the accept queue of its listener, which the program bounds by its backlog. Read
//! first: RFC 9293 section 3.9.1.1 (passive open), RFC 4987 section 2.

use alloc::{collections::VecDeque, rc::Rc, vec::Vec};
use core::task::Waker;

use super::ConnectionId;
use crate::{addr::Addr, config::TcpConfig, error::Error, stack::Local};

/// Name of a listener. Given again when the listener is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenerId(pub(super) u16);

/// A port on which connections are accepted.
pub(crate) struct Listener {
    local: Local,
    pub(super) config: Rc<TcpConfig>,
    /// Complete connections, the oldest first.
    pub(super) ready: VecDeque<ConnectionId>,
    /// When the last cookie was sent; without any there is none to come back.
    pub(super) cookie_sent: Option<u64>,
    waker: Option<Waker>,
}

/// All listeners.
#[derive(Default)]
pub(crate) struct Listeners {
    /// Places of closed listeners are used again.
    places: Vec<Option<Listener>>,
}

impl Listener {
    /// Whether there is no room for another connection.
    pub(super) fn is_full(&self) -> bool {
        self.ready.len() >= self.config.backlog.max(1)
    }

    /// Notes who wants the next connection.
    pub(super) fn wait(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
    }

    /// Adds a complete connection.
    pub(super) fn push(&mut self, id: ConnectionId) {
        self.ready.push_back(id);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Listeners {
    /// Adds a listener.
    pub(super) fn add(&mut self, local: Local, config: Rc<TcpConfig>) -> Result<ListenerId, Error> {
        let mut others = self.places.iter().flatten();
        if others.any(|other| other.local.overlaps(local)) {
            return Err(Error::AddrInUse);
        }
        let listener = Some(Listener {
            local,
            config,
            ready: VecDeque::new(),
            cookie_sent: None,
            waker: None,
        });
        let free = self.places.iter().position(Option::is_none);
        let at = free.unwrap_or(self.places.len());
        let id = u16::try_from(at).map_err(|_| Error::OutOfMemory)?;
        match self.places.get_mut(at) {
            Some(place) => *place = listener,
            None => self.places.push(listener),
        }
        Ok(ListenerId(id))
    }

    /// The listener that a SYN to `port` of `address` is for.
    pub(super) fn find(&self, address: Addr, port: u16) -> Option<ListenerId> {
        let at = self.places.iter().position(|listener| {
            listener
                .as_ref()
                .is_some_and(|listener| listener.local.matches(address, port))
        })?;
        Some(ListenerId(at as u16))
    }

    /// Whether anybody listens on `port`.
    pub(super) fn has_port(&self, port: u16) -> bool {
        let mut all = self.places.iter().flatten();
        all.any(|listener| listener.local.port == port)
    }

    pub(super) fn get(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.places.get_mut(usize::from(id.0))?.as_mut()
    }

    /// Takes a listener out.
    pub(super) fn remove(&mut self, id: ListenerId) -> Option<Listener> {
        self.places.get_mut(usize::from(id.0))?.take()
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use super::*;

    #[test]
    fn a_port_has_one_listener_for_each_address() {
        let mut listeners = Listeners::default();
        let config = Rc::new(TcpConfig::default());
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let find = |listeners: &Listeners, text: &str| {
            let to = address(text);
            listeners.find(to.ip().into(), to.port())
        };
        let mut add = |local: Local| listeners.add(local, Rc::clone(&config));
        let all = add(80.into()).unwrap();
        let one = add(address("10.0.0.1:81").into()).unwrap();
        let other = add(address("10.0.0.2:81").into()).unwrap();
        assert_eq!(add(address("10.0.0.1:80").into()), Err(Error::AddrInUse));
        assert_eq!(add(81.into()), Err(Error::AddrInUse));
        assert_eq!(find(&listeners, "10.9.9.9:80"), Some(all));
        assert_eq!(find(&listeners, "10.0.0.2:81"), Some(other));
        assert_eq!(find(&listeners, "10.0.0.3:81"), None);
        assert!(listeners.has_port(81) && !listeners.has_port(82));
        assert!(listeners.remove(one).is_some());
        assert_eq!(find(&listeners, "10.0.0.1:81"), None);
        assert_eq!(listeners.add(9.into(), config), Ok(one));
    }
}

// SPDX-License-Identifier: ISC
//! What programs ask of TCP: to listen, accept, connect, read and write, and to let go.
//!
//! None of it waits or sends: what is to be sent leaves with the next [`Tcp::poll`]. Read first:
//! RFC 9293 sections 3.9.1 and 3.10.1 to 3.10.6.

use alloc::rc::Rc;
use core::{net::SocketAddr, task::Waker};

use super::{
    ConnectionId, MOST_ORPHANS, Tcp, configure,
    connection::{Connection, Env, Setup, Verdict},
    hash::{Purpose, Tuple},
    isn,
    listener::ListenerId,
    seq::Seq,
    table::Place,
};
use crate::addr::Addr;
use crate::{config::TcpConfig, error::Error, ip::Ip, link::Shelf, stack::Local};

impl Tcp {
    /// Listens on a port.
    pub(crate) fn listen(&mut self, local: Local, config: &TcpConfig) -> Result<ListenerId, Error> {
        self.listeners.add(local, Rc::new(*config))
    }

    /// Takes the next connection of a listener, and its peer; without one, `waker` is told of it.
    pub(crate) fn accept(
        &mut self,
        listener: ListenerId,
        waker: &Waker,
    ) -> Option<(ConnectionId, SocketAddr)> {
        let listener = self.listeners.get(listener)?;
        let Some(id) = listener.ready.pop_front() else {
            listener.wait(waker);
            return None;
        };
        let entry = self.connections.get(id.number)?;
        Some((id, entry.tuple.peer_addr()))
    }

    /// Closes a listener; connections that it has not handed out are reset.
    pub(crate) fn close_listener(&mut self, id: ListenerId, shelf: &dyn Shelf, now: u64) {
        let Some(listener) = self.listeners.remove(id) else {
            return;
        };
        for id in listener.ready {
            self.abort(id, shelf, now);
            self.release(id, shelf, now);
        }
        // Their peers get a reset when they complete the handshake.
        while let Some(number) = self.half_open.find(|half_open| half_open.listener == id) {
            self.forget_half_open(number);
        }
    }

    /// Begins a connection. It is established, or not, some time later.
    pub(crate) fn connect(
        &mut self,
        ip: &Ip,
        shelf: &dyn Shelf,
        local: Local,
        peer: SocketAddr,
        config: &TcpConfig,
        now: u64,
    ) -> Result<ConnectionId, Error> {
        let to = Addr::from(peer.ip());
        let source = local.address.map(Addr::from);
        let source = source.or_else(|| ip.source_for(to));
        let mut tuple = Tuple {
            local: source.ok_or(Error::NetworkUnreachable)?,
            peer: to,
            local_port: local.port,
            peer_port: peer.port(),
        };
        let beyond = self.choose_port(&mut tuple, now)?;
        let iss = isn::initial(&self.key, &tuple, now);
        let setup = Setup {
            ecn: config.ecn,
            ..self.setup(
                &tuple,
                beyond.map_or(iss, |beyond| beyond.max(iss)),
                config,
                ip,
            )
        };
        let config = Rc::new(*config);
        let mut env = Env {
            now,
            config: &config,
            budget: &mut self.budget,
            counters: &mut self.counters,
            shelf,
        };
        let mut connection = Connection::connect(setup, &mut env);
        configure(&mut connection, &env);
        let id = self
            .add(connection, tuple, config)
            .ok_or(Error::OutOfMemory)?;
        let hash = self.hash(&tuple);
        if !self.index.insert(hash, Place::Connection(id.number)) {
            self.release(id, shelf, now);
            return Err(Error::OutOfMemory);
        }
        if let Some(entry) = self.connections.get_mut(id.number) {
            entry.indexed = true;
        }
        self.touch(id.number);
        Ok(id)
    }

    /// Sees that the two ends are not in use, and chooses a port if that is left to us. Where they
    /// are those of a connection in TIME-WAIT, that is forgotten, and the new one must begin with
    /// the sequence number that is given, or a later one (RFC 6191).
    fn choose_port(&mut self, tuple: &mut Tuple, now: u64) -> Result<Option<Seq>, Error> {
        let Self {
            key,
            index,
            connections,
            half_open,
            time_wait,
            listeners,
            ports,
            ..
        } = self;
        let place = |tuple: &Tuple| {
            let hash = key.hash(Purpose::Table, tuple, 0) as u32;
            index.find(hash, |place| {
                let other = match place {
                    Place::Connection(at) => connections.get(at).map(|entry| &entry.tuple),
                    Place::HalfOpen(at) => half_open.get(at).map(|half_open| &half_open.tuple),
                    Place::TimeWait(at) => time_wait.get(at).map(|ended| &ended.tuple),
                };
                other == Some(tuple)
            })
        };
        let reusable = |place| match place {
            Place::TimeWait(at) => time_wait
                .get(at)
                .is_some_and(|ended| ended.may_be_reused(now)),
            Place::Connection(_) | Place::HalfOpen(_) => false,
        };
        if tuple.local_port != 0 {
            if !place(tuple).is_none_or(reusable) {
                return Err(Error::AddrInUse);
            }
        } else {
            let free =
                |tuple: &Tuple| !listeners.has_port(tuple.local_port) && place(tuple).is_none();
            let old = |tuple: &Tuple| place(tuple).is_some_and(reusable);
            if !ports.choose(key, tuple, free) && !ports.choose(key, tuple, old) {
                return Err(Error::AddrNotAvailable);
            }
        }
        let Some(Place::TimeWait(number)) = place(tuple) else {
            return Ok(None);
        };
        let hash = self.hash(tuple);
        self.index.remove(hash, Place::TimeWait(number));
        Ok(self.time_wait.remove(number).map(|ended| ended.beyond()))
    }

    /// Runs `f` on a connection that a program holds, and says what came of it and whether
    /// [`poll`](Self::poll) is to be called.
    pub(crate) fn with<R>(
        &mut self,
        id: ConnectionId,
        shelf: &dyn Shelf,
        now: u64,
        f: impl FnOnce(&mut Connection, &mut Env<'_>) -> R,
    ) -> Option<(R, bool)> {
        let entry = self
            .connections
            .get_mut(id.number)
            .filter(|entry| entry.generation == id.generation)?;
        let mut env = Env {
            now,
            config: &entry.config,
            budget: &mut self.budget,
            counters: &mut self.counters,
            shelf,
        };
        let result = f(&mut entry.connection, &mut env);
        let before = self.timers.deadline().unwrap_or(u64::MAX);
        self.touch(id.number);
        let sooner = self.timers.deadline().unwrap_or(u64::MAX) < before;
        Some((result, sooner || !self.ready.is_empty()))
    }

    /// The ends of a connection that a program holds.
    pub(crate) fn ends(&self, id: ConnectionId) -> Option<(SocketAddr, SocketAddr)> {
        let entry = self.connections.get(id.number)?;
        Some((entry.tuple.local_addr(), entry.tuple.peer_addr()))
    }

    /// Breaks a connection that a program holds; it still has to be released.
    pub(crate) fn abort(&mut self, id: ConnectionId, shelf: &dyn Shelf, now: u64) {
        let reset = self.with(id, shelf, now, |connection, env| connection.abort(env));
        if let Some((reset, _)) = reset {
            self.settle(
                id.number,
                reset.map_or(Verdict::Closed, Verdict::Reset),
                shelf,
                now,
            );
        }
    }

    /// Takes a connection back from the program: it ends in order, by itself.
    pub(crate) fn release(&mut self, id: ConnectionId, shelf: &dyn Shelf, now: u64) {
        let Some(entry) = self.entry(id).filter(|entry| entry.held) else {
            return;
        };
        entry.held = false;
        if !entry.indexed {
            return self.drop_entry(id.number, shelf, now);
        }
        self.orphans += 1;
        if self.orphans > MOST_ORPHANS {
            return self.abort(id, shelf, now);
        }
        if let Some((verdict, _)) =
            self.with(id, shelf, now, |connection, env| connection.orphan(env))
        {
            self.settle(id.number, verdict, shelf, now);
        }
    }
}

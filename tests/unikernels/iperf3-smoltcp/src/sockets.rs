// SPDX-License-Identifier: ISC
//! Smoltcp's sockets as futures, and the task that moves them.

use alloc::{collections::VecDeque, rc::Rc};
use core::{
    cell::RefCell,
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll, Waker},
};

use fata::{net::Ipv4Prefix, prelude::*, random, time::Alarm};
use iperf3::{Flow, Gone};
use smoltcp::{
    iface::{Config, Interface, PollIngressSingleResult, SocketHandle, SocketSet},
    socket::tcp::{CongestionControl, Socket, SocketBuffer, State},
    time::Instant as Moment,
    wire::{EthernetAddress, IpCidr},
};

use crate::phy::Phy;

/// Sockets that wait for a connection.
const BACKLOG: usize = 8;
/// Frames that are received before others have their turn.
const BATCH: usize = 64;
/// A connection that was dropped may take so long to end.
const LINGER: Duration = Duration::from_secs(5);

/// The interface and its sockets; a clone is another handle to the same.
#[derive(Clone)]
pub(crate) struct Network(Rc<RefCell<World>>);

struct World {
    interface: Interface,
    sockets: SocketSet<'static>,
    /// Bytes of either buffer of a socket.
    buffer: usize,
    listening: VecDeque<SocketHandle>,
    /// Dropped connections, and when they are given up.
    closing: Vec<(SocketHandle, Instant)>,
    driver: Option<Waker>,
}

impl Network {
    /// A network on `nic`, and what moves it.
    pub(crate) fn new(
        mut nic: Nic,
        prefix: Ipv4Prefix,
        buffer: usize,
    ) -> (Self, impl Future<Output = ()>) {
        let mut config = Config::new(EthernetAddress(nic.info().mac).into());
        config.random_seed = random::u64();
        let mut cx = Context::from_waker(Waker::noop());
        let mut phy = Phy {
            nic: &mut nic,
            cx: &mut cx,
        };
        let mut interface = Interface::new(config, &mut phy, now());
        interface.update_ip_addrs(|addresses| {
            // There is room for the first one.
            let _ = addresses.push(IpCidr::new(prefix.address().into(), prefix.length()));
        });
        let network = Self(Rc::new(RefCell::new(World {
            interface,
            sockets: SocketSet::new(Vec::new()),
            buffer,
            listening: VecDeque::new(),
            closing: Vec::new(),
            driver: None,
        })));
        let driver = drive(network.clone(), nic);
        (network, driver)
    }

    /// Begins to listen on `port`.
    pub(crate) fn listen(&self, port: u16) {
        for _ in 0..BACKLOG {
            self.0.borrow_mut().listen(port);
        }
    }

    /// Waits for a connection.
    pub(crate) async fn accept(&self, port: u16) -> (Stream, SocketAddr) {
        poll_fn(|cx| {
            let mut world = self.0.borrow_mut();
            let world = &mut *world;
            for index in 0..world.listening.len() {
                let handle = world.listening[index];
                let socket = world.sockets.get_mut::<Socket<'_>>(handle);
                socket.register_recv_waker(cx.waker());
                let established = socket.may_recv() || socket.may_send();
                if let Some(peer) = socket.remote_endpoint().filter(|_| established) {
                    world.listening.remove(index);
                    world.listen(port);
                    let stream = Stream {
                        network: self.clone(),
                        handle,
                    };
                    return Poll::Ready((stream, peer.into()));
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl World {
    fn listen(&mut self, port: u16) {
        let buffer = || SocketBuffer::new(vec![0; self.buffer]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_congestion_control(CongestionControl::Reno);
        // A socket that is new and a port that is not zero leave no reason to refuse.
        if socket.listen(port).is_ok() {
            let handle = self.sockets.add(socket);
            self.listening.push_back(handle);
        }
    }

    fn kick(&self) {
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
    }

    /// Lets go of connections that have ended.
    fn tend(&mut self) {
        let sockets = &mut self.sockets;
        self.closing.retain(|&(handle, until)| {
            let socket = sockets.get_mut::<Socket<'_>>(handle);
            while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
            let ended = matches!(socket.state(), State::Closed | State::TimeWait);
            let over = ended || Instant::recent() > until;
            if over {
                sockets.remove(handle);
            }
            !over
        });
    }
}

/// Moves frames between the card and the sockets for ever.
async fn drive(network: Network, mut nic: Nic) {
    let mut alarm = Alarm::new();
    poll_fn(|cx| {
        let mut world = network.0.borrow_mut();
        let world = &mut *world;
        if !world
            .driver
            .as_ref()
            .is_some_and(|w| w.will_wake(cx.waker()))
        {
            world.driver = Some(cx.waker().clone());
        }
        let now = now();
        let mut phy = Phy { nic: &mut nic, cx };
        let mut more = true;
        for _ in 0..BATCH {
            let interface = &mut world.interface;
            let received = interface.poll_ingress_single(now, &mut phy, &mut world.sockets);
            if received == PollIngressSingleResult::None {
                more = false;
                break;
            }
        }
        world
            .interface
            .poll_egress(now, &mut phy, &mut world.sockets);
        world.tend();
        let next = world.interface.poll_at(now, &world.sockets);
        nic.flush();
        if more {
            cx.waker().wake_by_ref();
        } else if let Some(next) = next {
            // Not at once: where sending waits for a buffer, this is when it is tried again.
            let micros = next.total_micros().max(now.total_micros() + 1000) as u64;
            alarm.set(Instant::from_nanos(micros * 1000), cx.waker());
        } else {
            alarm.clear();
        }
        Poll::<()>::Pending
    })
    .await;
}

fn now() -> Moment {
    Moment::from_micros((Instant::recent().as_nanos() / 1000) as i64)
}

/// A connection.
pub(crate) struct Stream {
    network: Network,
    handle: SocketHandle,
}

impl Stream {
    fn with<R>(&self, f: impl FnOnce(&mut Socket<'static>) -> R) -> R {
        let mut world = self.network.0.borrow_mut();
        let result = f(world.sockets.get_mut(self.handle));
        world.kick();
        result
    }
}

impl Flow for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Gone>> {
        self.with(|socket| {
            if !socket.can_recv() && socket.may_recv() {
                socket.register_recv_waker(cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(socket.recv_slice(buffer).map_err(|_| Gone))
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Gone>> {
        self.with(|socket| match socket.send_slice(bytes) {
            Ok(0) => {
                socket.register_send_waker(cx.waker());
                Poll::Pending
            }
            Ok(len) => Poll::Ready(Ok(len)),
            Err(_) => Poll::Ready(Err(Gone)),
        })
    }

    fn set_nodelay(&mut self, nodelay: bool) {
        self.with(|socket| socket.set_nagle_enabled(!nodelay));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.with(Socket::close);
        let until = Instant::recent() + LINGER;
        let mut world = self.network.0.borrow_mut();
        world.closing.push((self.handle, until));
    }
}

// SPDX-License-Identifier: ISC
//! The handle of a stack, and what its driver and its sockets share.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell, RefMut},
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll, Waker},
};

use fata_device::{Net, NetInfo};
use fata_runtime::{random, task, time};

use crate::{
    addr::Addr,
    address::IpPrefix,
    config::Config,
    driver::Driver,
    engine::Engine,
    link::{Link, Shelf},
    port::Port,
    responder::Responders,
};

/// A TCP/IP stack over one network device. Cloning gives another handle to the same stack, which
/// runs until the program ends.
#[derive(Clone)]
pub struct Stack(Rc<Shared>);

/// What lasts until the program ends: the driver never does, so that code to drop a stack would lie
/// in images for nothing. Tests and fuzzers have many stacks, one after the other.
#[cfg(not(any(test, fuzzing)))]
type Lasting<T> = core::mem::ManuallyDrop<T>;
#[cfg(any(test, fuzzing))]
type Lasting<T> = alloc::boxed::Box<T>;

/// What the driver task, the sockets and the handles share. None of the cells stays borrowed while
/// code of the program runs.
pub(crate) struct Shared {
    engine: Lasting<RefCell<Engine>>,
    link: Rc<RefCell<dyn Link>>,
    pub(crate) shelf: Rc<dyn Shelf>,
    pub(crate) responders: Responders,
    pub(crate) info: NetInfo,
    clock: Clock,
    driver: RefCell<Option<Waker>>,
    /// Whether a socket has something for the engine to do.
    pub(crate) work: Cell<bool>,
    configured: Cell<bool>,
    /// Who waits for the addresses.
    waiting: RefCell<Vec<Waker>>,
    /// Who waits for the device to have a buffer.
    starving: RefCell<Vec<Waker>>,
}

/// What the time is asked of.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Nanoseconds when the program last waited.
    pub(crate) recent: fn() -> u64,
    /// Nanoseconds now.
    pub(crate) precise: fn() -> u64,
}

impl Clock {
    const RUNTIME: Self = Self {
        recent: || time::Instant::recent().as_nanos(),
        precise: || time::Instant::now().as_nanos(),
    };

    /// A clock that stands still during a batch of work.
    #[cfg(any(test, fuzzing))]
    pub(crate) const fn stepping(now: fn() -> u64) -> Self {
        Self {
            recent: now,
            precise: now,
        }
    }
}

/// The end of a socket on this side: a port of one address, or of all.
///
/// Made from a port number, or from a `SocketAddr` whose unspecified address means all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The address, or all of the stack's.
    pub address: Option<IpAddr>,
    /// The port; zero lets the stack choose, where that makes sense.
    pub port: u16,
}

impl From<u16> for Local {
    fn from(port: u16) -> Self {
        Self {
            address: None,
            port,
        }
    }
}

impl From<SocketAddr> for Local {
    fn from(address: SocketAddr) -> Self {
        Self {
            address: Some(address.ip()).filter(|ip| !ip.is_unspecified()),
            port: address.port(),
        }
    }
}

impl Local {
    /// Whether two sockets cannot exist beside each other.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        let same_address = self.address.is_none() || other.address.is_none();
        self.port == other.port && (same_address || self.address == other.address)
    }

    /// Whether what is sent to `port` of `address` arrives here.
    pub(crate) fn matches(self, address: Addr, port: u16) -> bool {
        self.port == port && self.address.is_none_or(|own| Addr::from(own) == address)
    }
}

impl Stack {
    /// Starts a stack on `net`: spawns the task that owns it. Returns at once, maybe before there
    /// is an address; see [`wait_configured`](Self::wait_configured).
    pub fn new(net: impl Net + 'static, config: Config) -> Self {
        let (stack, driver) = Self::with_driver(net, config, random::u64, Clock::RUNTIME);
        task::spawn(driver.run()).detach();
        stack
    }

    /// A stack and what moves it.
    pub(crate) fn with_driver<N: Net + 'static>(
        net: N,
        config: Config,
        random: fn() -> u64,
        clock: Clock,
    ) -> (Self, Driver<N>) {
        let info = net.info();
        let port = Port::new(net);
        let shelf: Rc<dyn Shelf> = port.kept();
        let port = Rc::new(RefCell::new(port));
        let now = (clock.recent)();
        let engine = Engine::new(&info, config, Rc::clone(&shelf), random, now);
        // Where the address is given, a program opens its ports before the driver answers the first
        // frame: who waits for it would be refused.
        let configured = Cell::new(engine.is_configured(now));
        let shared = Rc::new(Shared {
            engine: Lasting::new(RefCell::new(engine)),
            link: port.clone(),
            shelf,
            responders: Responders::new(random() as u16),
            info,
            clock,
            driver: RefCell::default(),
            work: Cell::new(true),
            configured,
            waiting: RefCell::default(),
            starving: RefCell::default(),
        });
        let driver = Driver::new(port, Rc::clone(&shared));
        (Self(shared), driver)
    }

    /// Waits until the stack has the addresses it was configured for: at once where they are
    /// given, else after DHCP has leased one or, without an answer of DHCP for five seconds or
    /// without IPv4, a router has advertised a prefix.
    pub fn wait_configured(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| self.poll_configured(cx))
    }

    /// The poll form of [`wait_configured`](Self::wait_configured).
    pub fn poll_configured(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.configured.get() {
            return Poll::Ready(());
        }
        add_waker(&self.0.waiting, cx);
        Poll::Pending
    }

    /// The addresses that the stack has now, with their networks.
    pub fn addresses(&self) -> Vec<IpPrefix> {
        let engine = self.0.engine();
        let own = engine.ip.addresses().prefixes.iter();
        own.map(|own| own.into_ip()).collect()
    }

    /// The name servers to ask, in this order: those given by hand, those that DHCP gave with the
    /// address, those that routers advertise (RFC 8106).
    pub fn dns_servers(&self) -> Vec<IpAddr> {
        self.0.engine().dns_servers()
    }

    /// The Ethernet address of the device.
    pub fn mac(&self) -> [u8; 6] {
        self.0.info.mac
    }

    /// Largest IP packet that the device sends.
    pub fn mtu(&self) -> u16 {
        self.0.info.mtu
    }

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.0
    }
}

impl Shared {
    /// The engine. In one place, because each that borrows also holds what to say if it cannot.
    #[inline(never)]
    pub(crate) fn engine(&self) -> RefMut<'_, Engine> {
        self.engine.borrow_mut()
    }

    /// The engine, for those who hold its cell only while they look.
    pub(crate) fn engine_cell(&self) -> &RefCell<Engine> {
        &self.engine
    }

    /// The device, to send to. Borrowed after the engine, and no longer.
    pub(crate) fn link(&self) -> RefMut<'_, dyn Link> {
        self.link.borrow_mut()
    }

    /// When the batch of work began that is being done, in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        (self.clock.recent)()
    }

    /// The present in nanoseconds, which may cost a system call.
    pub(crate) fn precisely_now(&self) -> u64 {
        (self.clock.precise)()
    }

    /// Lets the driver see to what a socket wants.
    pub(crate) fn kick(&self) {
        if !self.work.replace(true)
            && let Some(driver) = &*self.driver.borrow()
        {
            driver.wake_by_ref();
        }
    }

    /// Notes whom [`kick`](Self::kick) wakes.
    pub(crate) fn driven_by(&self, waker: &Waker) {
        let mut driver = self.driver.borrow_mut();
        match &mut *driver {
            Some(known) => known.clone_from(waker),
            None => *driver = Some(waker.clone()),
        }
    }

    /// After a socket tried to send something: the driver sees to it that it leaves, or the socket
    /// tries again when there is a buffer.
    pub(crate) fn sent(&self, cx: &Context<'_>, taken: bool) -> Poll<()> {
        if taken {
            self.kick();
            return Poll::Ready(());
        }
        add_waker(&self.starving, cx);
        Poll::Pending
    }

    /// Wakes those who waited for a buffer.
    pub(crate) fn has_buffers(&self) {
        if !self.starving.borrow().is_empty() {
            for waker in self.starving.take() {
                waker.wake();
            }
        }
    }

    /// Notes whether the configured addresses are there, and tells who waits for them.
    pub(crate) fn set_configured(&self, configured: bool) {
        self.configured.set(configured);
        if configured {
            for waker in self.waiting.take() {
                waker.wake();
            }
        }
    }
}

fn add_waker(wakers: &RefCell<Vec<Waker>>, cx: &Context<'_>) {
    let mut wakers = wakers.borrow_mut();
    if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
        wakers.push(cx.waker().clone());
    }
}

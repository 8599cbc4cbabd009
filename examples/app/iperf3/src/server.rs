// SPDX-License-Identifier: ISC
//! One test at a time, from the control connection to the results.
//!
//! Every connection begins with a cookie. The first one controls a test; those that follow with the
//! same cookie are its streams; any other is told that the server is busy. A client can go at any
//! moment: what belongs to its test goes with the future of [`Server::serve`].

use alloc::{collections::VecDeque, rc::Rc};
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    task::{Poll, Waker},
};

use fata::{prelude::*, task::JoinHandle};

use crate::{
    flow::{self, BLOCK, Flow, Gone, read_exact, write_all},
    meter::Meter,
    udp::{self, Datagrams, Peers},
    wire::{self, COOKIE, Parameters},
};

/// How long a client may take for a step of the protocol.
const STEP: Duration = Duration::from_secs(30);
/// How often a running test is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// Looks at a test in which nothing moves before it is given up.
const STILL: u32 = 6;

/// Why a test ended early.
type Trouble = &'static str;

/// The server, over streams and datagrams of whichever kind.
pub struct Server<F, D> {
    datagrams: Option<Rc<D>>,
    test: RefCell<Option<Test<F>>>,
    buffer: Rc<RefCell<Vec<u8>>>,
    zeros: &'static [u8],
}

/// The test that is running.
struct Test<F> {
    cookie: [u8; COOKIE],
    /// Streams that have come and were not taken yet.
    arrived: VecDeque<F>,
    /// Streams that are still to come.
    missing: usize,
    waker: Option<Waker>,
}

/// What a connection is for.
enum Purpose<F> {
    Control(F),
    Stream,
    Refused(F),
}

impl<F: Flow, D: Datagrams> Server<F, D> {
    /// A server that is free. Without `datagrams` it refuses tests with them.
    pub fn new(datagrams: Option<D>) -> Rc<Self> {
        Rc::new(Self {
            datagrams: datagrams.map(Rc::new),
            test: RefCell::new(None),
            buffer: Rc::new(RefCell::new(vec![0; BLOCK])),
            // There is one server in an image, and it stays.
            zeros: vec![0; BLOCK].leak(),
        })
    }

    /// Serves one connection that was accepted from `peer`.
    pub async fn serve(self: Rc<Self>, mut flow: F, peer: SocketAddr) {
        let mut cookie = [0; COOKIE];
        if !matches!(
            timeout(STEP, read_exact(&mut flow, &mut cookie)).await,
            Ok(Ok(()))
        ) {
            return;
        }
        match self.purpose(cookie, flow) {
            Purpose::Control(mut control) => {
                // Two states follow each other; the second must not wait for an acknowledgement.
                control.set_nodelay(true);
                let _slot = Slot(&self.test);
                info!("{peer}: a test begins");
                match self.run(&mut control).await {
                    Ok(()) => info!("{peer}: the test is over"),
                    Err(trouble) => warn!("{peer}: {trouble}"),
                }
            }
            Purpose::Stream => {}
            Purpose::Refused(mut flow) => {
                info!("{peer}: refused, because a test is running");
                // It may have gone already.
                let _ = timeout(STEP, write_all(&mut flow, &[wire::ACCESS_DENIED])).await;
            }
        }
    }

    fn purpose(&self, cookie: [u8; COOKIE], flow: F) -> Purpose<F> {
        let mut test = self.test.borrow_mut();
        match &mut *test {
            None => {
                *test = Some(Test {
                    cookie,
                    arrived: VecDeque::new(),
                    missing: 0,
                    waker: None,
                });
                Purpose::Control(flow)
            }
            Some(test) if test.cookie == cookie && test.missing > 0 => {
                test.missing -= 1;
                test.arrived.push_back(flow);
                if let Some(waker) = test.waker.take() {
                    waker.wake();
                }
                Purpose::Stream
            }
            Some(_) => Purpose::Refused(flow),
        }
    }

    /// A test, over its control connection.
    async fn run(&self, control: &mut F) -> Result<(), Trouble> {
        step(tell(control, wire::PARAM_EXCHANGE)).await?;
        let Some(parameters) = step(self.parameters(control)).await? else {
            step(refuse(control)).await?;
            return Err("it wants a test that is not to be had here");
        };
        let mut streams = Streams::default();
        step(self.open(control, &parameters, &mut streams)).await?;
        step(tell(control, wire::TEST_START)).await?;
        self.start(&parameters, &mut streams);
        let start = Instant::now();
        step(tell(control, wire::TEST_RUNNING)).await?;
        self.watch(control, &parameters, &streams).await?;
        let counted = start
            .elapsed()
            .saturating_sub(Duration::from_secs(parameters.omit));
        streams.tasks.clear();
        let micros = u64::try_from(counted.as_micros()).unwrap_or(u64::MAX);
        let tallies: Vec<_> = streams.meters.iter().map(|m| m.tally(micros)).collect();
        let bytes: u64 = tallies.iter().map(|tally| tally.bytes).sum();
        info!("{bytes} bytes in {} ms", micros / 1000);

        step(tell(control, wire::EXCHANGE_RESULTS)).await?;
        step(self.skip_results(control)).await?;
        step(write_all(control, &wire::results(&tallies))).await?;
        step(tell(control, wire::DISPLAY_RESULTS)).await?;
        // Its last word, or its end; it has the results.
        let _ = step(hear(control)).await;
        Ok(())
    }

    /// Reads the parameters; `None` where they are refused.
    async fn parameters(&self, control: &mut F) -> Result<Option<Parameters>, Gone> {
        let len = length(control).await?;
        if len > wire::LONGEST_PARAMETERS {
            return Ok(None);
        }
        let mut text = vec![0; len];
        read_exact(control, &mut text).await?;
        let available = |parameters: &Parameters| !parameters.udp || self.datagrams.is_some();
        Ok(Parameters::parse(&text).filter(available))
    }

    /// Lets the client open its streams, and waits for all of them. Those that the client sends on
    /// come first.
    async fn open(
        &self,
        control: &mut F,
        parameters: &Parameters,
        streams: &mut Streams<F>,
    ) -> Result<(), Gone> {
        let directions = usize::from(parameters.receive) + usize::from(parameters.send);
        let wanted = parameters.streams * directions;
        if let Some(datagrams) = self.datagrams.as_ref().filter(|_| parameters.udp) {
            let peers = Rc::new(Peers::default());
            let waiting = Rc::new(Cell::new(None::<Waker>));
            let opened = Rc::clone(&waiting);
            let attend = udp::attend(
                Rc::clone(datagrams),
                Rc::clone(&peers),
                wanted,
                parameters.wide_counters,
                Rc::clone(&self.buffer),
                move || {
                    if let Some(waker) = opened.take() {
                        waker.wake();
                    }
                },
            );
            streams.tasks.push(Task::new(attend));
            tell(control, wire::CREATE_STREAMS).await?;
            until(control, |waker| {
                waiting.set(Some(waker.clone()));
                peers.len() == wanted
            })
            .await?;
            streams.peers = Some(peers);
            return Ok(());
        }
        if let Some(test) = &mut *self.test.borrow_mut() {
            test.missing = wanted;
        }
        tell(control, wire::CREATE_STREAMS).await?;
        until(control, |waker| match &mut *self.test.borrow_mut() {
            Some(test) => {
                streams.flows.extend(test.arrived.drain(..));
                test.waker = Some(waker.clone());
                streams.flows.len() == wanted
            }
            None => false,
        })
        .await
    }

    /// Starts what moves the bytes.
    fn start(&self, parameters: &Parameters, streams: &mut Streams<F>) {
        let receives = if parameters.receive {
            parameters.streams
        } else {
            0
        };
        let (block, bandwidth) = (parameters.block, parameters.bandwidth);
        for (index, mut flow) in streams.flows.drain(..).enumerate() {
            let meter = Rc::new(Meter::default());
            streams.meters.push(Rc::clone(&meter));
            flow.set_nodelay(parameters.nodelay);
            streams.tasks.push(if index < receives {
                Task::new(flow::receive(flow, block, Rc::clone(&self.buffer), meter))
            } else {
                Task::new(flow::send(flow, block, bandwidth, self.zeros, meter))
            });
        }
        if let (Some(peers), Some(datagrams)) = (&streams.peers, &self.datagrams) {
            peers.each(|index, peer| {
                streams.meters.push(Rc::clone(&peer.meter));
                if index >= receives {
                    streams.tasks.push(Task::new(udp::send(
                        Rc::clone(datagrams),
                        peer.address,
                        parameters.clone(),
                        Rc::clone(&peer.meter),
                    )));
                }
            });
        }
        if parameters.omit > 0 {
            let meters = streams.meters.clone();
            let omit = Duration::from_secs(parameters.omit);
            streams.tasks.push(Task::new(async move {
                sleep(omit).await;
                meters.iter().for_each(|meter| meter.omit());
            }));
        }
    }

    /// Waits until the client ends the test, or it can be told that it is gone.
    async fn watch(
        &self,
        control: &mut F,
        parameters: &Parameters,
        streams: &Streams<F>,
    ) -> Result<(), Trouble> {
        let planned = Duration::from_secs(parameters.seconds.saturating_add(parameters.omit));
        let start = Instant::now();
        let (mut before, mut still) = (0, 0);
        loop {
            match timeout(LOOK, hear(control)).await {
                Ok(Ok(wire::TEST_END)) => return Ok(()),
                Ok(Ok(wire::CLIENT_TERMINATE)) => return Err("the client was interrupted"),
                Ok(Ok(_)) => return Err("the client said what it may not say now"),
                Ok(Err(Gone)) => return Err("the client has gone during the test"),
                Err(_) => {}
            }
            let bytes = streams.meters.iter().map(|meter| meter.bytes()).sum();
            still = if bytes == before { still + 1 } else { 0 };
            before = bytes;
            let overdue = parameters.seconds > 0 && start.elapsed() > planned + 2 * STEP;
            if still == STILL || overdue {
                return Err("the client has fallen silent");
            }
        }
    }

    /// Reads the client's results, which are of no use here.
    async fn skip_results(&self, control: &mut F) -> Result<(), Gone> {
        let mut left = length(control).await?;
        if left > wire::LONGEST_RESULTS {
            return Err(Gone);
        }
        let mut part = [0; 256];
        while left > 0 {
            let len = left.min(part.len());
            read_exact(control, &mut part[..len]).await?;
            left -= len;
        }
        Ok(())
    }
}

/// The streams of a test, and what moves them.
struct Streams<F> {
    flows: Vec<F>,
    peers: Option<Rc<Peers>>,
    meters: Vec<Rc<Meter>>,
    tasks: Vec<Task>,
}

impl<F> Default for Streams<F> {
    fn default() -> Self {
        Self {
            flows: Vec::new(),
            peers: None,
            meters: Vec::new(),
            tasks: Vec::new(),
        }
    }
}

/// A task that ends with what holds it.
struct Task(Option<JoinHandle<()>>);

impl Task {
    fn new(future: impl Future<Output = ()> + 'static) -> Self {
        Self(Some(spawn(future)))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.cancel();
        }
    }
}

/// Frees the server when the control connection's future ends, in whatever way.
struct Slot<'a, F>(&'a RefCell<Option<Test<F>>>);

impl<F> Drop for Slot<'_, F> {
    fn drop(&mut self) {
        // The streams in it are dropped outside of the borrow.
        let _test = self.0.borrow_mut().take();
    }
}

/// Gives a step of the protocol the time that it may take.
async fn step<T>(step: impl Future<Output = Result<T, Gone>>) -> Result<T, Trouble> {
    match timeout(STEP, step).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Gone)) => Err("the client has gone"),
        Err(_) => Err("the client takes too long"),
    }
}

/// Waits until `done`, which keeps the waker, while the client says nothing.
async fn until<F: Flow>(control: &mut F, mut done: impl FnMut(&Waker) -> bool) -> Result<(), Gone> {
    let mut heard = pin!(hear(control));
    poll_fn(|cx| {
        if done(cx.waker()) {
            return Poll::Ready(Ok(()));
        }
        heard.as_mut().poll(cx).map(|_| Err(Gone))
    })
    .await
}

async fn tell(control: &mut impl Flow, state: u8) -> Result<(), Gone> {
    write_all(control, &[state]).await
}

async fn hear(control: &mut impl Flow) -> Result<u8, Gone> {
    let mut state = [0];
    read_exact(control, &mut state).await?;
    Ok(state[0])
}

async fn length(control: &mut impl Flow) -> Result<usize, Gone> {
    let mut len = [0; 4];
    read_exact(control, &mut len).await?;
    Ok(u32::from_be_bytes(len) as usize)
}

/// Tells the client that its parameters are refused.
async fn refuse(control: &mut impl Flow) -> Result<(), Gone> {
    tell(control, wire::SERVER_ERROR).await?;
    write_all(control, &wire::PARAMETERS_REFUSED.to_be_bytes()).await?;
    // The error number of an operating system, of which there is none.
    write_all(control, &[0; 4]).await
}

// SPDX-License-Identifier: ISC
//! The life of a connection.

use alloc::boxed::Box;

use fata_device::Flow;
use fata_runtime::Error as Failure;

use super::{
    Seat, Shared,
    exchange::{Exchange, Sent},
    shared::Buffers,
};
use crate::{
    error::Error,
    io::{Deadline, Timed},
    status::Status,
};

/// What comes after the requests that were there.
pub(super) enum Next {
    /// Silence, until the peer asks again; or the next request, if it is there.
    More,
    /// The end, in order.
    Close,
    /// The end, abruptly: a response could not be finished.
    Abort,
}

/// Serves the requests of a connection.
pub(super) async fn serve<F, H>(seat: Seat, flow: F, handler: &H)
where
    F: Flow,
    H: AsyncFn(&mut Exchange<'_, F>) -> Result<(), Failure>,
{
    let shared = &*seat.shared;
    let mut io = Timed::new(flow);
    let mut requests = 0;
    let end = loop {
        let mut deadline = Deadline::after(shared.limits.idle_time);
        match io.readable(&mut deadline, |cx| seat.must_leave(cx)).await {
            Ok(true) => seat.busy(),
            Ok(false) | Err(Error::TimedOut) => break Next::Close,
            Err(_) => break Next::Abort,
        }
        let mut buffers = shared.lend();
        let next = talk(shared, &mut io, &mut buffers, &mut requests, handler).await;
        shared.take_back(buffers);
        match next {
            Next::More => {}
            end => break end,
        }
    };
    if matches!(end, Next::Close) {
        // Boxed, like whatever is rare: the task of a connection is as large as its largest part.
        Box::pin(io.close(shared.limits.write_time)).await;
    }
}

/// Answers requests until no byte of another is there.
async fn talk<F, H>(
    shared: &Shared,
    io: &mut Timed<F>,
    buffers: &mut Buffers,
    requests: &mut u32,
    handler: &H,
) -> Next
where
    F: Flow,
    H: AsyncFn(&mut Exchange<'_, F>) -> Result<(), Failure>,
{
    let limits = &shared.limits;
    let mut deadline = Deadline::after(limits.head_time);
    loop {
        match io.read(buffers.room(limits.head), &mut deadline).await {
            Ok(0) => return Next::Close,
            Ok(len) => buffers.filled += len,
            Err(Error::TimedOut) if buffers.received().is_empty() => return Next::Close,
            Err(Error::TimedOut) => {
                return refuse(shared, io, buffers, Status::REQUEST_TIMEOUT).await;
            }
            Err(_) => return Next::Abort,
        }
        while !buffers.received().is_empty() {
            let received = buffers.input.get(buffers.start..buffers.filled);
            match buffers.head.parse(received.unwrap_or_default(), limits) {
                Ok(true) => {}
                Ok(false) => break,
                Err(status) => return refuse(shared, io, buffers, status).await,
            }
            *requests += 1;
            let is_last = *requests >= limits.requests || shared.is_stopped();
            match exchange(shared, io, buffers, is_last, handler).await {
                Next::More => deadline = Deadline::after(limits.head_time),
                Next::Close => return flush_and_close(shared, io, buffers).await,
                Next::Abort => return Next::Abort,
            }
        }
        if io.write(&buffers.output, limits.write_time).await.is_err() {
            return Next::Abort;
        }
        buffers.output.clear();
        if buffers.received().is_empty() {
            return Next::More;
        }
    }
}

/// Hands one request to the handler, and sees that it is answered.
async fn exchange<F, H>(
    shared: &Shared,
    io: &mut Timed<F>,
    buffers: &mut Buffers,
    is_last: bool,
    handler: &H,
) -> Next
where
    F: Flow,
    H: AsyncFn(&mut Exchange<'_, F>) -> Result<(), Failure>,
{
    let mut exchange = Exchange::new(shared, io, buffers, is_last);
    let result = handler(&mut exchange).await;
    match exchange.sent() {
        _ if exchange.is_broken() => return Next::Abort,
        Sent::All if exchange.body_is_read() => {}
        Sent::All => {
            if !exchange.may_drain() || Box::pin(exchange.drain()).await.is_err() {
                return Next::Close;
            }
        }
        Sent::Nothing => return Box::pin(unanswered(&mut exchange, result.err())).await,
        Sent::Part => return Next::Abort,
    }
    exchange.end()
}

/// Answers for a handler that did not.
async fn unanswered<F: Flow>(exchange: &mut Exchange<'_, F>, error: Option<Failure>) -> Next {
    let status = match exchange.failed() {
        Some(Error::TooLarge) => Status::CONTENT_TOO_LARGE,
        Some(Error::Malformed) => Status::BAD_REQUEST,
        Some(Error::TimedOut) => Status::REQUEST_TIMEOUT,
        Some(_) => return Next::Abort,
        None => {
            let request = exchange.request();
            let (method, target) = (request.method().name(), request.target());
            match error {
                Some(error) => log::error!("{method} {target}: {error}"),
                None => log::error!("{method} {target}: left unanswered"),
            }
            Status::INTERNAL_SERVER_ERROR
        }
    };
    exchange.close_after();
    match exchange.refuse(status).await {
        Ok(()) => Next::Close,
        Err(_) => Next::Abort,
    }
}

/// Tells the peer why its bytes are no request.
async fn refuse<F: Flow>(
    shared: &Shared,
    io: &mut Timed<F>,
    buffers: &mut Buffers,
    status: Status,
) -> Next {
    let refusal = async {
        let mut exchange = Exchange::broken(shared, io, buffers);
        exchange.refuse(status).await
    };
    match Box::pin(refusal).await {
        Ok(()) => flush_and_close(shared, io, buffers).await,
        Err(_) => Next::Abort,
    }
}

async fn flush_and_close<F: Flow>(
    shared: &Shared,
    io: &mut Timed<F>,
    buffers: &mut Buffers,
) -> Next {
    match io.write(&buffers.output, shared.limits.write_time).await {
        Ok(()) => Next::Close,
        Err(_) => Next::Abort,
    }
}

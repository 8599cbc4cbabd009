// SPDX-License-Identifier: ISC
//! The suite of [`Flow`].

use alloc::{boxed::Box, vec, vec::Vec};
use core::{pin::pin, task::Poll};

use super::{all, poll_once};
use crate::flow::{Error, ErrorKind, Flow};

/// Checks two ends of a flow, which are used up. Each direction must hold 16 bytes that nobody reads.
///
/// # Panics
///
/// If one breaks the contract of [`Flow`].
pub async fn flow<A: Flow, B: Flow>(mut a: A, mut b: B) {
    bytes_cross(&mut a, &mut b).await;
    bytes_cross(&mut b, &mut a).await;
    empty_buffers_do_not_wait(&mut a).await;
    a_dropped_read_loses_nothing(&mut a, &mut b).await;
    readable_takes_nothing(&mut a, &mut b).await;
    much_crosses(&mut a, &mut b).await;
    much_crosses(&mut b, &mut a).await;
    directions_end_one_by_one(&mut a, &mut b).await;
}

async fn bytes_cross<A: Flow, B: Flow>(a: &mut A, b: &mut B) {
    ok(a.write_all(b"through").await);
    ok(a.flush().await);
    let mut bytes = [0; 7];
    assert!(b.read_exact(&mut bytes).await.is_ok());
    assert_eq!(&bytes, b"through");
}

async fn empty_buffers_do_not_wait<F: Flow>(flow: &mut F) {
    assert_eq!(ok(flow.read(&mut []).await), 0);
    assert_eq!(ok(flow.write(&[]).await), 0);
}

async fn a_dropped_read_loses_nothing<A: Flow, B: Flow>(a: &mut A, b: &mut B) {
    let mut bytes = [0; 4];
    {
        let mut read = pin!(b.read(&mut bytes));
        let poll = poll_once(&mut read).await;
        assert!(matches!(poll, Poll::Pending), "read waits for bytes");
    }
    ok(a.write_all(b"late").await);
    ok(a.flush().await);
    assert!(b.read_exact(&mut bytes).await.is_ok());
    assert_eq!(&bytes, b"late");
}

async fn readable_takes_nothing<A: Flow, B: Flow>(a: &mut A, b: &mut B) {
    let mut bytes = [0; 5];
    ok(a.write_all(b"there").await);
    ok(a.flush().await);
    ok(b.readable().await);
    ok(b.readable().await);
    assert!(b.read_exact(&mut bytes).await.is_ok());
    assert_eq!(&bytes, b"there", "asking takes nothing");
}

/// More than any buffer on the way holds, so that both sides wait at times.
const MUCH: usize = 300_000;

async fn much_crosses<A: Flow, B: Flow>(a: &mut A, b: &mut B) {
    let sent: Vec<u8> = (0..MUCH).map(|at| (at % 253) as u8).collect();
    let send = async {
        for part in sent.chunks(7_000) {
            ok(a.write_all(part).await);
        }
        ok(a.flush().await);
    };
    let receive = async {
        let mut received = Vec::new();
        let mut piece = vec![0; 3_000];
        while received.len() < MUCH {
            let len = ok(b.read(&mut piece).await);
            assert!(len > 0, "the end comes too early");
            received.extend_from_slice(&piece[..len]);
        }
        assert_eq!(received, sent, "every byte arrives, in order");
    };
    all::<()>(vec![Box::pin(send), Box::pin(receive)]).await;
}

async fn directions_end_one_by_one<A: Flow, B: Flow>(a: &mut A, b: &mut B) {
    let mut bytes = [0; 16];
    ok(a.write_all(b"last words").await);
    ok(a.shutdown().await);
    ok(a.shutdown().await);
    assert!(
        b.read_exact(&mut bytes[..10]).await.is_ok(),
        "what was written arrives"
    );
    assert_eq!(&bytes[..10], b"last words");
    assert_eq!(ok(b.read(&mut bytes).await), 0, "then comes the end");
    assert_eq!(ok(b.read(&mut bytes).await), 0, "and stays");
    ok(b.readable().await);
    let refused = a.write(b"more").await.err().map(|error| error.kind());
    assert_eq!(
        refused,
        Some(ErrorKind::BrokenPipe),
        "written after shutdown"
    );
    bytes_cross(b, a).await;
    ok(b.shutdown().await);
    assert_eq!(ok(a.read(&mut bytes).await), 0, "the other end");
}

fn ok<T, E: Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("flow fails: {:?}", error.kind()))
}

// SPDX-License-Identifier: ISC
//! The devices of the platform, over a platform made for the test: disks that finish requests at
//! once, late and in any order, or never; network cards with few buffers.
//!
//! The runtime is for one thread, hence one test that does it all.

mod platform;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use fata_abi::manifest::{Device as Entry, DeviceKind};
use fata_device::{Block, BlockError, Buffer, conformance};
use fata_runtime::{
    task::{block_on, spawn, yield_now},
    time::{self, Instant},
};
use fata_wiring::{Device, Disk, Nic, Port};
use platform::{ASYNCHRONOUS, FAILING, NET_A, NET_B, SILENT, SYNCHRONOUS};

const fn entry(name: &str, kind: DeviceKind) -> Entry<'_> {
    Entry { name, kind }
}

const ENTRIES: &[Entry<'static>] = &[
    entry(NET_A, DeviceKind::Net),
    entry(NET_B, DeviceKind::Net),
    entry(SYNCHRONOUS, DeviceKind::Block),
    entry(ASYNCHRONOUS, DeviceKind::Block),
    entry(FAILING, DeviceKind::Block),
    entry(SILENT, DeviceKind::Block),
    entry("detached", DeviceKind::Block),
];

async fn disk(name: &'static str) -> Disk {
    Disk::connect(Port::new(name), ()).await.expect("connects")
}

async fn nic(name: &'static str) -> Nic {
    Nic::connect(Port::new(name), ()).await.expect("connects")
}

#[test]
fn devices_of_the_platform_keep_their_contracts() {
    block_on(async {
        conformance::net(&mut nic(NET_A).await, &mut nic(NET_B).await).await;
        let quick = disk(SYNCHRONOUS).await;
        conformance::block(&quick).await;
        a_dropped_request_leaves_nothing_to_collect(&quick).await;
        let slow = disk(ASYNCHRONOUS).await;
        conformance::block(&slow).await;
        one_request_collects_what_another_waits_for(&slow).await;
        drop(slow);
        failures_are_told_and_end_the_rest().await;
        a_silent_disk_keeps_its_memory().await;
        what_cannot_be_opened_is_named().await;
    });
}

async fn one_request_collects_what_another_waits_for(disk: &Disk) {
    let other = disk.clone();
    let waiting = spawn(async move { other.read(5 * 512, Buffer::zeroed(512)).await.1 });
    yield_now().await;
    assert!(!waiting.is_finished());
    assert_eq!(disk.read(0, Buffer::zeroed(512)).await.1, Ok(()));
    // The platform has nothing more to report, so it must have been woken by now.
    assert_eq!(waiting.await, Ok(()));
}

/// What is left would end every wait of an image that does nothing else with the disk.
async fn a_dropped_request_leaves_nothing_to_collect(disk: &Disk) {
    // Longer than what is submitted before other tasks run.
    let long = Buffer::zeroed(platform::BLOCKS * 512);
    {
        let mut read = pin!(disk.read(0, long));
        let poll = poll_fn(|cx| Poll::Ready(Pin::new(&mut read).poll(cx))).await;
        assert!(poll.is_pending());
    }
    assert_eq!(platform::uncollected(SYNCHRONOUS), 0);
}

async fn failures_are_told_and_end_the_rest() {
    let disk = disk(FAILING).await;
    let before = platform::submitted(FAILING);
    let (buffer, result) = disk.write(0, Buffer::zeroed(8 * 512)).await;
    assert_eq!((buffer.len(), result), (8 * 512, Err(BlockError::Failed)));
    let parts = platform::submitted(FAILING) - before;
    assert!(parts < 8, "{parts} parts were submitted after a failure");
    assert_eq!(disk.flush().await, Err(BlockError::Failed));
}

/// The device may write into the buffer of a dropped request until it says that it is done.
async fn a_silent_disk_keeps_its_memory() {
    let disk = disk(SILENT).await;
    {
        let mut read = pin!(disk.read(0, Buffer::zeroed(512)));
        let poll = poll_fn(|cx| Poll::Ready(Pin::new(&mut read).poll(cx))).await;
        assert!(poll.is_pending());
    }
    // The queue is full, so this one waits for its turn, and can be dropped without a trace.
    let late = time::timeout(
        std::time::Duration::from_secs(1),
        disk.read(0, Buffer::zeroed(512)),
    );
    let start = Instant::now();
    assert!(late.await.is_err());
    assert!(start.elapsed().as_secs() >= 1);
    drop(disk);
    // Memory that was freed would be given out again here, and then be seen to change.
    let others: Vec<_> = (0..64).map(|_| Buffer::zeroed(512)).collect();
    assert_eq!(platform::write_into_pending(SILENT), 1);
    assert!(
        others
            .iter()
            .all(|buffer| buffer.iter().all(|&byte| byte == 0))
    );
}

async fn what_cannot_be_opened_is_named() {
    let error = async |name| {
        Disk::connect(Port::new(name), ())
            .await
            .err()
            .map(|e| e.to_string())
    };
    let twice = error(SYNCHRONOUS).await;
    assert_eq!(twice.as_deref(), Some("device opened twice: `synchronous`"));
    let absent = error("nobody").await;
    assert_eq!(
        absent.as_deref(),
        Some("device not in the manifest: `nobody`")
    );
    let detached = error("detached").await.unwrap_or_default();
    assert!(detached.contains("`--block:detached="), "{detached}");
}

use super::*;
use crate::{
    kv::Kv,
    memory::{Disk, KvMap, flow_pair, link, offload_info, plain_info},
    net::{Net, NetError, NetInfo},
};

#[test]
fn memory_net_conforms() {
    let (mut a, mut b) = link([plain_info(1), plain_info(2)], 8);
    block_on(net(&mut a, &mut b));
}

#[test]
fn memory_net_with_offloads_conforms() {
    let mut infos = [plain_info(1), plain_info(2)];
    infos[0].max_frame = 65_549;
    infos[0].offload.checksum = true;
    infos[0].offload.tcp4 = true;
    let (mut a, mut b) = link(infos, 4);
    block_on(net(&mut a, &mut b));
    let (mut a, mut b) = link([offload_info(1), offload_info(2)], 4);
    block_on(net(&mut a, &mut b));
}

#[test]
#[should_panic(expected = "large frames unannounced")]
fn the_net_suite_sees_large_frames_that_nobody_announced() {
    let mut infos = [offload_info(1), offload_info(2)];
    infos[1].offload.receive_large = false;
    let (mut a, mut b) = link(infos, 8);
    block_on(net(&mut a, &mut b));
}

#[test]
#[should_panic(expected = "gathers")]
fn the_net_suite_sees_a_promise_that_is_not_kept() {
    let mut infos = [plain_info(1), plain_info(2)];
    infos[0].offload.gather = true;
    let (a, mut b) = link(infos, 8);
    block_on(net(&mut Forgetful(a), &mut b));
}

/// Passes on everything but tails, and does not say so.
struct Forgetful<N>(N);

impl<N: Net> Net for Forgetful<N> {
    type Frame = N::Frame;

    fn info(&self) -> NetInfo {
        self.0.info()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
        self.0.poll_receive(cx)
    }

    fn poll_reserve(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<N::Frame, NetError>> {
        self.0.poll_reserve(cx, len)
    }

    fn send(&mut self, frame: N::Frame) -> Result<(), NetError> {
        self.0.send(frame)
    }

    fn flush(&mut self) {
        self.0.flush();
    }
}

#[test]
#[should_panic(expected = "arrives whole")]
fn the_net_suite_sees_a_short_frame() {
    let (a, mut b) = link([plain_info(1), plain_info(2)], 8);
    let mut a = crate::weather::Truncate::new(a, crate::weather::Chance::percent(100), 1);
    block_on(net(&mut a, &mut b));
}

#[test]
#[should_panic(expected = "nothing is left that could wake it")]
fn the_net_suite_sees_a_lost_frame() {
    let (a, mut b) = link([plain_info(1), plain_info(2)], 8);
    let mut a = crate::weather::Loss::new(a, crate::weather::Chance::percent(100), 1);
    block_on(net(&mut a, &mut b));
}

#[test]
#[should_panic(expected = "own address is a group's")]
fn the_net_suite_sees_a_wrong_address() {
    let group = NetInfo {
        mac: [1; 6],
        ..plain_info(1)
    };
    let (mut a, mut b) = link([group, plain_info(2)], 8);
    block_on(net(&mut a, &mut b));
}

#[test]
fn memory_disk_conforms() {
    for block_size in [512, 4096] {
        let disk = Disk::new(block_size, 100);
        block_on(block(&disk));
        block_on(block(&disk.read_only()));
    }
}

#[test]
fn memory_kv_conforms() {
    block_on(kv(&KvMap::new()));
}

#[test]
#[should_panic(expected = "the suite needs an empty store")]
fn the_kv_suite_sees_leftovers() {
    let store = KvMap::new();
    block_on(async {
        store.write("left", b"over").await.unwrap();
        kv(&store).await;
    });
}

#[test]
fn memory_flow_conforms() {
    for capacity in [16, 4096, 1 << 20] {
        let (a, b) = flow_pair(capacity);
        block_on(flow(a, b));
    }
}

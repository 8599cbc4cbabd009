use super::*;
use crate::{
    kv::Kv,
    memory::{Disk, KvMap, flow_pair, link, plain_info},
    net::NetInfo,
};

#[test]
fn memory_net_conforms() {
    let (mut a, mut b) = link([plain_info(1), plain_info(2)], 8);
    block_on(net(&mut a, &mut b));
}

#[test]
fn memory_net_with_offloads_conforms() {
    let mut infos = [plain_info(1), plain_info(2)];
    infos[0].max_frame = 65_550;
    infos[0].offload.checksum = true;
    infos[0].offload.tcp4 = true;
    let (mut a, mut b) = link(infos, 4);
    block_on(net(&mut a, &mut b));
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

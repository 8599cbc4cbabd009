// SPDX-License-Identifier: ISC
//! The budget, and the receive side against a model.

use std::vec::Vec;

use super::{Budget, SMALLEST};

#[test]
fn blocks_come_back() {
    let mut budget = Budget::new(1 << 20);
    let mut block = budget.block(5000).unwrap();
    assert_eq!((block.len(), budget.used()), (8192, 8192));
    block[0] = 9;
    budget.give_back(block);
    assert_eq!(budget.used(), 0);
    // The same block, as it was.
    assert_eq!(budget.block(8192).unwrap()[0], 9);
}

#[test]
fn the_smallest_block_is_refused_last() {
    let mut budget = Budget::new(16 * SMALLEST);
    assert!(budget.block(32 * SMALLEST).is_none());
    let large = budget.block(8 * SMALLEST).unwrap();
    assert!(budget.block(8 * SMALLEST).is_some() && budget.exhausted());
    assert!(budget.block(2 * SMALLEST).is_none());
    assert!(budget.block(1).is_some() && budget.block(1).is_some());
    assert!(budget.block(1).is_none());
    assert!(budget.block(usize::MAX).is_none());
    budget.give_back(large);
    assert!(!budget.tight() && budget.block(1).is_some());
}

#[test]
fn connections_and_buffers_share_it() {
    let mut budget = Budget::new(16 * SMALLEST);
    budget.set_fixed(8 * SMALLEST);
    assert!(budget.block(16 * SMALLEST).is_none());
    assert!(budget.block(8 * SMALLEST).is_some() && budget.exhausted());
    assert_eq!(budget.used(), 8 * SMALLEST);
}

#[test]
fn little_is_kept_of_little() {
    let mut budget = Budget::new(64 * SMALLEST);
    let blocks: Vec<_> = (0..60).map_while(|_| budget.block(1)).collect();
    for block in blocks {
        budget.give_back(block);
    }
    assert_eq!(budget.spare, 4 * SMALLEST);
    assert_eq!(budget.kept[0].len(), 4);
}

// SPDX-License-Identifier: ISC
//! The budget, and the receive side against a model.

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
fn the_smallest_block_is_never_refused() {
    let mut budget = Budget::new(3 * SMALLEST);
    assert!(budget.block(4 * SMALLEST).is_none());
    assert!(budget.block(2 * SMALLEST).is_some());
    assert!(budget.block(2 * SMALLEST).is_none());
    assert!(budget.block(1).is_some() && budget.exhausted());
    assert!(budget.block(1).is_some());
    assert!(budget.block(usize::MAX).is_none());
}

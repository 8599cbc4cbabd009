// SPDX-License-Identifier: ISC
//! One question at a time for each name and type; who comes later waits, and finds the answer in
//! the cache.

use alloc::vec::Vec;
use core::{
    cell::RefCell,
    future::poll_fn,
    task::{Poll, Waker},
};

use crate::{name::Name, types::Type};

/// The names that are being asked for.
#[derive(Default)]
pub(super) struct Turns(RefCell<Vec<Busy>>);

struct Busy {
    name: Name,
    rtype: Type,
    waiting: Vec<Waker>,
}

/// Holds back others who ask for the same, until it is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    name: &'a Name,
    rtype: Type,
}

impl Turns {
    /// Waits until nobody asks for the same.
    pub(super) async fn take<'a>(&'a self, name: &'a Name, rtype: Type) -> Turn<'a> {
        poll_fn(|cx| {
            let mut all = self.0.borrow_mut();
            let is_same = |busy: &&mut Busy| busy.rtype == rtype && busy.name == *name;
            if let Some(busy) = all.iter_mut().find(is_same) {
                busy.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            all.push(Busy {
                name: name.clone(),
                rtype,
                waiting: Vec::new(),
            });
            Poll::Ready(())
        })
        .await;
        Turn {
            turns: self,
            name,
            rtype,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut all = self.turns.0.borrow_mut();
        let mut waiting = Vec::new();
        all.retain_mut(|busy| {
            let is_ours = busy.rtype == self.rtype && busy.name == *self.name;
            if is_ours {
                waiting = core::mem::take(&mut busy.waiting);
            }
            !is_ours
        });
        drop(all);
        for waker in waiting {
            waker.wake();
        }
    }
}

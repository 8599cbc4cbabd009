// SPDX-License-Identifier: ISC
//! Devices in memory: a pair of network cards on one wire, a disk, a store, a pair of flows, and a
//! clock that moves when it is told to.
//!
//! They keep the contracts of the traits to the letter, so that what works over them works over a
//! real device, and they do nothing by chance.

mod clock;
mod disk;
mod flow;
mod kv;
mod net;

pub use clock::ManualClock;
pub use disk::Disk;
pub use flow::{FlowEnd, flow_pair};
pub use kv::KvMap;
pub use net::{Frame, Nic, link, offload_info, plain_info};

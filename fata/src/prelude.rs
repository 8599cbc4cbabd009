// SPDX-License-Identifier: ISC
//! What almost every program uses: `use fata::prelude::*;`.

pub use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
pub use core::time::Duration;

pub use fata_runtime::{
    Context, Error,
    log::{debug, error, info, trace, warn},
    print, println,
    task::spawn,
    time::{Instant, sleep, timeout},
};

pub use fata_tcpip::{Stack, TcpListener, TcpStream, UdpSocket};

pub use crate::device::{Block, Buffer, Device, Disk, Files, Flow, Kv, Net, NetExt, Nic};
// For their methods: the names are too often others' as well.
pub use crate::device::flow::{Read as _, Write as _};

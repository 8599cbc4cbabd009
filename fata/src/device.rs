// SPDX-License-Identifier: ISC
//! Devices: the traits they have, the ones that the platform gives, and how to make others.
//!
//! A type becomes a device of programs by implementing [`Device`]; [`Nic`], [`Disk`] and [`Files`]
//! do, and devices made of others pass on what those need. For tests there are devices in
//! [`memory`], and [`weather`] makes a good network bad.
//!
//! # Making devices
//!
//! A device made of another is generic over it, so that it works over any, and so that a program
//! says in one type what it is given:
//!
//! ```
//! use core::task::{Context, Poll, ready};
//! use fata::{device::{DeviceKind, Net, NetError, NetInfo, Port}, prelude::*};
//!
//! /// A network card that hears only what is meant for it.
//! struct Selective<N>(N);
//!
//! impl<N: Net> Net for Selective<N> {
//!     type Frame = N::Frame;
//!
//!     fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<N::Frame, NetError>> {
//!         loop {
//!             let frame = ready!(self.0.poll_receive(cx))?;
//!             if frame.starts_with(&self.info().mac) {
//!                 return Poll::Ready(Ok(frame));
//!             }
//!         }
//!     }
//!     # fn info(&self) -> NetInfo { self.0.info() }
//!     # fn poll_reserve(&mut self, cx: &mut Context<'_>, len: usize) -> Poll<Result<N::Frame, NetError>> {
//!     #     self.0.poll_reserve(cx, len)
//!     # }
//!     # fn send(&mut self, frame: N::Frame) -> Result<(), NetError> { self.0.send(frame) }
//!     # fn flush(&mut self) { self.0.flush(); }
//!     // ... and the rest as it is.
//! }
//!
//! impl<D: Device + Net> Device for Selective<D> {
//!     const NEEDS: Option<DeviceKind> = D::NEEDS;
//!     type Arguments = D::Arguments;
//!
//!     async fn connect(port: Port, arguments: D::Arguments) -> Result<Self, Error> {
//!         D::connect(port, arguments).await.map(Selective)
//!     }
//! }
//!
//! #[derive(fata::Devices)]
//! struct Devices {
//!     service: Selective<Nic>,
//! }
//! ```

pub use fata_device::*;
pub use fata_wiring::{Both, Device, DeviceKind, Disk, Embed, Files, Nic, Port, RuntimeClock};

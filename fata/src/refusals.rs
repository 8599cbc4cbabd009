// SPDX-License-Identifier: ISC
//! Programs that must not compile. Each differs by one word from the first, which must.
//!
//! ```
//! # use fata::prelude::*;
//! #[derive(fata::Devices)]
//! struct Devices {
//!     service: Nic,
//!     #[device(name = "uplink2")]
//!     up_link: Nic,
//!     storage: Disk,
//! }
//! ```
//!
//! Two devices of one name:
//!
//! ```compile_fail,E0080
//! # use fata::prelude::*;
//! #[derive(fata::Devices)]
//! struct Devices {
//!     service: Nic,
//!     #[device(name = "service")]
//!     up_link: Nic,
//!     storage: Disk,
//! }
//! ```
//!
//! A name with an underscore:
//!
//! ```compile_fail,E0080
//! # use fata::prelude::*;
//! #[derive(fata::Devices)]
//! struct Devices {
//!     service: Nic,
//!     up_link: Nic,
//!     storage: Disk,
//! }
//! ```
//!
//! A name that is too long:
//!
//! ```compile_fail,E0080
//! # use fata::prelude::*;
//! #[derive(fata::Devices)]
//! struct Devices {
//!     service: Nic,
//!     #[device(name = "a2345678901234567890123456789012345678901234567890123456789012345678")]
//!     up_link: Nic,
//!     storage: Disk,
//! }
//! ```
//!
//! What is no device:
//!
//! ```compile_fail,E0277
//! # use fata::prelude::*;
//! #[derive(fata::Devices)]
//! struct Devices {
//!     service: Nic,
//!     #[device(name = "uplink2")]
//!     up_link: String,
//!     storage: Disk,
//! }
//! ```
//!
//! One device more than the 63 that a manifest holds, and 63, which are fine:
//!
//! ```compile_fail,E0080
//! # macro_rules! many { ($($name:ident)*) => {
//! #     #[derive(fata::Devices)] struct Devices { $($name: fata::device::Nic,)* }
//! # } }
//! many!(
//!     a0 a1 a2 a3 a4 a5 a6 a7 b0 b1 b2 b3 b4 b5 b6 b7 c0 c1 c2 c3 c4 c5 c6 c7
//!     d0 d1 d2 d3 d4 d5 d6 d7 e0 e1 e2 e3 e4 e5 e6 e7 f0 f1 f2 f3 f4 f5 f6 f7
//!     g0 g1 g2 g3 g4 g5 g6 g7 h0 h1 h2 h3 h4 h5 h6 h7
//! );
//! ```
//!
//! ```
//! # macro_rules! many { ($($name:ident)*) => {
//! #     #[derive(fata::Devices)] struct Devices { $($name: fata::device::Nic,)* }
//! # } }
//! many!(
//!     a0 a1 a2 a3 a4 a5 a6 a7 b0 b1 b2 b3 b4 b5 b6 b7 c0 c1 c2 c3 c4 c5 c6 c7
//!     d0 d1 d2 d3 d4 d5 d6 d7 e0 e1 e2 e3 e4 e5 e6 e7 f0 f1 f2 f3 f4 f5 f6 f7
//!     g0 g1 g2 g3 g4 g5 g6 g7 h0 h1 h2 h3 h4 h5 h6
//! );
//! ```

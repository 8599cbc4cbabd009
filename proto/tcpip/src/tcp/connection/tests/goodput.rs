// SPDX-License-Identifier: ISC
//! How fast.

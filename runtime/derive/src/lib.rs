// SPDX-License-Identifier: ISC
//! Derives and the entry point attribute of Fata.

// SPDX-License-Identifier: ISC
//! Zone files.

// SPDX-License-Identifier: ISC
//! .
use super::*;

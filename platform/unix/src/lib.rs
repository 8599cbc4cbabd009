// SPDX-License-Identifier: ISC
//! The platform of a unikernel that is an ordinary process.

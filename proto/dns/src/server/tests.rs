// SPDX-License-Identifier: ISC
//! Answers.

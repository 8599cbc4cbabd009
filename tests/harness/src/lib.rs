// SPDX-License-Identifier: ISC
//! Builds and launches the unikernels of the test matrix.

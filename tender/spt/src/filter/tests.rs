// SPDX-License-Identifier: ISC
//! Tests of the policy: the filter is run on calls as the kernel would.

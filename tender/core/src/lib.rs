// SPDX-License-Identifier: ISC
//! What tenders share: command line, image loader, host devices.

// SPDX-License-Identifier: ISC
//! A network for a unikernel without root: NAT, DHCP, DNS and port forwarding in a process.

// SPDX-License-Identifier: ISC
//! `ioctl`s on network interfaces: four that taps need, over one structure, and two on numbers.
//!
//! Facts: Linux `include/uapi/linux/if.h` (`struct ifreq`), `if_tun.h`, `sockios.h`; netdevice(7).

use std::os::fd::AsFd;

use libc::{
    SIOCGIFFLAGS, SIOCGIFMTU, TUNGETIFF, TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ, c_int, c_uint,
};
use rustix::{
    io,
    ioctl::{self, IntegerSetter, Opcode, Setter, Updater},
};

/// Linux's `struct ifreq`: a name, and a union of which we use a short and an int.
#[derive(Clone, Copy, Default)]
#[repr(C, align(8))]
struct Ifreq {
    name: [u8; 16],
    value: [u8; 24],
}

const _: () = assert!(size_of::<Ifreq>() == 40);

impl Ifreq {
    fn named(name: &str) -> Self {
        let mut request = Self::default();
        // The command line admits 15 bytes, so the NUL stays.
        let len = name.len().min(15);
        request.name[..len].copy_from_slice(&name.as_bytes()[..len]);
        request
    }

    fn name(&self) -> String {
        let end = self.name.iter().position(|&byte| byte == 0).unwrap_or(16);
        String::from_utf8_lossy(&self.name[..end]).into_owned()
    }

    fn flags(&self) -> c_int {
        u16::from_ne_bytes([self.value[0], self.value[1]]).into()
    }
}

/// Flags of the interface `name`.
pub(super) fn flags(socket: impl AsFd, name: &str) -> io::Result<c_int> {
    let mut request = Ifreq::named(name);
    call::<{ SIOCGIFFLAGS as Opcode }>(socket, &mut request)?;
    Ok(request.flags())
}

/// MTU of the interface `name`, as far as a manifest can state it.
pub(super) fn mtu(socket: impl AsFd, name: &str) -> io::Result<u16> {
    let mut request = Ifreq::named(name);
    call::<{ SIOCGIFMTU as Opcode }>(socket, &mut request)?;
    let [a, b, c, d, ..] = request.value;
    Ok(u16::try_from(i32::from_ne_bytes([a, b, c, d])).unwrap_or(u16::MAX))
}

/// Makes `tun`, a fresh `/dev/net/tun`, a queue of the interface `name`, and returns the name that
/// the kernel gave it.
pub(super) fn set_interface(tun: impl AsFd, name: &str, flags: c_int) -> io::Result<String> {
    let mut request = Ifreq::named(name);
    request.value[..2].copy_from_slice(&(flags as u16).to_ne_bytes());
    call::<{ TUNSETIFF as Opcode }>(tun, &mut request)?;
    Ok(request.name())
}

/// Name and flags of the tun or tap interface whose queue `tun` is.
pub(super) fn get_interface(tun: impl AsFd) -> io::Result<(String, c_int)> {
    let mut request = Ifreq::default();
    call::<{ TUNGETIFF as Opcode }>(tun, &mut request)?;
    Ok((request.name(), request.flags()))
}

/// Says what whoever reads from `tun` understands (`TUN_F_...`), whatever an earlier owner of the
/// interface has said. Without any, the kernel hands out frames that the link could carry, with
/// complete checksums.
pub(super) fn set_offloads(tun: impl AsFd, offloads: c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value, an unsigned long.
    let request =
        unsafe { IntegerSetter::<{ TUNSETOFFLOAD as Opcode }>::new_usize(offloads as usize) };
    // SAFETY: as above; no memory is involved.
    unsafe { ioctl::ioctl(tun, request) }
}

/// Says how long the header before each frame of `tun` is.
pub(super) fn set_header_size(tun: impl AsFd, size: c_int) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads an int.
    let request = unsafe { Setter::<{ TUNSETVNETHDRSZ as Opcode }, c_int>::new(size) };
    // SAFETY: as above.
    unsafe { ioctl::ioctl(tun, request) }
}

/// Calls an `ioctl` that reads and writes a `struct ifreq`.
fn call<const OPCODE: Opcode>(descriptor: impl AsFd, request: &mut Ifreq) -> io::Result<()> {
    // JUSTIFICATION: these requests have no safe wrapper in the standard library or in rustix.
    // SAFETY: 1. Every `OPCODE` that this file passes reads or writes one `struct ifreq`.
    // 2. `Ifreq` has the size and alignment of that structure, and any bytes are valid for it.
    // 3. The union members that they use are plain values: the kernel follows no pointer in it.
    let updater = unsafe { Updater::<OPCODE, Ifreq>::new(request) };
    // SAFETY: as above. On a descriptor that is no socket or tap, the kernel refuses these numbers.
    unsafe { ioctl::ioctl(descriptor, updater) }
}

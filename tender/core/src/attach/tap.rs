// SPDX-License-Identifier: ISC
//! Network devices over a tap interface, by its name or by a descriptor that the caller opened.
//!
//! Either way the guest reads and writes whole Ethernet frames with nothing before them, without
//! blocking. An interface is never created here: opening one by a name that does not exist would,
//! so that is refused first. Facts: Linux `Documentation/networking/tuntap.rst`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, sockopt},
};

use super::ifreq::{self, IFF_NO_PI, IFF_RUNNING, IFF_TAP, IFF_UP, IFF_VNET_HDR};
use crate::Error;

/// MTU of a network whose descriptor does not tell.
const DEFAULT_MTU: u16 = 1500;

/// Opens the existing tap interface `interface` for the device `name`.
pub(super) fn open(name: &str, interface: &str) -> Result<(OwnedFd, u16), Error> {
    let socket = control_socket()?;
    match ifreq::flags(&socket, interface) {
        Ok(flags) if flags & (IFF_UP | IFF_RUNNING) != 0 => {}
        Ok(_) => {
            return Err(Error::new(format!("interface `{interface}` is down"))
                .hint(format!("bring it up with `ip link set dev {interface} up`")));
        }
        Err(Errno::NODEV) => {
            return Err(
                Error::new(format!("there is no interface `{interface}`")).hint(format!(
                    "make it with `ip tuntap add dev {interface} mode tap user $USER` and \
                 `ip link set dev {interface} up`, or use `--net:{name}=user`, which needs no root"
                )),
            );
        }
        Err(error) => return Err(failed("look at", interface, error)),
    }
    let tun = open_tun(name)?;
    let found = ifreq::set_interface(&tun, interface, IFF_TAP | IFF_NO_PI)
        .map_err(|error| refused(interface, error))?;
    if found != interface {
        return Err(Error::new(format!(
            "asked for the tap interface `{interface}` and got `{found}`"
        )));
    }
    ifreq::clear_offloads(&tun).map_err(|error| failed("set up", interface, error))?;
    let mtu = ifreq::mtu(&socket, interface)
        .map_err(|error| failed("read the MTU of", interface, error))?;
    Ok((tun, mtu))
}

/// Takes descriptor `number`, which the caller opened, for the device `name`.
pub(super) fn adopt(name: &str, number: i32) -> Result<(OwnedFd, u16), Error> {
    let option = format!("--net:{name}=@{number}");
    let descriptor = duplicate(number).map_err(|_| {
        Error::new(format!("`{option}`: descriptor {number} is not open"))
            .hint("open it in the process that starts this one, without close-on-exec")
    })?;
    let mtu = match ifreq::get_interface(&descriptor) {
        Ok((interface, flags)) => {
            check_flags(&option, flags)?;
            let socket = control_socket()?;
            // The interface may be in another network namespace, where its name means nothing here.
            ifreq::mtu(&socket, &interface).unwrap_or(DEFAULT_MTU)
        }
        Err(_) => match sockopt::socket_type(&descriptor) {
            Ok(SocketType::SEQPACKET | SocketType::DGRAM | SocketType::RAW) => DEFAULT_MTU,
            _ => {
                return Err(Error::new(format!(
                    "`{option}`: descriptor {number} is neither a tap nor a socket that keeps \
                     messages apart"
                ))
                .hint(
                    "pass an open tap device, or a socket of type SOCK_SEQPACKET or SOCK_DGRAM",
                ));
            }
        },
    };
    let flags = rustix::fs::fcntl_getfl(&descriptor)
        .and_then(|flags| rustix::fs::fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK));
    flags
        .map_err(|error| Error::new(format!("`{option}`: cannot make it non-blocking: {error}")))?;
    Ok((descriptor, mtu))
}

fn check_flags(option: &str, flags: u16) -> Result<(), Error> {
    if flags & IFF_TAP == 0 {
        return Err(
            Error::new(format!("`{option}` is a tun device, without Ethernet"))
                .hint("open it with IFF_TAP | IFF_NO_PI"),
        );
    }
    if flags & IFF_NO_PI == 0 || flags & IFF_VNET_HDR != 0 {
        return Err(
            Error::new(format!("`{option}` puts a header before each frame"))
                .hint("open it with IFF_TAP | IFF_NO_PI, and without IFF_VNET_HDR"),
        );
    }
    Ok(())
}

/// A copy of descriptor `number`, if it is open.
fn duplicate(number: i32) -> rustix::io::Result<OwnedFd> {
    // JUSTIFICATION: a descriptor that the caller hands down is known by its number alone.
    // SAFETY: 1. `number` is above 2, so never -1. 2. The borrow ends within this function, which
    // only copies the descriptor: at worst that is one that this process opened itself, and the
    // copy is then examined for being a tap or a socket.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_dupfd_cloexec(borrowed.as_fd(), 3)
}

/// A socket to ask about interfaces with.
fn control_socket() -> Result<OwnedFd, Error> {
    rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|error| Error::new(format!("cannot make a socket: {error}")))
}

fn open_tun(name: &str) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open("/dev/net/tun", flags, Mode::empty()).map_err(|error| {
        let message = format!("cannot open `/dev/net/tun`: {error}");
        let without = format!("use `--net:{name}=user`, which needs no root");
        match error {
            Errno::ACCESS | Errno::PERM => Error::new(message).hint(format!(
                "run as root or as a user who may read and write `/dev/net/tun`, or {without}"
            )),
            Errno::NOENT | Errno::NODEV | Errno::NXIO => {
                Error::new(message).hint(format!("load it with `modprobe tun`, or {without}"))
            }
            _ => Error::new(message).hint(without),
        }
    })
}

fn refused(interface: &str, error: Errno) -> Error {
    let message = format!("cannot attach to the interface `{interface}`: {error}");
    match error {
        Errno::PERM | Errno::ACCESS => Error::new(message).hint(format!(
            "run as root, or make it yours with \
             `ip tuntap add dev {interface} mode tap user $USER`"
        )),
        Errno::BUSY => Error::new(message).hint("another process is attached to it: stop that one"),
        Errno::INVAL => Error::new(message)
            .hint("it must be a tap interface with one queue: see `ip -details link`"),
        _ => Error::new(message),
    }
}

fn failed(what: &str, interface: &str, error: Errno) -> Error {
    Error::new(format!(
        "cannot {what} the interface `{interface}`: {error}"
    ))
}

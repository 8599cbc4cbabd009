// SPDX-License-Identifier: ISC
//! Network devices over a tap interface, by its name or by a descriptor that the caller opened.
//!
//! Either way the guest reads and writes whole Ethernet frames, without blocking: with nothing before
//! them, or with a virtio-net header ([`vnet`]) where the guest understands it. An interface is never
//! created here: opening one by a name that does not exist would, so that is refused first. Facts:
//! Linux `Documentation/networking/tuntap.rst`, `include/uapi/linux/if_tun.h`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fata_abi::net::vnet;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, sockopt},
};

use super::{
    Vnet, Wants,
    ifreq::{self, IFF_NO_PI, IFF_RUNNING, IFF_TAP, IFF_UP, IFF_VNET_HDR},
};
use crate::Error;

/// MTU of a network whose descriptor does not tell.
const DEFAULT_MTU: u16 = 1500;

// What a reader of a tap understands: checksums to complete, frames that stand for several TCP
// segments, of which the first may have the flag CWR alone, and for several datagrams.
const TUN_F_CSUM: usize = 0x01;
const TUN_F_TSO: usize = 0x02 | 0x04;
const TUN_F_TSO_ECN: usize = 0x08;
const TUN_F_USO: usize = 0x20 | 0x40;

/// A descriptor, the MTU of its network, and what comes with a header before its frames.
type Opened = (OwnedFd, u16, Option<Vnet>);

/// Opens the existing tap interface `interface` for the device `name`.
pub(super) fn open(name: &str, interface: &str, wants: Wants) -> Result<Opened, Error> {
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
    let header = if wants.vnet { IFF_VNET_HDR } else { 0 };
    let found = ifreq::set_interface(&tun, interface, IFF_TAP | IFF_NO_PI | header)
        .map_err(|error| refused(interface, error))?;
    if found != interface {
        return Err(Error::new(format!(
            "asked for the tap interface `{interface}` and got `{found}`"
        )));
    }
    let vnet = if wants.vnet {
        set_vnet(&tun, wants).map(Some)
    } else {
        ifreq::set_offloads(&tun, 0).map(|()| None)
    };
    let vnet = vnet.map_err(|error| failed("set up", interface, error))?;
    let mtu = ifreq::mtu(&socket, interface)
        .map_err(|error| failed("read the MTU of", interface, error))?;
    Ok((tun, mtu, vnet))
}

/// Makes the header before the frames of `tun` the one that guests know, and what may stand in it
/// what this one wants.
fn set_vnet(tun: &OwnedFd, wants: Wants) -> rustix::io::Result<Vnet> {
    ifreq::set_header_size(tun, vnet::HEADER as i32)?;
    // A kernel (before Linux 6.2) that cannot hand out datagrams put together cannot cut them either.
    let udp = ifreq::set_offloads(tun, TUN_F_CSUM | TUN_F_USO).is_ok();
    let mut offloads = TUN_F_CSUM;
    if wants.large {
        offloads |= TUN_F_TSO | TUN_F_TSO_ECN;
    }
    if wants.large && wants.large_udp && udp {
        offloads |= TUN_F_USO;
    }
    ifreq::set_offloads(tun, offloads)?;
    let large = wants.large;
    Ok(Vnet { udp, large })
}

/// Takes descriptor `number`, which the caller opened, for the device `name`.
pub(super) fn adopt(name: &str, number: i32, wants: Wants) -> Result<Opened, Error> {
    let option = format!("--net:{name}=@{number}");
    let descriptor = duplicate(number).map_err(|_| {
        Error::new(format!("`{option}`: descriptor {number} is not open"))
            .hint("open it in the process that starts this one, without close-on-exec")
    })?;
    let (mtu, vnet) = match ifreq::get_interface(&descriptor) {
        Ok((interface, flags)) => {
            check_flags(&option, flags, wants)?;
            let vnet = match flags & IFF_VNET_HDR {
                0 => None,
                _ => Some(set_vnet(&descriptor, wants).map_err(|error| {
                    Error::new(format!("`{option}`: cannot set up offloads: {error}"))
                        .hint("or open it without IFF_VNET_HDR")
                })?),
            };
            let socket = control_socket()?;
            // The interface may be in another network namespace, where its name means nothing here.
            let mtu = ifreq::mtu(&socket, &interface).unwrap_or(DEFAULT_MTU);
            (mtu, vnet)
        }
        Err(_) => match sockopt::socket_type(&descriptor) {
            Ok(SocketType::SEQPACKET | SocketType::DGRAM | SocketType::RAW) => (DEFAULT_MTU, None),
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
    Ok((descriptor, mtu, vnet))
}

fn check_flags(option: &str, flags: u16, wants: Wants) -> Result<(), Error> {
    if flags & IFF_TAP == 0 {
        return Err(
            Error::new(format!("`{option}` is a tun device, without Ethernet"))
                .hint("open it with IFF_TAP | IFF_NO_PI"),
        );
    }
    if flags & IFF_NO_PI == 0 {
        return Err(Error::new(format!(
            "`{option}` puts packet information before each frame"
        ))
        .hint("open it with IFF_TAP | IFF_NO_PI"));
    }
    if flags & IFF_VNET_HDR != 0 && !wants.vnet {
        return Err(Error::new(format!(
            "`{option}` puts a virtio-net header before each frame, which this image does not know"
        ))
        .hint("open it without IFF_VNET_HDR, or build the image with a newer Fata"));
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

// SPDX-License-Identifier: ISC
//! Network devices over a tap interface, by its name or by a descriptor that the caller opened.
//!
//! Either way the guest reads and writes whole Ethernet frames, without blocking: with nothing before
//! them, or with a virtio-net header ([`vnet`]) where the guest understands it. An interface is never
//! created here: opening one by a name that does not exist would, so that is refused first. Facts:
//! Linux `Documentation/networking/tuntap.rst`, `include/uapi/linux/if_tun.h`.

use std::os::{
    fd::{BorrowedFd, OwnedFd},
    unix::net::UnixDatagram,
};

use fata_abi::net::vnet;
use libc::{
    IFF_NO_PI, IFF_RUNNING, IFF_TAP, IFF_UP, IFF_VNET_HDR, TUN_F_CSUM, TUN_F_TSO_ECN, TUN_F_TSO4,
    TUN_F_TSO6, TUN_F_USO4, TUN_F_USO6, c_int,
};
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    net::{SocketType, sockopt},
};

use super::{Vnet, Wants, ifreq};
use crate::Error;

/// MTU of a network whose descriptor does not tell.
const DEFAULT_MTU: u16 = 1500;

// What a reader of a tap understands beside checksums to complete: frames that stand for several TCP
// segments, of which the first may have the flag CWR alone, and for several datagrams.
const TCP: u32 = TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
const UDP: u32 = TUN_F_USO4 | TUN_F_USO6;

/// A descriptor, the MTU of its network, and what comes with a header before its frames.
type Opened = (OwnedFd, u16, Option<Vnet>);

/// Opens the existing tap interface `interface` for the device `name`.
pub(super) fn open(name: &str, interface: &str, wants: Wants) -> Result<Opened, Error> {
    let cannot = |what| Error::cannot(format!("{what} the interface `{interface}`"));
    let socket = control_socket()?;
    match ifreq::flags(&socket, interface) {
        Ok(flags) if flags & (IFF_UP | IFF_RUNNING) != 0 => {}
        Ok(_) => {
            return Err(Error::new(format!("interface `{interface}` is down"))
                .hint(format!("bring it up with `ip link set dev {interface} up`")));
        }
        Err(Errno::NODEV) => {
            let what = format!("there is no interface `{interface}`");
            return Err(Error::new(what).hint(format!(
                "make it with `ip tuntap add dev {interface} mode tap user $USER` and \
                 `ip link set dev {interface} up`, or use `--net:{name}=user`, which needs no root"
            )));
        }
        Err(error) => return Err(cannot("look at")(error)),
    }
    let tun = open_tun(name)?;
    let header = if wants.vnet { IFF_VNET_HDR } else { 0 };
    let found = ifreq::set_interface(&tun, interface, IFF_TAP | IFF_NO_PI | header);
    let found = found.map_err(|error| refused(interface, error))?;
    if found != interface {
        let what = format!("asked for the tap interface `{interface}` and got `{found}`");
        return Err(Error::new(what));
    }
    let vnet = match wants.vnet {
        true => set_vnet(&tun, wants).map(Some),
        false => ifreq::set_offloads(&tun, 0).map(|()| None),
    };
    let vnet = vnet.map_err(cannot("set up"))?;
    let mtu = ifreq::mtu(&socket, interface).map_err(cannot("read the MTU of"))?;
    Ok((tun, mtu, vnet))
}

/// Makes the header before the frames of `tun` the one that guests know, and what may stand in it
/// what this one wants.
fn set_vnet(tun: &OwnedFd, wants: Wants) -> rustix::io::Result<Vnet> {
    ifreq::set_header_size(tun, vnet::HEADER as c_int)?;
    // A kernel (before Linux 6.2) that cannot hand out datagrams put together cannot cut them either.
    let udp = ifreq::set_offloads(tun, TUN_F_CSUM | UDP).is_ok();
    let large = match (wants.large, wants.large_udp && udp) {
        (true, true) => TCP | UDP,
        (true, false) => TCP,
        (false, _) => 0,
    };
    ifreq::set_offloads(tun, TUN_F_CSUM | large)?;
    let large = wants.large;
    Ok(Vnet { udp, large })
}

/// Takes descriptor `number`, which the caller opened, for the device `name`.
pub(super) fn adopt(name: &str, number: i32, wants: Wants) -> Result<Opened, Error> {
    let adopted = duplicate(number).and_then(|descriptor| {
        let (mtu, vnet) = examine(&descriptor, wants)?;
        let set = rustix::io::ioctl_fionbio(&descriptor, true);
        set.map_err(Error::cannot("be made non-blocking"))?;
        Ok((descriptor, mtu, vnet))
    });
    adopted.map_err(|error| error.about(format!("--net:{name}=@{number}")))
}

/// Makes sure that a descriptor is a tap as it must be, or a socket that will do.
fn examine(descriptor: &OwnedFd, wants: Wants) -> Result<(u16, Option<Vnet>), Error> {
    let Ok((interface, flags)) = ifreq::get_interface(descriptor) else {
        return match sockopt::socket_type(descriptor) {
            Ok(SocketType::SEQPACKET | SocketType::DGRAM | SocketType::RAW) => {
                Ok((DEFAULT_MTU, None))
            }
            _ => Err(
                Error::new("is neither a tap nor a socket that keeps messages apart").hint(
                    "pass an open tap device, or a socket of type SOCK_SEQPACKET or SOCK_DGRAM",
                ),
            ),
        };
    };
    check_flags(flags, wants)?;
    let vnet = match flags & IFF_VNET_HDR {
        0 => ifreq::set_offloads(descriptor, 0).map(|()| None),
        _ => set_vnet(descriptor, wants).map(Some),
    };
    let vnet = vnet.map_err(|error| {
        Error::cannot("be set up for offloads")(error).hint("or open it without IFF_VNET_HDR")
    })?;
    // The interface may be in another network namespace, where its name means nothing here.
    let mtu = ifreq::mtu(control_socket()?, &interface).unwrap_or(DEFAULT_MTU);
    Ok((mtu, vnet))
}

fn check_flags(flags: c_int, wants: Wants) -> Result<(), Error> {
    let has = |flag| flags & flag != 0;
    let (what, hint) = if !has(IFF_TAP) {
        (
            "is a tun device, without Ethernet",
            "open it with IFF_TAP | IFF_NO_PI",
        )
    } else if !has(IFF_NO_PI) {
        (
            "puts packet information before each frame",
            "open it with IFF_TAP | IFF_NO_PI",
        )
    } else if has(IFF_VNET_HDR) && !wants.vnet {
        (
            "puts a virtio-net header before each frame, which this image does not know",
            "open it without IFF_VNET_HDR, or build the image with a newer Fata",
        )
    } else {
        return Ok(());
    };
    Err(Error::new(what).hint(hint))
}

/// A copy of descriptor `number`, if it is open.
fn duplicate(number: i32) -> Result<OwnedFd, Error> {
    // JUSTIFICATION: a descriptor that the caller hands down is known by its number alone.
    // SAFETY: 1. `number` is above 2, so never -1. 2. The borrow ends within this function, which
    // only copies the descriptor: at worst that is one that this process opened itself, and the
    // copy is then examined for being a tap or a socket.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    borrowed.try_clone_to_owned().map_err(|_| {
        Error::new(format!("cannot be used: descriptor {number} is not open"))
            .hint("open it in the process that starts this one, without close-on-exec")
    })
}

/// A socket to ask about interfaces with: any sort will do.
fn control_socket() -> Result<UnixDatagram, Error> {
    UnixDatagram::unbound().map_err(Error::cannot("make a socket"))
}

fn open_tun(name: &str) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open("/dev/net/tun", flags, Mode::empty()).map_err(|error| {
        let without = format!("use `--net:{name}=user`, which needs no root");
        let with = match error {
            Errno::ACCESS | Errno::PERM => {
                "run as root or as a user who may read and write `/dev/net/tun`, or "
            }
            Errno::NOENT | Errno::NODEV | Errno::NXIO => "load it with `modprobe tun`, or ",
            _ => "",
        };
        Error::cannot("open `/dev/net/tun`")(error).hint(format!("{with}{without}"))
    })
}

fn refused(interface: &str, why: Errno) -> Error {
    let error = Error::cannot(format!("attach to the interface `{interface}`"))(why);
    match why {
        Errno::PERM | Errno::ACCESS => error.hint(format!(
            "run as root, or make it yours with \
             `ip tuntap add dev {interface} mode tap user $USER`"
        )),
        Errno::BUSY => error.hint("another process is attached to it: stop that one"),
        Errno::INVAL => {
            error.hint("it must be a tap interface with one queue: see `ip -details link`")
        }
        _ => error,
    }
}

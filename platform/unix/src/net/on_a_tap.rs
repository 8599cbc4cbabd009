// SPDX-License-Identifier: ISC
//! Tests on a real tap, in a network namespace that a thread makes for itself: no route leads out of
//! it, and it goes with the thread and what it started.

use std::{
    net::UdpSocket,
    os::fd::AsRawFd,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use fata_abi::{
    manifest::{Device, DeviceKind, Manifest, NOTE_PADDING, encode_note, note_size},
    net::{Checksum, SegmentKind, Segmentation},
    note::HEADER_SIZE,
};
use fata_tender::{
    attach::{Wants, attach},
    options::Options,
};

use super::*;

const PLAIN: Wants = Wants {
    vnet: false,
    large: false,
    large_udp: false,
};
const ALL: Wants = Wants {
    vnet: true,
    large: true,
    large_udp: true,
};
/// Bytes of the headers of Ethernet, IPv4 and UDP.
const HEADERS: usize = 42;
/// Patience with the host.
const LIMIT: Duration = Duration::from_secs(5);

/// Runs `test` in a namespace with a tap, if there can be one.
fn with_tap(test: fn()) {
    let _alone = tests::COUNT.lock();
    let thread = thread::spawn(move || {
        // SAFETY: the call changes what this thread sees of the network, and no memory.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            println!("SKIP on_a_tap: only root may make a network namespace");
            return;
        }
        for line in [
            "tuntap add tap0 mode tap",
            "link set tap0 address 02:00:00:00:00:01",
            "address add 10.0.0.1/24 dev tap0",
            "link set tap0 up",
            "neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev tap0",
        ] {
            let message = ip(line);
            if !message.is_empty() {
                println!("SKIP on_a_tap: no tap can be made here: `ip {line}`: {message}");
                return;
            }
        }
        test();
    });
    thread.join().unwrap();
}

/// What `ip` says, which is nothing where it did what it should.
fn ip(line: &str) -> String {
    match Command::new("ip").args(line.split(' ')).output() {
        Ok(output) => String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into(),
        Err(error) => error.to_string(),
    }
}

fn open(source: &str, wants: Wants) -> Result<Nic, String> {
    let device = Device {
        name: "service",
        kind: DeviceKind::Net,
    };
    let note = encode_note::<{ note_size(1) }>(&[device]);
    let mut manifest = Manifest::parse(note.0[HEADER_SIZE + NOTE_PADDING..].to_vec()).unwrap();
    let mut options = Options::default();
    for word in [
        &format!("--net:service={source}"),
        "--net-mac:service=02:00:00:00:00:02",
    ] {
        assert!(options.take(word.as_ref()).unwrap());
    }
    let attached = attach(&mut manifest, &options, wants).map_err(|error| error.to_string())?;
    let attached = attached.into_iter().next().unwrap();
    // The host learns in its own time that somebody is at the tap, and drops what it sends until then.
    let start = Instant::now();
    while !ip("-o link show dev tap0").contains("state UP") {
        assert!(start.elapsed() < LIMIT, "the link stays down");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(Nic {
        descriptor: attached.descriptor,
        mac: [2, 0, 0, 0, 0, 2],
        mtu: 1500,
        vnet: attached.vnet,
    })
}

/// A socket of the host, whose port 1001 is that of both sides.
fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("10.0.0.1:1001").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket.connect("10.0.0.2:1001").unwrap();
    socket
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * at / 64) as u8).collect()
}

fn sum(bytes: &[u8], mut sum: u32) -> u16 {
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Sends `payload` to the host in one frame, to be cut into datagrams of `size` bytes.
fn send(nic: &Nic, payload: &[u8], size: Option<u16>) {
    let mut frame = nic.reserve(HEADERS).unwrap();
    frame.fill(0);
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    frame[12..15].copy_from_slice(&[8, 0, 0x45]);
    let len = payload.len() as u16;
    frame[16..18].copy_from_slice(&(len + 28).to_be_bytes());
    frame[22..24].copy_from_slice(&[64, 17]);
    frame[26..34].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
    let header = !sum(&frame[14..34], 0);
    frame[24..26].copy_from_slice(&header.to_be_bytes());
    frame[34..38].copy_from_slice(&[3, 0xe9, 3, 0xe9]);
    frame[38..40].copy_from_slice(&(len + 8).to_be_bytes());
    let pseudo = sum(&frame[26..34], 17 + u32::from(len) + 8);
    frame[40..42].copy_from_slice(&pseudo.to_be_bytes());
    frame.offload = Offload {
        checksum: Checksum::Partial {
            start: 34,
            offset: 6,
        },
        segmentation: size.map(|size| Segmentation {
            kind: SegmentKind::Udp,
            size,
            header_len: HEADERS as u16,
        }),
    };
    let (front, back) = payload.split_at(payload.len() / 3);
    nic.send(&frame, [front, back]).unwrap();
}

/// The next datagram from the host, or several in a frame.
fn receive(nic: &Nic) -> Frame {
    let start = Instant::now();
    loop {
        match nic.receive() {
            Ok(frame) if frame.get(34..38) == Some(&[3, 0xe9, 3, 0xe9]) => return frame,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, Error::Again);
                assert!(start.elapsed() < LIMIT, "no frame came");
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Whether the checksum of a datagram is right as it stands.
fn is_complete(frame: &[u8]) -> bool {
    let segment = &frame[34..];
    let pseudo = sum(&frame[26..34], 17 + segment.len() as u32);
    sum(segment, pseudo.into()) == 0xffff
}

#[test]
fn the_host_cuts_and_completes_what_was_left_to_it() {
    with_tap(|| {
        let nic = open("tap0", ALL).unwrap();
        let socket = socket();
        let mut buffer = [0; 2000];
        let data = payload(10_001);
        send(&nic, &data[..101], None);
        assert_eq!(socket.recv(&mut buffer).unwrap(), 101);
        assert_eq!(buffer[..101], data[..101]);
        if !nic.info().offload.udp {
            println!("SKIP on_a_tap: this kernel does not cut UDP for a tap");
            return;
        }
        send(&nic, &data, Some(1000));
        let mut together = Vec::new();
        for n in 0..11 {
            let len = socket.recv(&mut buffer).unwrap();
            assert_eq!(len, if n < 10 { 1000 } else { 1 });
            together.extend_from_slice(&buffer[..len]);
        }
        assert_eq!(together, data);
    });
}

/// Makes the host send `data` as datagrams of 1000 bytes that go through its stack as one.
fn send_together(socket: &UdpSocket, data: &[u8]) {
    let size: libc::c_int = 1000;
    // SAFETY: the option is an int, which outlives the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const size).cast(),
            size_of_val(&size) as u32,
        )
    };
    assert_eq!(set, 0);
    assert_eq!(socket.send(data).unwrap(), data.len());
}

#[test]
fn the_host_leaves_to_us_what_we_want_and_no_more() {
    with_tap(|| {
        let data = payload(4500);
        let partial = Checksum::Partial {
            start: 34,
            offset: 6,
        };
        let nic = open("tap0", ALL).unwrap();
        let socket = socket();
        socket.send(&data[..100]).unwrap();
        let frame = receive(&nic);
        assert_eq!(frame.offload.checksum, partial);
        assert_eq!((frame.offload.segmentation, frame.len()), (None, 142));
        assert!(nic.info().offload.receive_large && !is_complete(&frame));
        if nic.info().offload.udp {
            send_together(&socket, &data);
            let frame = receive(&nic);
            let segmentation = Segmentation {
                kind: SegmentKind::Udp,
                size: 1000,
                header_len: HEADERS as u16,
            };
            assert_eq!(frame.offload.segmentation, Some(segmentation));
            assert_eq!(frame[HEADERS..], data);
        }
        drop(nic);

        // The next who has the tap wants checksums alone, and one who wants nothing gets frames with
        // nothing before them and nothing left to do.
        let wants = Wants {
            large: false,
            ..ALL
        };
        for (wants, checksum) in [(wants, partial), (PLAIN, Checksum::Unverified)] {
            let nic = open("tap0", wants).unwrap();
            assert_eq!(nic.info().offload.checksum, wants.vnet);
            send_together(&socket, &data);
            let mut together = Vec::new();
            for _ in 0..5 {
                let frame = receive(&nic);
                assert!(frame.len() <= HEADERS + 1000);
                assert_eq!(frame.offload.segmentation, None);
                assert_eq!(frame.offload.checksum, checksum);
                assert_eq!(is_complete(&frame), !wants.vnet);
                together.extend_from_slice(&frame[HEADERS..]);
            }
            assert_eq!(together, data);
        }
    });
}

#[test]
fn a_descriptor_of_the_caller_may_have_headers_too() {
    with_tap(|| {
        let callers = open("tap0", ALL).unwrap();
        let source = format!("@{}", callers.descriptor.as_raw_fd());
        let error = open(&source, PLAIN).unwrap_err();
        assert!(error.contains("virtio-net header"), "{error}");
        assert!(error.contains("without IFF_VNET_HDR"), "{error}");
        let nic = open(&source, ALL).unwrap();
        let socket = socket();
        socket.send(&[7; 100]).unwrap();
        let frame = receive(&nic);
        assert!(frame.len() == 142 && frame.offload.checksum != Checksum::Unverified);
        send(&nic, &[8; 100], None);
        let mut buffer = [0; 200];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 100);
        assert_eq!(buffer[..100], [8; 100]);
        drop((nic, callers));

        // Without them there is nothing left to do in a frame, whatever was said of this tap before.
        let plain = open("tap0", PLAIN).unwrap();
        let fd = plain.descriptor.as_raw_fd();
        // SAFETY: the request takes a number.
        let set = unsafe { libc::ioctl(fd, libc::TUNSETOFFLOAD, libc::TUN_F_CSUM) };
        assert_eq!(set, 0);
        let source = format!("@{}", plain.descriptor.as_raw_fd());
        let nic = open(&source, ALL).unwrap();
        assert!(nic.vnet.is_none() && !nic.info().offload.checksum);
        socket.send(&[9; 100]).unwrap();
        assert!(is_complete(&receive(&nic)));
    });
}

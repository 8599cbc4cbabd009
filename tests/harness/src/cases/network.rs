// SPDX-License-Identifier: ISC
//! Rows about network devices: floods of pings, in a network that they cannot leave.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixDatagram,
    thread,
    time::{Duration, Instant},
};

use super::Lab;
use crate::{
    launch::{Launch, Running},
    namespace::Namespace,
    outcome::{Check, Ending, Outcome},
    pace,
    platform::Platform,
    workspace,
};

/// Echo requests that must be answered.
const PINGS: u32 = 10_000;
/// How long that may take.
const LIMIT: Duration = Duration::from_secs(30);

/// One interface answers a flood.
pub(super) fn one(lab: &Lab) -> Check {
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    let launch = lab
        .launch()
        .net("service", "tap0")
        .argument(format!("--count={}", pace::count(PINGS)));
    let image = launch.start(Some(&namespace))?;
    answered(&flood(&namespace, "10.0.0.2")?.wait()?)?;
    image.wait()?.success()
}

/// Two interfaces answer two floods at once, each for itself.
pub(super) fn two(lab: &Lab) -> Check {
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    namespace.tap("tap1", "10.1.0.1/24", 1500)?;
    let launch = lab.launch().net("service", "tap0").net("second", "tap1");
    let launch = launch.argument(format!("--count={}", pace::count(PINGS)));
    let image = launch.start(Some(&namespace))?;
    let first = flood(&namespace, "10.0.0.2")?;
    let second = flood(&namespace, "10.1.0.2")?;
    answered(&first.wait()?)?;
    answered(&second.wait()?)?;
    image.wait()?.success()
}

/// The device says how long its frames may be, and carries one of that length.
pub(super) fn mtu(lab: &Lab) -> Check {
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 9000)?;
    let launch = lab.launch().net("service", "tap0").argument("--mtu=9000");
    let image = launch.argument("--count=100").start(Some(&namespace))?;
    // 9000 bytes with the headers of IPv4 and ICMP, never in fragments.
    answered(&namespace.run("ping -q -M do -s 8972 -i 0.002 -c 100 -w 15 10.0.0.2")?)?;
    image.wait()?.success()
}

/// A descriptor that was opened before: here a socket, at whose other end the questions are asked.
pub(super) fn descriptor(lab: &Lab) -> Check {
    const IMAGE: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const PEER: [u8; 6] = [2, 0, 0, 0, 0, 1];
    lab.not_on_stock("the stock tender wants a length of frames that a descriptor does not tell")?;
    let failed = |error: io::Error| Ending::Failed(format!("cannot make a socket: {error}"));
    let (ours, theirs) = UnixDatagram::pair().map_err(failed)?;
    ours.set_read_timeout(Some(pace::limit(LIMIT)))
        .map_err(failed)?;
    let launch = lab.launch().descriptor(theirs.into()).net("service", "@3");
    let launch = launch.option("--net-mac:service=02:00:00:00:00:02");
    let image = launch.argument("--count=100").start(None)?;
    // An echo request over IPv4 and its answer, but for checksums that nobody looks at.
    let frame = |stations: [[u8; 6]; 2], hosts: [u8; 2], kind: [u8; 4]| {
        let ip = [8, 0, 0x45, 0, 0, 36, 0, 0, 0, 0, 64, 1, 0, 0];
        let hosts = hosts.map(|host| [10, 0, 0, host]).concat();
        [
            &stations.concat()[..],
            &ip,
            &hosts,
            &kind,
            b"question and answer",
        ]
        .concat()
    };
    let question = frame([IMAGE, PEER], [1, 2], [8, 0, 0, 0]);
    let answer = frame([PEER, IMAGE], [2, 1], [0, 0, 8, 0]);
    let talk = || -> io::Result<()> {
        let mut heard = [0; 1514];
        for _ in 0..100 {
            ours.send(&question)?;
            let len = ours.recv(&mut heard)?;
            if heard[..len] != answer {
                return Err(io::Error::other("another answer came"));
            }
        }
        Ok(())
    };
    if let Err(error) = talk() {
        return image.stop()?.fails(&format!("a question: {error}"));
    }
    image.wait()?.success()
}

/// Frames larger than the link carries go and come where the tender offers that, and it does not
/// matter where it does not.
pub(super) fn offload(lab: &Lab) -> Check {
    let offers = !lab.platform.is_stock();
    echoes(lab, lab.launch(), offers, offers)
}

/// Memory that has no room for large buffers: frames are sent large where the tender takes them from
/// where their parts lie, which is not possible on a virtual CPU, and not received.
pub(super) fn offload_small(lab: &Lab) -> Check {
    lab.not_on_stock("the stock tender has no offloads")?;
    let launch = lab.platform.launch(&lab.image).option("--mem=1");
    echoes(lab, launch, lab.platform != Platform::Hvt, false)
}

/// Whether the image returns what Linux sends it, and says that it sends and receives large frames.
fn echoes(lab: &Lab, launch: Launch, sends: bool, receives: bool) -> Check {
    const COUNT: usize = 100_000;
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    // The image speaks TCP and nothing else.
    let mac = "02:00:00:00:00:02";
    namespace
        .run(&format!("ip neigh add 10.0.0.2 lladdr {mac} dev tap0"))?
        .exits(0)?;
    let data: Vec<u8> = (0..COUNT as u64).map(|n| (n * n / 512) as u8).collect();
    let folder = lab.scratch.display();
    // The image knows no window: its echo is read from the start, or a slow start of the reader would
    // have Linux drop some of it.
    let script = format!(
        "exec 3<>/dev/tcp/10.0.0.2/7; head -c {COUNT} <&3 | cmp - {folder}/in & \
         cat {folder}/in >&3; wait $!"
    );
    let written = fs::write(lab.scratch.join("in"), data)
        .and_then(|()| fs::write(lab.scratch.join("client"), script));
    written.map_err(|error| Ending::Failed(format!("cannot write to {folder}: {error}")))?;
    let launch = launch
        .net("service", "tap0")
        .option(format!("--net-mac:service={mac}"))
        .argument(format!("--count={COUNT}"));
    let image = launch.start(Some(&namespace))?;
    let client = namespace.start(&format!("bash {folder}/client"), LIMIT)?;
    let client = client.wait()?;
    let image = image.wait()?;
    image.success()?;
    image.says(&format!("large: sent {sends}, received {receives}"))?;
    client.exits(0)
}

/// With `-w`, ping goes on until that many were answered, or time is up.
fn flood(namespace: &Namespace, to: &str) -> Result<Running, Ending> {
    let limit = pace::limit(LIMIT).as_secs();
    let pings = pace::count(PINGS);
    let line = format!("ping -f -q -c {pings} -w {limit} {to}");
    namespace.start(&line, LIMIT + Duration::from_secs(5))
}

fn answered(ping: &Outcome) -> Check {
    ping.exits(0)
}

/// Without root: DHCP, and datagrams and a stream through forwarded ports.
pub(super) fn user(lab: &Lab) -> Check {
    lab.not_on_stock("the stock tender has no user network")?;
    let failed = |error: io::Error| Ending::Failed(format!("cannot talk to the image: {error}"));
    let port = free_port().map_err(failed)?;
    let launch = lab
        .launch()
        .net("service", &format!("user,udp:{port}:7,tcp:{port}:7"));
    let image = launch.start(None)?;
    let talk = || -> io::Result<()> {
        let peer = UdpSocket::bind("127.0.0.1:0")?;
        peer.connect(("127.0.0.1", port))?;
        peer.set_read_timeout(Some(Duration::from_millis(100)))?;
        exchange(&peer, &[1; 1472])?;
        let mut echo = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
        stream(&mut echo)?;
        exchange(&peer, b"stop")
    };
    if let Err(error) = talk() {
        return image.stop()?.fails(&format!("an echo: {error}"));
    }
    image.wait()?.success()
}

/// A stream is echoed by the unikernel that `tests/weather` asks for more. It ends when told.
pub(super) fn transfer(lab: &Lab) -> Check {
    lab.not_on_stock("the stock tender has no user network")?;
    let failed = |error: io::Error| Ending::Failed(format!("cannot talk to the image: {error}"));
    let port = free_port().map_err(failed)?;
    let launch = lab.launch().net("service", &format!("user,tcp:{port}:7"));
    let image = launch.start(None)?;
    let ask = |what: u8| -> io::Result<TcpStream> {
        let start = Instant::now();
        let mut header = [0; 17];
        header[0] = what;
        loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(mut stream) => return stream.write_all(&header).map(|()| stream),
                Err(error) if start.elapsed() > pace::limit(LIMIT) => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    };
    let talk = || -> io::Result<()> {
        stream(&mut ask(b'e')?)?;
        let end = ask(b'q')?.read(&mut [0])?;
        (end == 0)
            .then_some(())
            .ok_or_else(|| io::Error::other("the end is no end"))
    };
    if let Err(error) = talk() {
        return image.stop()?.fails(&format!("an echo: {error}"));
    }
    image.wait()?.success()
}

/// The unikernel of `tests/soak` says what it holds, and ends when told.
pub(super) fn soak(lab: &Lab) -> Check {
    lab.not_on_stock("the stock tender has no user network")?;
    let failed = |error: io::Error| Ending::Failed(format!("cannot talk to the image: {error}"));
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(failed)?;
    let port = free_port().map_err(failed)?;
    let launch = lab.launch().net("service", &format!("user,udp:{port}:7"));
    let image = launch.start(None)?;
    let ask = |what: &[u8], answer: &str| -> io::Result<()> {
        let start = Instant::now();
        let mut buffer = [0; 1500];
        loop {
            let heard = socket.send(what).and_then(|_| socket.recv(&mut buffer));
            match heard.map(|len| String::from_utf8_lossy(&buffer[..len]).contains(answer)) {
                Ok(true) => return Ok(()),
                Err(error) if start.elapsed() > pace::limit(LIMIT) => return Err(error),
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
    };
    let talk = || -> io::Result<()> {
        socket.connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        ask(b"?", " connections=0 ")?;
        // What it says to that may be lost, as it ends at once.
        socket.send(b"quit").map(|_| ())
    };
    if let Err(error) = talk() {
        return image.stop()?.fails(&format!("an answer: {error}"));
    }
    image.wait()?.success()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Sends a datagram until it comes back.
fn exchange(peer: &UdpSocket, data: &[u8]) -> io::Result<()> {
    let start = Instant::now();
    let mut buffer = [0; 2000];
    loop {
        // The port may not be open yet, or nobody behind it.
        let answer = peer.send(data).and_then(|_| peer.recv(&mut buffer));
        match answer {
            Ok(length) if buffer[..length] == *data => return Ok(()),
            Err(error) if start.elapsed() > pace::limit(LIMIT) => return Err(error),
            Ok(_) | Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Sends a megabyte while the same comes back.
fn stream(stream: &mut TcpStream) -> io::Result<()> {
    let data: Vec<u8> = (0..1_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    stream.set_read_timeout(Some(pace::limit(LIMIT)))?;
    let mut writer = stream.try_clone()?;
    let sent = data.clone();
    let writer = thread::spawn(move || {
        writer.write_all(&sent)?;
        writer.shutdown(Shutdown::Write)
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    let finished = writer
        .join()
        .map_err(|_| io::Error::other("the writer panicked"));
    finished??;
    match received == data {
        true => Ok(()),
        false => Err(io::Error::other("the stream came back changed")),
    }
}

/// The DNS server of the examples answers `dig` over UDP and TCP, and hands out a zone.
pub(super) fn dns(lab: &Lab) -> Check {
    if workspace::on_path("dig").is_none() {
        return Err(Ending::Skipped("`dig` is not installed".to_owned()));
    }
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    let launch = lab
        .launch()
        .net("service", "tap0")
        .argument("--ipv4=10.0.0.2/24");
    let image = launch
        .argument("--allow-transfer=10.0.0.1")
        .start(Some(&namespace))?;
    let judge = || -> Check {
        let dig = "dig @10.0.0.2 +tries=10 +time=1 +noall +answer";
        let answer = namespace.run(&format!("{dig} www.example.org A"))?;
        answer.says("192.0.2.80")?;
        answer.says("CNAME")?;
        namespace
            .run(&format!("{dig} +tcp example.org MX"))?
            .says("mx2.example.net.")?;
        let none = format!("{dig} +comments nobody.example.org A");
        namespace.run(&none)?.says("status: NXDOMAIN")?;
        let zone = namespace.run(&format!("{dig} example.net AXFR"))?;
        let soas = zone
            .output
            .lines()
            .filter(|line| line.contains("SOA"))
            .count();
        if soas < 2 || zone.output.lines().count() < 200 {
            return zone.fails("a whole zone between two SOA records");
        }
        Ok(())
    };
    match judge() {
        Err(Ending::Failed(how)) => image.stop()?.fails(&format!("answers; {how}")),
        other => other,
    }
}

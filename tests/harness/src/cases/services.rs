// SPDX-License-Identifier: ISC
//! Rows about whole servers over TCP and UDP, with the clients that everybody has.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use super::Lab;
use crate::{
    namespace::Namespace,
    outcome::{Check, Ending},
    pace, workspace,
};

/// How long a step may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Connections that are open at once.
const CONNECTIONS: usize = 32;

/// The echo service: a long stream to its end, many short ones side by side, datagrams.
pub(super) fn echo(lab: &Lab) -> Check {
    lab.not_on_stock("the stock tender has no user network")?;
    let failed = |error: io::Error| Ending::Failed(format!("cannot talk to the image: {error}"));
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(failed)?
        .port();
    let network = format!("user,udp:{port}:7,tcp:{port}:7");
    let image = lab.launch().net("service", &network).start(None)?;
    match talk(port) {
        Ok(()) => Ok(()),
        Err(error) => image.stop()?.fails(&format!("an echo: {error}")),
    }
}

fn talk(port: u16) -> io::Result<()> {
    datagram(port)?;
    let connect = || -> io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(pace::limit(LIMIT)))?;
        Ok(stream)
    };
    // More than all buffers on the way hold: the service must send while it receives.
    let data: Vec<u8> = (0..4_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut long = connect()?;
    let mut writer = long.try_clone()?;
    let sent = data.clone();
    let writer = thread::spawn(move || {
        writer.write_all(&sent)?;
        writer.shutdown(Shutdown::Write)
    });
    let mut short = Vec::new();
    for number in 0..CONNECTIONS {
        let mut stream = connect()?;
        stream.write_all(&number.to_be_bytes())?;
        short.push(stream);
    }
    for (number, stream) in short.iter_mut().enumerate() {
        let mut answer = [0; size_of::<usize>()];
        stream.read_exact(&mut answer)?;
        same(&answer, &number.to_be_bytes())?;
    }
    let mut received = Vec::new();
    long.read_to_end(&mut received)?;
    let finished = writer.join();
    finished.map_err(|_| io::Error::other("the writer panicked"))??;
    same(&received, &data)
}

fn same(received: &[u8], sent: &[u8]) -> io::Result<()> {
    match received == sent {
        true => Ok(()),
        false => Err(io::Error::other("it came back changed")),
    }
}

/// Sends a datagram until it comes back: the image may not be up yet.
fn datagram(port: u16) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let start = Instant::now();
    let mut buffer = [0; 2000];
    loop {
        match socket
            .send(&[7; 1472])
            .and_then(|_| socket.recv(&mut buffer))
        {
            Ok(len) => return same(&buffer[..len], &[7; 1472]),
            Err(error) if start.elapsed() > pace::limit(LIMIT) => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// What the stock client may be asked to do, beside the plainest.
const TESTS: &[&str] = &[
    "-n 4M -R",
    "-n 4M -P 4",
    "-t 1 --bidir",
    "-k 100 -l 1000",
    "-t 1 -b 20M -R",
];
const DATAGRAMS: &[&str] = &["-t 1 -u -b 20M", "-t 1 -u -b 20M -R -P 2"];

/// The stock client of iperf3 measures in every way that it has, and may die in the middle.
pub(super) fn iperf3(lab: &Lab) -> Check {
    let tests: Vec<&str> = TESTS.iter().chain(DATAGRAMS).copied().collect();
    measured(lab, None, &tests)
}

/// The same over other sockets, which have no datagrams.
pub(super) fn iperf3_smoltcp(lab: &Lab) -> Check {
    measured(lab, Some("--buffer=65536"), TESTS)
}

fn measured(lab: &Lab, argument: Option<&str>, tests: &[&str]) -> Check {
    if workspace::on_path("iperf3").is_none() {
        return Err(Ending::Skipped("`iperf3` is not installed".to_owned()));
    }
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    let launch = lab.launch().net("service", "tap0").limit(4 * LIMIT);
    let mut launch = launch.argument("--ipv4=10.0.0.2/24");
    if let Some(argument) = argument {
        launch = launch.argument(argument);
    }
    let image = launch.start(Some(&namespace))?;
    match clients(&namespace, tests) {
        Err(Ending::Failed(how)) => image.stop()?.fails(&format!("to be measured: {how}")),
        other => other,
    }
}

fn clients(namespace: &Namespace, tests: &[&str]) -> Check {
    let client = "iperf3 --client 10.0.0.2";
    let start = Instant::now();
    // The image may not be up yet.
    while let Err(failed) = namespace.run(&format!("{client} -n 4M"))?.exits(0) {
        if start.elapsed() > pace::limit(LIMIT) {
            return Err(failed);
        }
        thread::sleep(Duration::from_millis(20));
    }
    for test in tests {
        let outcome = namespace.run(&format!("{client} {test}"))?;
        outcome.exits(0)?;
        outcome.says("iperf Done.")?;
    }
    for test in ["", " -R", " --bidir -P 2"] {
        let served = || namespace.run(&format!("{client} -n 1K"));
        let mut doomed = None;
        until(|| {
            // One that came while the other was served has been refused, and begins anew.
            doomed = None;
            doomed = Some(namespace.start(&format!("{client} -t 30{test}"), LIMIT)?);
            thread::sleep(Duration::from_millis(200));
            Ok(served()?.says("the server is busy").is_ok())
        })?;
        drop(doomed); // kills it
        until(|| Ok(served()?.exits(0).is_ok()))?;
    }
    Ok(())
}

/// Asks again until it is so.
fn until(mut asked: impl FnMut() -> Result<bool, Ending>) -> Check {
    let start = Instant::now();
    while !asked()? {
        if start.elapsed() > pace::limit(LIMIT) {
            return Err(Ending::Failed(format!("it was not so within {LIMIT:?}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Pings the host from the image, and a host that is not there.
pub(super) fn ping(lab: &Lab) -> Check {
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    let ask = |host: &str, count: u32| {
        let launch = lab.launch().net("service", "tap0");
        launch
            .argument("--ipv4=10.0.0.2/24")
            .argument(format!("--host={host}"))
            .argument(format!("--count={count}"))
            .argument("--interval=10ms")
            // The host may lose what it sends while it notes that the tap has somebody behind it,
            // and who the host is is asked again after a second.
            .argument("--patience=10s")
            .start(Some(&namespace))?
            .wait()
    };
    let answered = ask("10.0.0.1", 3)?;
    answered.exits(0)?;
    answered.says("3 of 3 answered")?;
    ask("10.0.0.9", 1)?.exits(1)
}

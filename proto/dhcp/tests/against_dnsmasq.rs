// SPDX-License-Identifier: ISC
//! The client at a real server: dnsmasq, in a network of two namespaces that leads nowhere.
//!
//! The test starts itself again in the client's namespace, where it drives a [`Client`] over an
//! ordinary UDP socket. The clock is the test's own, so renewals come when it wants them.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use fata_dhcp::{
    CLIENT_PORT, Client, Kind, Message, SERVER_PORT,
    client::{BUFFER, Transmit},
};
use fata_test_harness::{launch::Running, namespace::Namespace, outcome::Ending};

const SECOND: u64 = 1_000_000_000;
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x77];
const LIMIT: Duration = Duration::from_secs(30);
/// Set to what to do, in the namespace.
const TASK: &str = "FATA_DHCP_TASK";

/// Starts dnsmasq with `options`, and this program in a namespace beside it to do `task`.
fn with_dnsmasq(test: &str, options: &str) {
    match try_with_dnsmasq(test, options) {
        Ok(()) => {}
        Err(Ending::Skipped(reason)) => println!("SKIP {test}: {reason}"),
        Err(other) => panic!("{other:?}"),
    }
}

fn try_with_dnsmasq(test: &str, options: &str) -> Result<(), Ending> {
    let here = Namespace::new()?;
    let there = here.beside()?;
    here.veth(&there, "10.0.0.1/24", "10.255.0.1/32")?;
    // A client has no address, and what it sends to everybody needs a way all the same.
    there.run("ip address flush dev veth1")?.exits(0)?;
    there
        .run("ip route add 255.255.255.255/32 dev veth1")?
        .exits(0)?;
    if here.run("dnsmasq --version")?.exits(0).is_err() {
        return Err(Ending::Skipped("`dnsmasq` is not installed".into()));
    }
    let leases = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.leases"));
    let _ = fs::remove_file(&leases);
    let server = here.start(
        &format!(
            "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root --pid-file= \
             --interface=veth0 --bind-interfaces --no-ping --log-facility=- --log-dhcp \
             --dhcp-leasefile={} {options}",
            leases.display()
        ),
        LIMIT,
    )?;
    let mut words = there.prefix();
    let program = env::current_exe().map_err(|error| Ending::Failed(error.to_string()))?;
    words.push(program.into());
    words.extend(["in_the_namespace", "--exact", "--ignored", "--nocapture"].map(Into::into));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env(TASK, test);
    let client = Running::start(command, LIMIT)?.wait()?;
    match client.exits(0).and_then(|()| client.says("1 passed")) {
        Err(Ending::Failed(how)) => server.stop()?.fails(&format!("a lease; {how}")),
        other => other,
    }
}

#[test]
fn leases_renews_and_releases() {
    with_dnsmasq(
        "leases_renews_and_releases",
        "--dhcp-range=10.0.0.60,10.0.0.60,1h --dhcp-option=option:router,10.0.0.1 \
         --dhcp-option=option:mtu,1400 --domain=example.org \
         --dhcp-option=option:dns-server,10.0.0.1,10.0.0.3 \
         --dhcp-option=option:classless-static-route,192.168.0.0/16,10.0.0.8,0.0.0.0/0,10.0.0.9",
    );
}

#[test]
fn leases_in_two_messages() {
    with_dnsmasq(
        "leases_in_two_messages",
        "--dhcp-range=10.0.0.60,10.0.0.60,1h --dhcp-rapid-commit",
    );
}

#[test]
#[ignore = "the other tests start it in a namespace of its own"]
fn in_the_namespace() {
    match env::var(TASK).as_deref() {
        Ok("leases_renews_and_releases") => renew_and_release(),
        Ok("leases_in_two_messages") => {
            let mut host = Host::new();
            host.until_leased();
            assert_eq!(host.seen, [Kind::Discover, Kind::Ack]);
        }
        other => panic!("no such task: {other:?}"),
    }
}

fn renew_and_release() {
    let mut host = Host::new();
    host.until_leased();
    let four = [Kind::Discover, Kind::Offer, Kind::Request, Kind::Ack];
    assert_eq!(host.seen, four);
    let lease = host.client.lease().expect("a lease").clone();
    let ip = |text: &str| text.parse::<Ipv4Addr>().expect("an address");
    assert_eq!((lease.address, lease.prefix_len), (ip("10.0.0.60"), 24));
    assert_eq!(
        lease.gateway,
        Some(ip("10.0.0.9")),
        "of the classless routes"
    );
    assert_eq!(lease.routes.len(), 1);
    assert_eq!(lease.routes[0].network, ip("192.168.0.0"));
    assert_eq!(lease.dns_servers, [ip("10.0.0.1"), ip("10.0.0.3")]);
    assert_eq!(lease.domain.as_deref(), Some("example.org"));
    assert_eq!((lease.mtu, lease.server), (Some(1400), ip("10.0.0.1")));
    assert!(host.client.take_changed());

    // From the leased address to the server alone, and then to everybody.
    ip_command("address add 10.0.0.60/24 dev veth1");
    for at in [host.client.deadline().expect("T1"), 3590 * SECOND] {
        host.now = host.now.max(at);
        let before = host.client.expires();
        host.until(|client| client.expires() != before);
        assert_eq!(host.seen[host.seen.len() - 2..], [Kind::Request, Kind::Ack]);
        assert_eq!(host.client.lease(), Some(&lease));
        assert!(!host.client.take_changed());
    }
    host.client.release(host.now);
    host.until(|client| client.lease().is_none());
    assert_eq!(host.seen.last(), Some(&Kind::Release));

    // Another host that asks gets the address: it is free.
    let mut other = Host::new();
    other.client = Client::new([2, 0, 0, 0, 0, 0x78], None, random, other.now);
    other.until_leased();
    assert_eq!(
        other.client.lease().map(|lease| lease.address),
        Some(lease.address)
    );
}

/// A client with a socket; its clock stands unless the test moves it.
struct Host {
    client: Client,
    now: u64,
    seen: Vec<Kind>,
}

impl Host {
    fn new() -> Self {
        Self {
            client: Client::new(MAC, Some("unikernel-7"), random, 0),
            now: 0,
            seen: Vec::new(),
        }
    }

    fn until_leased(&mut self) {
        self.until(|client| client.lease().is_some());
    }

    /// Sends and receives until something is so.
    fn until(&mut self, done: impl Fn(&Client) -> bool) {
        let start = Instant::now();
        let socket = open();
        while !done(&self.client) {
            assert!(start.elapsed() < LIMIT, "nothing comes: {:?}", self.seen);
            let mut buffer = [0; BUFFER];
            while let Some(transmit) = self.client.poll(self.now, &mut buffer) {
                self.send(&socket, &buffer, transmit);
            }
            let mut message = [0; 1500];
            match socket.recv_from(&mut message) {
                Ok((len, from)) => self.receive(&message[..len], from.ip()),
                // The server is not there yet, or has nothing to say: on to the next message.
                Err(_) => self.now = self.client.deadline().unwrap_or(0).max(self.now),
            }
        }
    }

    fn send(&mut self, socket: &UdpSocket, buffer: &[u8], transmit: Transmit) {
        let message = &buffer[..transmit.len];
        let kind = Message::parse(message).expect("a message").header().kind;
        // Only the last of those without answer is noted.
        if self.seen.last() != Some(&kind) {
            self.seen.push(kind);
        }
        let to = SocketAddrV4::new(transmit.destination, SERVER_PORT);
        socket.send_to(message, to).expect("the network takes it");
    }

    fn receive(&mut self, message: &[u8], from: std::net::IpAddr) {
        let kind = Message::parse(message).expect("a message").header().kind;
        self.seen.push(kind);
        if let std::net::IpAddr::V4(from) = from {
            self.client.receive(message, from, self.now);
        }
    }
}

fn open() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT)).expect("port 68");
    socket.set_broadcast(true).expect("broadcasts");
    let patience = Some(Duration::from_millis(500));
    socket.set_read_timeout(patience).expect("a limit");
    socket
}

fn ip_command(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status();
    assert!(status.is_ok_and(|status| status.success()), "ip {words}");
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

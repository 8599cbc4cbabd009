// SPDX-License-Identifier: ISC
//! Every answer over four zones, compared with those of NSD serving the same files: code, flags, and
//! the records of each section as sets.
//!
//! Known to differ, by policy, and left out of the comparison:
//!
//! - ANY: NSD answers with one RRset of its choice (RFC 8482 section 4.1), this server too over UDP,
//!   but over TCP with all; so what NSD says must be among what a transfer has, as must ours.
//! - Additional records of a reply that is nearly full: which of them are left out is free.
//! - Sections of a truncated reply: nobody may use them (RFC 2181 section 9).
//! - A referral without room for all its glue: truncated here (RFC 9471), not by NSD before 4.7.
//! - NSEC3: NSD treats its owners as hidden, whether the zone is signed or not.

#[allow(dead_code, reason = "other tests use the rest")]
mod message;
mod nsd;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    time::Duration,
};

use fata_dns::{Name, Policy, Server, Transport, Zone};
use message::{Edns, Message, Record, TC};
use nsd::Nsd;

const A: u16 = 1;
const NS: u16 = 2;
const NSEC3: u16 = 50;
const ANY: u16 = 255;
const AXFR: u16 = 252;
/// Types that are asked of names which have none of their own.
const COMMON: [u16; 12] = [A, 2, 5, 6, 12, 15, 16, 28, 33, 39, 43, 65280];

/// The zones of `examples/app/dns`, and two of which one is below the other.
const ZONES: [&str; 4] = [
    "../../examples/app/dns/zones/example.org.zone",
    "../../examples/app/dns/zones/example.net.zone",
    "tests/zones/example.com.zone",
    "tests/zones/child.example.com.zone",
];

fn zones() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    ZONES.map(|file| folder.join(file)).to_vec()
}

/// Their names.
fn origins() -> Vec<String> {
    let name = |file: &PathBuf| file.file_stem()?.to_str().map(String::from);
    zones().iter().filter_map(name).collect()
}

fn server(minimal: bool) -> Server {
    let parse = |file: &PathBuf| {
        let text = fs::read(file).expect("a zone file");
        let name = file
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        let origin: Name = name.parse().expect("a name");
        Zone::parse(&file.display().to_string(), &text, &origin).unwrap_or_else(|e| panic!("{e}"))
    };
    let policy = Policy {
        transfer: vec!["127.0.0.1".parse().expect("an address")],
        minimal,
        ..Policy::default()
    };
    Server::new(zones().iter().map(parse).collect(), policy).expect("different zones")
}

/// The two servers, and what they disagree about.
struct Judge {
    server: Server,
    nsd: Nsd,
    socket: UdpSocket,
    stream: TcpStream,
    asked: usize,
    truncated: usize,
    short_of_glue: usize,
    disagreements: Vec<String>,
}

impl Judge {
    /// Nothing if NSD is not installed.
    fn new(test: &str, minimal: bool) -> Option<Self> {
        let Some(nsd) = nsd::find("nsd") else {
            println!("SKIP {test}: nsd is not installed (Debian: apt install nsd)");
            return None;
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let nsd = Nsd::start(&nsd, &zones(), &folder, minimal).expect("nsd");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.connect(nsd.address).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a socket");
        Some(Self {
            server: server(minimal),
            stream: connect(nsd.address),
            nsd,
            socket,
            asked: 0,
            truncated: 0,
            short_of_glue: 0,
            disagreements: Vec::new(),
        })
    }

    fn ask_nsd(&mut self, query: &[u8], transport: Transport) -> Vec<u8> {
        match transport {
            Transport::Udp => {
                let mut reply = vec![0; 65_535];
                self.socket.send(query).expect("nsd takes a query");
                let len = self.socket.recv(&mut reply).expect("nsd answers");
                reply.truncate(len);
                reply
            }
            Transport::Tcp => {
                // NSD ends connections after a number of queries.
                if self.asked.is_multiple_of(50) {
                    self.stream = connect(self.nsd.address);
                }
                send(&mut self.stream, query);
                receive(&mut self.stream)
            }
        }
    }

    /// Asks both and compares.
    fn compare(&mut self, name: &[u8], rtype: u16, edns: Option<Edns>, transport: Transport) {
        self.asked += 1;
        let query = message::query(self.asked as u16, name, rtype, edns);
        let theirs = self.ask_nsd(&query, transport);
        let mut ours = vec![0; 65_535];
        let len = self
            .server
            .answer(&query, transport, &mut ours)
            .expect("an answer");
        ours.truncate(len);
        let what = || {
            let name = name.escape_ascii();
            format!("{name} TYPE{rtype} {edns:?} {transport:?}")
        };
        let ours = Message::parse(&ours).unwrap_or_else(|e| panic!("{}: our reply: {e}", what()));
        let theirs = Message::parse(&theirs).unwrap_or_else(|e| panic!("{}: {e}", what()));
        let mut differences = Vec::new();
        if ours.question != theirs.question || ours.id != theirs.id {
            differences.push("question".to_owned());
        }
        if is_referral(&theirs) && ours.flags == theirs.flags | TC {
            self.short_of_glue += 1;
            return;
        }
        if (ours.flags, ours.rcode()) != (theirs.flags, theirs.rcode()) {
            differences.push(format!("flags {:04x} for {:04x}", ours.flags, theirs.flags));
        }
        if ours.opt != theirs.opt {
            differences.push(format!("OPT {:?} for {:?}", ours.opt, theirs.opt));
        }
        if ours.flags & TC != 0 {
            self.truncated += 1;
        } else {
            // Both servers leave out addresses that do not fit, not the same ones.
            let room = edns.map_or(512, |edns| edns.payload.clamp(512, 1232));
            let nearly_full = transport == Transport::Udp && len + 64 > usize::from(room);
            let any = rtype == ANY && !ours.sections[0].is_empty();
            let sections = ours.sections.iter().zip(&theirs.sections).enumerate();
            for (i, (ours, theirs)) in sections.take(if nearly_full { 2 } else { 3 }) {
                if any {
                    differences.extend(any_difference(i, ours, theirs, transport));
                } else {
                    differences.extend(difference(i, ours, theirs));
                }
            }
        }
        if !differences.is_empty() {
            self.disagreements
                .push(format!("{}: {}", what(), differences.join("; ")));
        }
    }

    fn finish(self, test: &str) {
        println!(
            "{test}: {} answers compared, {} truncated, {} referrals short of glue",
            self.asked, self.truncated, self.short_of_glue
        );
        let shown = self
            .disagreements
            .iter()
            .take(25)
            .cloned()
            .collect::<Vec<_>>();
        assert!(
            self.disagreements.is_empty(),
            "{} answers differ from those of NSD:\n{}",
            self.disagreements.len(),
            shown.join("\n")
        );
    }
}

fn is_referral(message: &Message) -> bool {
    let [answer, authority, _] = &message.sections;
    answer.is_empty() && !authority.is_empty() && authority.iter().all(|record| record.rtype == NS)
}

fn difference(section: usize, ours: &[Record], theirs: &[Record]) -> Option<String> {
    let only = |a: &[Record], b: &[Record]| {
        let only: Vec<_> = a
            .iter()
            .filter(|record| !b.contains(record))
            .cloned()
            .collect();
        format!("{only:?}")
    };
    (ours != theirs).then(|| {
        format!(
            "section {section}: we alone {}, nsd alone {}",
            only(ours, theirs),
            only(theirs, ours)
        )
    })
}

/// What both have of an answer to ANY must agree; over TCP we have all that NSD has.
fn any_difference(
    section: usize,
    ours: &[Record],
    theirs: &[Record],
    transport: Transport,
) -> Option<String> {
    let shared = |of: &[Record], with: &[Record]| -> Vec<Record> {
        let set = |a: &Record, b: &Record| (&a.owner, a.rtype) == (&b.owner, b.rtype);
        let shared = of.iter().filter(|a| with.iter().any(|b| set(a, b)));
        shared.cloned().collect()
    };
    match (section, transport) {
        (0, Transport::Udp) => difference(0, &shared(ours, theirs), &shared(theirs, ours)),
        (0, Transport::Tcp) => difference(0, &shared(ours, theirs), theirs),
        _ => None,
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("nsd listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a socket");
    stream
}

fn send(stream: &mut TcpStream, message: &[u8]) {
    let len = (message.len() as u16).to_be_bytes();
    stream
        .write_all(&[&len[..], message].concat())
        .expect("nsd takes a query");
}

fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut len = [0; 2];
    stream.read_exact(&mut len).expect("nsd answers");
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream
        .read_exact(&mut message)
        .expect("nsd answers in full");
    message
}

/// The records of a whole transfer, given its messages.
fn transferred(mut next: impl FnMut() -> Vec<u8>) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let message = Message::parse(&next()).expect("a message of a transfer");
        assert_eq!(message.rcode(), 0);
        records.extend(message.sections.into_iter().next().expect("an answer"));
        if records.iter().filter(|record| record.rtype == 6).count() == 2 {
            break;
        }
    }
    records.sort();
    records
}

fn our_transfer(server: &Server, zone: &str) -> Vec<Record> {
    let query = message::query(7, &message::wire(zone), AXFR, None);
    let mut transfer = server
        .transfer(&query, IpAddr::V4(Ipv4Addr::LOCALHOST))
        .expect("a transfer");
    transferred(|| {
        let mut reply = vec![0; 65_535];
        let len = transfer.next(&mut reply).expect("another message");
        reply.truncate(len);
        reply
    })
}

/// All owners in both zones with their types, and names beside, above and below them that have none.
fn questions(server: &Server) -> (Vec<(String, Vec<u16>)>, Vec<String>) {
    let mut owners = Vec::new();
    let mut others = BTreeSet::new();
    for zone in origins() {
        for (owner, types) in message::by_owner(&our_transfer(server, &zone)) {
            if types.contains(&NSEC3) {
                continue;
            }
            let parent = owner.split_once('.').map_or("", |(_, parent)| parent);
            let parent = if parent.is_empty() { "." } else { parent };
            others.insert(format!("beside.{parent}").replace("..", "."));
            others.insert(parent.to_owned());
            if owner.len() < 200 {
                others.insert(format!("x.{owner}"));
                others.insert(format!("*.{owner}"));
                others.insert(format!("a.b.{owner}"));
                others.insert(owner.to_uppercase());
            }
            owners.push((owner, types));
        }
    }
    others.extend(
        [
            ".",
            "com.",
            "example.com.",
            "rg.",
            "xample.org.",
            "b.c.d.e.f.g.",
        ]
        .map(String::from),
    );
    (owners, others.into_iter().collect())
}

const PLAIN: Option<Edns> = None;
const SIZES: [Option<Edns>; 3] = [
    PLAIN,
    Some(Edns {
        payload: 1232,
        dnssec_ok: false,
    }),
    Some(Edns {
        payload: 4096,
        dnssec_ok: true,
    }),
];

fn compare_all(test: &str, minimal: bool, sizes: &[Option<Edns>]) {
    let Some(mut judge) = Judge::new(test, minimal) else {
        return;
    };
    let (owners, others) = questions(&judge.server);
    let all_types: BTreeSet<u16> = owners
        .iter()
        .flat_map(|(_, types)| types.iter().copied())
        .chain(COMMON)
        .chain([ANY])
        .collect();
    for &edns in sizes {
        for (owner, _) in &owners {
            for &rtype in &all_types {
                judge.compare(&message::wire(owner), rtype, edns, Transport::Udp);
            }
        }
        for name in &others {
            for rtype in COMMON.into_iter().chain([ANY]) {
                judge.compare(&message::wire(name), rtype, edns, Transport::Udp);
            }
        }
    }
    for (owner, types) in &owners {
        for &rtype in types
            .iter()
            .filter(|&&rtype| rtype != NSEC3)
            .chain(&[A, ANY, 65280])
        {
            judge.compare(&message::wire(owner), rtype, PLAIN, Transport::Tcp);
        }
    }
    for name in &others {
        for rtype in [A, 15, ANY] {
            judge.compare(&message::wire(name), rtype, SIZES[1], Transport::Tcp);
        }
    }
    judge.finish(test);
}

#[test]
fn every_answer_is_that_of_nsd() {
    compare_all("every_answer_is_that_of_nsd", true, &SIZES);
}

/// With the name servers of the zone in positive answers.
#[test]
fn every_full_answer_is_that_of_nsd() {
    compare_all("every_full_answer_is_that_of_nsd", false, &SIZES[..1]);
}

/// All sizes from the smallest on, for answers that are truncated somewhere between.
#[test]
fn truncation_is_that_of_nsd() {
    let test = "truncation_is_that_of_nsd";
    let Some(mut judge) = Judge::new(test, true) else {
        return;
    };
    for name in ["a", "mx", "txt", "srv", "cname", "near512"] {
        let name = message::wire(&format!("{name}.big.example.net."));
        for payload in (0..1300).step_by(7) {
            for rtype in [A, 15, 16, 33] {
                let edns = Some(Edns {
                    payload,
                    dnssec_ok: false,
                });
                judge.compare(&name, rtype, edns, Transport::Udp);
            }
        }
    }
    judge.finish(test);
}

#[test]
fn transfers_are_those_of_nsd() {
    let Some(judge) = Judge::new("transfers_are_those_of_nsd", true) else {
        return;
    };
    for zone in &origins() {
        let ours = our_transfer(&judge.server, zone);
        let mut stream = connect(judge.nsd.address);
        send(
            &mut stream,
            &message::query(7, &message::wire(zone), AXFR, None),
        );
        let theirs = transferred(|| receive(&mut stream));
        assert_eq!(ours, theirs, "{zone}");
    }
}

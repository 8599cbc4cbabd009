// SPDX-License-Identifier: ISC
//! Two hosts on one link: fragments there and back, pings, and the end of what stays incomplete.

use super::*;

/// Two hosts, whose frames a function may lose.
struct Pair([Host; 2]);

impl Pair {
    fn new() -> Self {
        let host = |last: u8, mac| {
            let mut host = Host::with(info(mac), config(last));
            while host.now < LATER {
                host.pass(SECOND);
            }
            host.wire.frames.clear();
            host
        };
        Self([host(2, OWN_MAC), host(9, PEER_MAC)])
    }

    /// Carries frames until there are none; gives what arrived at each.
    fn carry(&mut self, mut lost: impl FnMut(&[u8]) -> bool) -> [Vec<(Vec<u8>, Input)>; 2] {
        let mut arrived = [Vec::new(), Vec::new()];
        for _ in 0..20 {
            for (to, arrived) in arrived.iter_mut().enumerate() {
                for frame in self.0[1 - to].sent() {
                    if lost(&frame) {
                        continue;
                    }
                    match self.0[to].receive(&frame) {
                        Input::Nothing => {}
                        input => arrived.push((frame, input)),
                    }
                }
            }
        }
        arrived
    }
}

/// RFC 791 section 2.3, RFC 8200 section 4.5: 60 KB there, in pieces that fit.
#[test]
fn long_datagrams_arrive_whole() {
    let data: Vec<u8> = (0..60_000u32).map(|at| ((at * 7) >> 3) as u8).collect();
    let mut header = [0, 53, 0x30, 0x39, 0, 0, 0, 0];
    header[4..6].copy_from_slice(&60_008u16.to_be_bytes());
    for to in [v4(PEER4), v6(PEER6)] {
        let mut pair = Pair::new();
        pair.0[0].send(&datagram(to, &header, &data)).unwrap();
        let mut longest = 0;
        let [_, mut arrived] = pair.carry(|frame| {
            longest = longest.max(frame.len());
            false
        });
        assert!((1500..=1514).contains(&longest));
        let (_, Input::Reassembled(frame, packet)) = arrived.remove(0) else {
            panic!()
        };
        assert_eq!((packet.destination, packet.protocol), (to, 17));
        assert_eq!(frame[packet.payload][8..], data);
        assert!(arrived.is_empty());
        assert_eq!(pair.0[1].ip.counters().checksum, 0);
    }
}

#[test]
fn long_pings_come_back() {
    let mut pair = Pair::new();
    for to in [v4(PEER4), v6(PEER6)] {
        let [host, _] = &mut pair.0;
        host.ip
            .ping(&mut host.wire, to, 1, 2, 9000, host.now)
            .unwrap();
        let [arrived, _] = pair.carry(|_| false);
        assert!(matches!(arrived[..], [(_, Input::Echo(echo))] if echo.source == to));
    }
}

/// RFC 1122 section 3.3.2, RFC 4443 section 3.3: the sender is told, by whom the first piece came.
#[test]
fn lost_pieces_end_in_an_error() {
    let data = [3; 4000];
    let header = [0, 53, 0x30, 0x39, 15, 168, 0, 0];
    for to in [v4(PEER4), v6(PEER6)] {
        let mut pair = Pair::new();
        pair.0[0].send(&datagram(to, &header, &data)).unwrap();
        let mut pieces = 0;
        pair.carry(|frame| {
            pieces += usize::from(frame.len() > 100);
            frame.len() > 100 && pieces == 2
        });
        pair.0[1].pass(61 * SECOND);
        // Both have to find each other again.
        let [arrived, _] = pair.carry(|_| false);
        let [(_, Input::Error(error))] = &arrived[..] else {
            panic!("{}", arrived.len())
        };
        assert_eq!((error.protocol, error.destination), (17, to));
        assert_eq!(error.header[..4], header[..4]);
        assert_eq!(pair.0[1].ip.counters().fragments_lost, 1);
    }
}

/// RFC 8200, section 4.5 and RFC 6946: what is whole in one piece waits for nothing.
#[test]
fn atomic_fragments_are_whole() {
    let mut host = Host::new();
    let plain = udp(v6(PEER6), v6(OWN6), b"x");
    let mut payload = vec![17, 0, 0, 0, 1, 2, 3, 4];
    payload.extend(&plain[54..]);
    let arrived = transport(host.receive(&frame(v6(PEER6), v6(OWN6), 44, &payload)));
    assert_eq!((arrived.protocol, arrived.payload.start), (17, 62));
}

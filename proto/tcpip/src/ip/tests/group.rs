// SPDX-License-Identifier: ISC
//! IGMP and MLD on the wire.

use super::*;

/// A report by MLD version 2 on one group (RFC 3810, section 5.2).
fn report_v2(kind: u8, group: Addr) -> Vec<u8> {
    let mut message = vec![143, 0, 0, 0, 0, 0, 0, 1, kind, 0, 0, 0];
    message.extend(octets(group));
    mld(own_local(), v6("ff02::16"), &message)
}

/// A message behind a router alert, as it leaves us.
fn mld(source: Addr, to: Addr, message: &[u8]) -> Vec<u8> {
    let mut payload = vec![58, 0, 5, 2, 0, 0, 1, 0];
    payload.extend(sealed(source, to, 58, 2, message));
    let mac = super::super::group::ethernet(to);
    let mut frame = frame_with(mac, source, to, 0, 1, &payload);
    frame[6..12].copy_from_slice(&OWN_MAC);
    frame
}

/// A message with a router alert (RFC 2113), as it leaves us.
fn igmp(kind: u8, to: [u8; 4], group: [u8; 4]) -> Vec<u8> {
    let [_, a, b, c] = to;
    let mut frame = vec![1, 0, 0x5e, a, b, c];
    frame.extend(OWN_MAC);
    let mut header = vec![0x46, 0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0];
    header.extend(OWN4);
    header.extend(to);
    header.extend([0x94, 4, 0, 0]);
    let header_sum = sum(&[&header]);
    header[10..12].copy_from_slice(&header_sum);
    frame.extend([8, 0]);
    frame.extend(header);
    let mut message = vec![kind, 0, 0, 0];
    message.extend(group);
    frame.extend(sealed(v4(to), v4(to), 2, 2, &message));
    frame
}

/// RFC 3810, section 6.1: twice each change.
#[test]
fn mld_reports_changes() {
    let mut host = Host::new();
    let group = v6("ff02::fb");
    assert!(is_nothing(&host.receive(&udp(v6(PEER6), group, b"x"))));
    assert!(host.ip.join(group, host.now));
    host.pass(0);
    host.pass(SECOND);
    assert_eq!(host.sent(), [report_v2(4, group), report_v2(4, group)]);
    let mut frame = udp(v6(PEER6), group, b"x");
    frame[..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 0xfb]);
    transport(host.receive(&frame));
    host.ip.leave(group, host.now);
    host.pass(0);
    assert_eq!(host.sent(), [report_v2(3, group)]);
    assert!(is_nothing(&host.receive(&frame)));
}

/// RFC 3810, sections 6.2 and 8.2.1.
#[test]
fn mld_answers_routers() {
    let mut host = Host::new();
    let group = v6("ff02::fb");
    host.ip.join(group, host.now);
    host.pass(0);
    host.pass(SECOND);
    host.sent();
    let router = v6("fe80::1");
    let mut question = vec![130, 0, 0, 0, 3, 0xe8, 0, 0];
    question.extend([0; 16]);
    let mut second = question.clone();
    second.extend([2, 125, 0, 0]);
    host.receive(&icmp6(router, v6("ff02::1"), 1, &second));
    host.pass(SECOND);
    // Also that of our addresses, which are alike at their end, but not that of all nodes.
    let sent = host.sent();
    assert_eq!(sent.len(), 2);
    assert!(sent.contains(&report_v2(2, v6("ff02::1:ff00:2"))));
    assert!(sent.contains(&report_v2(2, group)));
    // From elsewhere than this link.
    host.receive(&icmp6(router, v6("ff02::1"), 2, &second));
    host.receive(&icmp6(v6(PEER6), v6("ff02::1"), 1, &second));
    host.pass(SECOND);
    assert!(host.sent().is_empty());
    // Version 1, about one group, and a while after it.
    question[8..].copy_from_slice(&octets(group));
    host.receive(&icmp6(router, v6("ff02::1"), 1, &question));
    host.pass(SECOND);
    let mut report = vec![131, 0, 0, 0, 0, 0, 0, 0];
    report.extend(octets(group));
    assert_eq!(host.sent(), [mld(own_local(), group, &report)]);
    host.ip.leave(group, host.now);
    host.pass(0);
    report[0] = 132;
    assert_eq!(host.sent(), [mld(own_local(), v6("ff02::2"), &report)]);
}

/// RFC 2236, sections 2 and 3.
#[test]
fn igmp_reports_and_answers() {
    let mut host = Host::new();
    let group = [224, 0, 0, 251];
    assert!(host.ip.join(v4(group), host.now));
    assert!(!host.ip.join(v4(PEER4), host.now));
    host.pass(0);
    host.pass(SECOND);
    let report = igmp(0x16, group, group);
    assert_eq!(host.sent(), [report.clone(), report.clone()]);
    for question in [
        &[0x11, 10, 0, 0, 0, 0, 0, 0][..],
        &[0x11, 10, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0],
    ] {
        let (router, all) = (v4(ROUTER4), v4([224, 0, 0, 1]));
        let message = sealed(router, all, 2, 2, question);
        let mut frame = frame(router, all, 2, &message);
        frame[..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, 1]);
        host.receive(&frame);
        host.pass(SECOND);
        assert_eq!(host.sent(), core::slice::from_ref(&report));
        *frame.last_mut().unwrap() ^= 1;
        host.receive(&frame);
        host.pass(100 * SECOND);
        assert!(host.sent().is_empty());
    }
    host.ip.leave(v4(group), host.now);
    host.pass(0);
    assert_eq!(host.sent(), [igmp(0x17, [224, 0, 0, 2], group)]);
}

// SPDX-License-Identifier: ISC
//! Master files, right and wrong.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use crate::{Name, WarningKind, Zone, ZoneError, types::Type};

const HEAD: &str = "$TTL 1h\n@ SOA ns h 1 2h 3h 4w 5m\n@ NS ns.example.com.\n";

fn parse(text: &str) -> Result<Zone, ZoneError> {
    Zone::parse("test", text.as_bytes(), &"example.org".parse().unwrap())
}

/// The zone of `HEAD` and `text`.
fn zone(text: &str) -> Zone {
    parse(&format!("{HEAD}{text}")).unwrap_or_else(|error| panic!("{error}"))
}

/// Why `HEAD` and `text` are refused. Lines count from that of `text`.
fn refusal(text: &str) -> String {
    let mut error = parse(&format!("{HEAD}{text}")).err().expect("an error");
    error.line = error.line.saturating_sub(3);
    error.to_string()
}

fn node(zone: &Zone, name: &str) -> u32 {
    let name: Name = name.parse().unwrap();
    zone.tree.find(name.lower().as_bytes()).expect("a name")
}

/// TTL and data of the records of a name and type, as stored.
fn records(zone: &Zone, name: &str, rtype: u16) -> (u32, Vec<Vec<u8>>) {
    let rrset = zone.rrset(node(zone, name), Type(rtype)).expect("records");
    (rrset.ttl, zone.data(rrset).map(<[u8]>::to_vec).collect())
}

/// The data of the only record of type `rtype` that `text` makes for the name `x`.
fn data(rtype: u16, text: &str) -> Vec<u8> {
    let zone = zone(&format!("x {} {text}\n", Type(rtype)));
    let (_, mut data) = records(&zone, "x.example.org", rtype);
    assert_eq!(data.len(), 1);
    data.remove(0)
}

/// RFC 1035 section 5.1: owners left out, `$ORIGIN`, parentheses, comments, class and TTL in either
/// order and in any case.
#[test]
fn entries() {
    let zone = zone(
        "a A 192.0.2.1 ; a comment\n\
         \tA 192.0.2.2\n\
         \n   ; nothing but a comment\n\
         b 5m in a 192.0.2.3\n\
         c IN 6m A ( ; over lines\n  192.0.2.4\n )\n\
         $ORIGIN sub\n\
         d CLASS1 TYPE1 192.0.2.5\n\
         @ 7 A 192.0.2.6\n\
         $origin example.org.\r\n\
         e.example.org. A 192.0.2.7\r\n\
         f A 192.0.2.8",
    );
    let a = |last: u8| Vec::from([192, 0, 2, last]);
    let get = |name: &str| records(&zone, name, 1);
    assert_eq!(get("a.example.org"), (3600, Vec::from([a(1), a(2)])));
    assert_eq!(get("b.example.org"), (300, Vec::from([a(3)])));
    assert_eq!(get("c.example.org"), (360, Vec::from([a(4)])));
    assert_eq!(get("d.sub.example.org").1, [a(5)]);
    assert_eq!(get("sub.example.org"), (7, Vec::from([a(6)])));
    assert_eq!(get("e.example.org").1, [a(7)]);
    assert_eq!(get("f.example.org").1, [a(8)]);
    assert_eq!((zone.serial(), zone.soa.negative_ttl), (1, 300));
}

/// RFC 2308 section 4, RFC 1035 sections 3.3.13 and 5.1.
#[test]
fn default_ttls() {
    let text = "@ SOA ns h 1 2 3 4 77\n@ NS ns.example.com.\n\
                a 9 A 192.0.2.1\nb A 192.0.2.1\n$TTL 5\nc A 192.0.2.1\n";
    let zone = parse(text).unwrap();
    let ttl = |name: &str| records(&zone, name, 1).0;
    assert_eq!(records(&zone, "example.org", 6).0, 77);
    assert_eq!(records(&zone, "example.org", 2).0, 77);
    assert_eq!((ttl("b.example.org"), ttl("c.example.org")), (9, 5));
    let error = parse("@ NS ns\n").err().unwrap().to_string();
    assert!(error.contains("$TTL 3600"), "{error}");
}

/// RFC 1035 section 5.1: `\DDD`, `\X` and quotes.
#[test]
fn strings() {
    assert_eq!(
        data(16, r#""a b" c \"d\" \065\000"#),
        *b"\x03a b\x01c\x03\"d\"\x02A\0"
    );
    assert_eq!(
        data(16, r#""" "semi;colon (not) a comment""#),
        *b"\0\x1asemi;colon (not) a comment"
    );
    assert_eq!(
        data(
            16,
            r#"("a"   ; one
        "b")"#
        ),
        *b"\x01a\x01b"
    );
    assert!(refusal("x TXT \"open\n").starts_with("test:1:7: expected a closing"));
    assert!(refusal(&format!("x TXT {}", "a".repeat(256))).contains("at most 255"));
    assert_eq!(data(16, &"a".repeat(255))[0], 255);
    assert!(refusal("x TXT \\256").contains("up to 255"));
}

/// RFC 3597 sections 4 and 5.
#[test]
fn unknown_types() {
    assert_eq!(
        data(
            731,
            r"\# 6 abcd ( ef01 23\n45 )".replace("\\n", "\n").as_str()
        ),
        [0xab, 0xcd, 0xef, 1, 0x23, 0x45]
    );
    assert_eq!(data(62347, r"\# 0"), []);
    assert_eq!(data(1, r"\# 4 c0000201"), [192, 0, 2, 1]);
    // A name in it is a name, so that it can be compressed and followed.
    let zone = zone("x CNAME \\# 7 0159 03 63 4f 4d 00\n");
    node(&zone, "y.com");
    for (wrong, why) in [
        ("x TYPE731 \\# 5 abcd", "as many bytes"),
        ("x A \\# 3 c00002", "valid for the type"),
        ("x CNAME \\# 3 017900ff", "as many bytes"),
        ("x MX \\# 2 0001", "valid for the type"),
        ("x TYPE731 something", "form of types not known"),
        ("x TYPE731 \\# 1 0", "whole bytes"),
        ("x TYPE41 \\# 0", "this one has none"),
        ("x TYPE255 \\# 0", "this one has none"),
    ] {
        let error = refusal(wrong);
        assert!(error.contains(why), "{wrong}: {error}");
    }
}

/// The examples of the RFCs that made the types, or ones like them.
#[test]
fn data_of_many_types() {
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits
            .chunks(2)
            .map(|pair| (pair[0] << 4 | pair[1]) as u8)
            .collect()
    };
    for (rtype, text, wire) in [
        (13, "PDP-11 UNIX", "06 5044502d3131 04 554e4958"),
        (28, "2001:db8::1", "20010db8000000000000000000000001"),
        // RFC 1876 section 4.
        (
            29,
            "42 21 54 N 71 06 18 W -24m 30m",
            "00331613 8917 2dd0 70be 15f0 0098 8d20",
        ),
        (35, r#"100 50 "s" "" "" a."#, "0064 0032 0173 00 00 016100"),
        (
            42,
            "!1:192.0.2.64/28 2:2001:db8::/32",
            "00011c84 c0000240 00022004 20010db8",
        ),
        (43, "60485 5 1 2BB183AF 5F22", "ec45 05 01 2bb183af5f22"),
        (45, "10 1 2 192.0.2.38 AQNR", "0a 01 02 c0000226 010351"),
        (45, "10 0 2 . AQNR", "0a 00 02 010351"),
        (
            46,
            "A 5 3 86400 20030322173103 ( 20030220173103 2642 example.com. AQNR )",
            "0001 05 03 00015180 3e7c9dd7 3e5510d7 0a52 07 6578616d706c65 03 636f6d 00 010351",
        ),
        // RFC 4034 section 4.3.
        (
            47,
            "host. A MX RRSIG NSEC TYPE1234",
            "04 686f7374 00 0006 400100000003 041b 0000000000000000000000000000000000000000000000000000 20",
        ),
        (
            50,
            "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr A",
            "01 01 000c 04 aabbccdd 14 174eb2409fe28bcb4887a1836f957f0a8425e27b 0001 40",
        ),
        (51, "1 0 12 -", "01 00 000c 00"),
        (52, "0 0 1 d2ab", "00 00 01 d2ab"),
        (62, "66 3 A NS AAAA", "00000042 0003 0004 60000008"),
        // RFC 9460 appendix D.2.
        (64, "1 foo. port=53", "0001 03 666f6f 00 0003 0002 0035"),
        (
            64,
            "16 foo. (alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1)",
            "0010 03 666f6f 00 0000 0004 0001 0004 0001 0009 02 6832 05 68332d3139 0004 0004 c0000201",
        ),
        (
            64,
            r#"16 foo. alpn="f\\\\oo\\,bar,h2""#,
            "0010 03 666f6f 00 0001 000c 08 665c6f6f2c626172 02 6832",
        ),
        (104, "10 0014:4fff:ff20:ee64", "000a 00144fffff20ee64"),
        (108, "00-00-5e-00-53-2a", "00005e00532a"),
        (256, r#"10 1 "ftp://a""#, "000a 0001 6674703a2f2f61"),
        (257, r#"128 issue "a""#, "80 05 6973737565 61"),
    ] {
        assert_eq!(data(rtype, text), hex(wire), "{} {text}", Type(rtype));
    }
}

/// Each message names the place and what was expected there.
#[test]
fn errors_name_the_place() {
    for (text, message) in [
        (
            "x A 192.0.2.256\n",
            "test:1:5: expected an IPv4 address such as `192.0.2.1`: `192.0.2.256`",
        ),
        ("x A\n", "test:1:4: expected the data of the record"),
        (
            "\n\nx A 192.0.2.1 more",
            "test:3:15: expected the end of the line after the record: `more`",
        ),
        (
            "x MX ten mail",
            "test:1:6: expected a number up to 65535: `ten`",
        ),
        (
            "x B 192.0.2.1",
            "test:1:3: expected a record type such as `A`, or `TYPE` and its number: `B`",
        ),
        (
            "x CH A 192.0.2.1",
            "test:1:3: expected class `IN`, the only one served: `CH`",
        ),
        (
            "x A (\n192.0.2.1\n",
            "test:1:5: expected a `)` for this `(` before the end of the file",
        ),
        (
            "x A 192.0.2.1 )",
            "test:1:15: expected no `)`, as none is open",
        ),
        (
            "$GENERATE 1-2 a",
            "test:1:1: expected `$ORIGIN`, `$TTL` or `$INCLUDE`: `$GENERATE`",
        ),
        (
            "a..b A 192.0.2.1",
            "test:1:1: a name has no empty label: remove the dot too many: `a..b`",
        ),
        (
            "x SVCB 1 . port=53 port=54",
            "test:1:20: expected each service parameter once: `port=54`",
        ),
    ] {
        assert_eq!(refusal(text), message);
    }
    assert!(refusal("x.example.com. A 192.0.2.1").contains("within the zone"));
    assert!(refusal("x SVCB 1 . mandatory=alpn").contains("every key that `mandatory` lists"));
}

/// RFC 1034 sections 3.6.2 and 4.2.1, RFC 6672 section 2.4.
#[test]
fn zones_that_contradict_themselves() {
    for (text, why) in [
        ("x CNAME a\nx A 192.0.2.1\n", "a CNAME stands alone"),
        ("x CNAME a\nx CNAME b\n", "at most one CNAME"),
        ("x DNAME a\nx DNAME b\n", "at most one DNAME"),
        ("x DNAME a\nx NS b\n", "has no DNAME"),
        ("x DNAME a\ny.x A 192.0.2.1\n", "below a DNAME"),
        ("@ SOA ns h 2 2 3 4 5\n", "one SOA"),
        ("x SOA ns h 2 2 3 4 5\n", "only at the apex"),
        ("@ DNSKEY 257 3 13 AQNR\n", "cannot serve DNSSEC"),
    ] {
        let error = refusal(text);
        assert!(error.contains(why), "{text}: {error}");
    }
    let missing = |text: &str| parse(text).err().unwrap().to_string();
    assert!(missing("$TTL 1\n@ NS a\n").contains("no SOA"));
    assert!(missing("$TTL 1\n@ SOA a b 1 2 3 4 5\n").contains("no NS"));
    assert!(missing("").contains("no SOA"));
    zone("x CNAME a\nx RRSIG CNAME 5 3 1 1 1 1 a. AQNR\n");
}

#[test]
fn warnings() {
    let zone = zone(
        "a A 192.0.2.1\na A 192.0.2.1\n\
         b 1 A 192.0.2.1\nb 2 A 192.0.2.2\n\
         sub NS ns.sub\nsub NS c\nx.sub TXT hidden\n\
         c CNAME a\nd MX 1 nowhere\nd MX 2 a\ne MX 0 .\n",
    );
    let mut kinds: Vec<_> = zone
        .warnings()
        .iter()
        .map(|w| (w.line - 3, w.kind))
        .collect();
    kinds.sort_by_key(|(line, _)| *line);
    assert_eq!(
        kinds,
        [
            (2, WarningKind::Repeated),
            (4, WarningKind::Ttl { used: 1 }),
            (5, WarningKind::NoAddress),
            (6, WarningKind::Alias),
            (7, WarningKind::Hidden),
            (9, WarningKind::NoAddress),
        ]
    );
    assert_eq!(records(&zone, "b.example.org", 1).0, 1);
}

/// RFC 1035 section 5.1: `$INCLUDE` with a file, and with an origin of its own.
#[test]
fn included_files() {
    let text = format!("{HEAD}a A 192.0.2.1\n$INCLUDE hosts sub\n\tA 192.0.2.2\n$INCLUDE hosts\n");
    let origin = "example.org".parse().unwrap();
    let zone = Zone::parse_with("test", text.as_bytes(), &origin, &mut |file| {
        (file == "hosts").then_some(b"x A 192.0.2.3\n$ORIGIN y\n@ A 192.0.2.4\n")
    })
    .unwrap();
    assert_eq!(records(&zone, "a.example.org", 1).1.len(), 2);
    for name in ["x.sub", "y.sub", "x", "y"] {
        records(&zone, &format!("{name}.example.org"), 1);
    }
    assert!(
        refusal("$INCLUDE file").starts_with("test:1:10: expected a file that can be included")
    );
    let forever = Zone::parse_with("test", b"$INCLUDE a\n", &origin, &mut |_| {
        Some(b"$INCLUDE a\n")
    });
    assert!(forever.err().unwrap().to_string().contains("8 files"));
    let inner = Zone::parse_with("test", b"$INCLUDE a\n", &origin, &mut |_| {
        Some(b"$TTL 1\nx A y")
    });
    assert!(inner.err().unwrap().to_string().starts_with("a:2:5: "));
}

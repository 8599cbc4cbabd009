// SPDX-License-Identifier: ISC
//! Splitting, checking and taking boot arguments.

use std::{
    format,
    net::{IpAddr, Ipv4Addr},
    string::{String, ToString},
    time::Duration,
    vec,
    vec::Vec,
};

use fata_abi::image::{ArgumentTree, Image};

use super::{
    ArgError, Arguments, QuoteError, Size, Stop, Value, Values, Words, nearest::Nearest, unquote,
};
use crate::{Args, tests::image};

const NONE: &ArgumentTree = &ArgumentTree::EMPTY;

fn words(line: &str) -> Result<Vec<String>, QuoteError> {
    Words::new(line).map(unquote).collect()
}

#[test]
fn words_are_split_as_by_a_shell() {
    for (line, expected) in [
        ("", &[][..]),
        ("  \t\n ", &[]),
        ("a  b\tc ", &["a", "b", "c"]),
        ("'a b' \"c d\"", &["a b", "c d"]),
        ("a' 'b", &["a b"]),
        (r#"a\ b \'c\""#, &["a b", "'c\""]),
        (
            r#"'a\b' "a\b" "a\"b" "a\\b""#,
            &[r"a\b", r"a\b", r#"a"b"#, r"a\b"],
        ),
        (r#""it's" 'say "x"'"#, &["it's", "say \"x\""]),
        ("'' \"\"", &["", ""]),
        ("häß 'ö ü'", &["häß", "ö ü"]),
    ] {
        assert_eq!(
            words(line).as_deref(),
            Ok(&expected.iter().map(|w| w.to_string()).collect::<Vec<_>>()[..]),
            "{line}"
        );
    }
    for line in ["'a", "\"a", "a\\", "\"a\\\"", "b 'c"] {
        assert_eq!(words(line), Err(QuoteError), "{line}");
    }
}

#[test]
fn no_line_makes_it_panic() {
    let alphabet = [
        "-", "--", "port", "=", "'", "\"", "\\", " ", "zone", "ä", "5", ",", "\t", "help",
    ];
    let (plain, sealed) = (image(0, "--port=5"), image(1, "--port=5"));
    let mut state = 1u64;
    for _ in 0..20_000 {
        let mut line = String::new();
        for _ in 0..state >> 60 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            line.push_str(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let line: &str = line.leak();
        for image in [&plain, &sealed] {
            if let Ok(values) = Values::read(image, NONE, line) {
                let _ = values.optional::<u16>("port");
                let _ = values.list::<u16>("peer", "");
            }
        }
    }
}

fn read(image: &Image, line: &'static str) -> Result<Values, String> {
    Values::read(image, NONE, line).map_err(|stop| match stop {
        Stop::Error(error) => error.to_string(),
        other => format!("{other:?}"),
    })
}

#[test]
fn values_are_found_under_their_prefix() {
    let values = read(
        &image(0, ""),
        "--ipv4=10.0.0.2 --second-ipv4 10.0.0.3 --verbose",
    )
    .unwrap();
    let second = values.under("second");
    assert_eq!(values.required("ipv4"), Ok(Ipv4Addr::new(10, 0, 0, 2)));
    assert_eq!(second.required("ipv4"), Ok(Ipv4Addr::new(10, 0, 0, 3)));
    assert_eq!(values.under("").flag("verbose"), Ok(true));
    assert_eq!(second.flag("verbose"), Ok(false));
    assert_eq!(
        second.required::<String>("gateway"),
        Err(ArgError::new(
            "`--second-gateway` is required: add `--second-gateway=TEXT`"
        ))
    );
}

#[test]
fn the_command_line_overrides_what_is_compiled_in() {
    let compiled = image(0, "--port=1 --peer=10.0.0.1,10.0.0.2 --verbose");
    let values = read(&compiled, "").unwrap();
    assert_eq!(values.or_default("port", "53"), Ok(1u16));
    assert_eq!(values.list::<IpAddr>("peer", "").unwrap().len(), 2);
    assert_eq!(values.flag("verbose"), Ok(true));
    let values = read(
        &compiled,
        "--peer fd00::1 --port=2 --peer=::2 --verbose=false",
    )
    .unwrap();
    assert_eq!(values.or_default("port", "53"), Ok(2u16));
    assert_eq!(
        values.list::<IpAddr>("peer", ""),
        Ok(vec!["fd00::1".parse().unwrap(), "::2".parse().unwrap()])
    );
    assert_eq!(values.flag("verbose"), Ok(false));
}

#[test]
fn a_sealed_image_takes_no_arguments() {
    let sealed = image(1, "--port=1");
    assert_eq!(read(&sealed, "").unwrap().optional("port"), Ok(Some(1u16)));
    assert_eq!(
        read(&sealed, "--solo5:quiet").unwrap().optional("port"),
        Ok(Some(1u16))
    );
    assert!(
        read(&sealed, "--port=1")
            .unwrap_err()
            .starts_with("this image is sealed")
    );
    assert_eq!(read(&sealed, "--help").unwrap_err(), "Help");
    assert_eq!(read(&sealed, "--version").unwrap_err(), "Version");
}

#[test]
fn mistakes_are_named() {
    let image = image(0, "");
    for (line, message) in [
        (
            "port=1",
            "unexpected word `port=1`: an argument is given as `--name=value`",
        ),
        (
            "--",
            "unexpected word `--`: an argument is given as `--name=value`",
        ),
        ("--port", "`--port` needs a value: `--port=N`"),
        ("--port --zone=a", "`--port` needs a value: `--port=N`"),
        ("--port=1 --port=2", "`--port` is given twice"),
        ("--zone='a", "quotation is not closed: --zone='a"),
        (
            "--zone=a --solo5:debug",
            "unknown argument `--solo5:debug`: see `--help`",
        ),
        (
            "--hepl",
            "unknown argument `--hepl`: did you mean `--help`?",
        ),
    ] {
        assert_eq!(read(&image, line).unwrap_err(), message, "{line}");
    }
}

#[test]
fn the_nearest_name_is_suggested_if_it_is_near() {
    let nearest = |name| {
        let mut nearest = Nearest::new(name);
        for candidate in ["port", "zone", "ipv4", "ipv4-gateway"] {
            nearest.consider(candidate);
        }
        nearest.found
    };
    assert_eq!(nearest("prot"), Some("port".into()));
    assert_eq!(nearest("ipv4-gatway"), Some("ipv4-gateway".into()));
    assert_eq!(nearest("ip4"), Some("ipv4".into()));
    assert_eq!(nearest("frobnicate"), None);
    assert_eq!(nearest(""), None);
}

#[test]
fn values_have_their_usual_forms() {
    assert_eq!(Duration::parse("10"), Some(Duration::from_secs(10)));
    assert_eq!(Duration::parse("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(Duration::parse("2h"), Some(Duration::from_secs(7200)));
    for wrong in ["", "s", "1.5s", "-1", "1 s", "99999999999d"] {
        assert_eq!(Duration::parse(wrong), None, "{wrong}");
    }
    assert_eq!(Size::parse("64K"), Some(Size(65536)));
    assert_eq!(Size::parse("1G"), Some(Size(1 << 30)));
    assert_eq!(Size::parse("99999999999G"), None);
    assert_eq!(bool::parse("false"), Some(false));
    assert_eq!(bool::parse("0"), None);
    assert_eq!(i8::parse("-128"), Some(-128));
    assert_eq!(u16::parse("65536"), None);
    assert_eq!(String::parse(""), Some(String::new()));
}

/// One field of each kind.
#[derive(Args, Debug, PartialEq)]
#[args(crate = crate)]
struct Everything {
    /// Port to
    /// answer on.
    #[arg(default = 53)]
    udp_port: u16,
    #[arg(default = -5)]
    offset: i32,
    #[arg(default = true)]
    checks: bool,
    /// Nothing to add.
    quiet: bool,
    #[arg(name = "zone")]
    zone_name: String,
    peer: Option<IpAddr>,
    #[arg(default = "1,2", value = "COUNT")]
    counts: Vec<u8>,
}

#[test]
fn derived_arguments_describe_themselves() {
    let tree = Everything::TREE;
    let text: Vec<_> = tree
        .arguments
        .get()
        .iter()
        .map(|a| {
            (
                a.name.get(),
                a.value.get(),
                a.default.get(),
                a.help.get(),
                a.flags,
            )
        })
        .collect();
    assert_eq!(
        text,
        [
            ("udp-port", "N", "53", "Port to answer on.", 0),
            ("offset", "N", "-5", "", 0),
            ("checks", "BOOL", "true", "", 0),
            ("quiet", "", "", "Nothing to add.", 0),
            ("zone", "TEXT", "", "", 1),
            ("peer", "IP", "", "", 0),
            ("counts", "COUNT", "1,2", "", 2),
        ]
    );
}

#[test]
fn derived_arguments_are_parsed() {
    static TREE: ArgumentTree = Everything::TREE;
    let parse = |line| Everything::parse(&Values::read(&image(0, ""), &TREE, line).unwrap());
    assert_eq!(
        parse("--zone=a"),
        Ok(Everything {
            udp_port: 53,
            offset: -5,
            checks: true,
            quiet: false,
            zone_name: String::from("a"),
            peer: None,
            counts: vec![1, 2],
        })
    );
    assert_eq!(
        parse("--udp-port 1 --offset=-7 --checks=false --quiet --zone '' --peer=::1 --counts=,9"),
        Ok(Everything {
            udp_port: 1,
            offset: -7,
            checks: false,
            quiet: true,
            zone_name: String::new(),
            peer: Some("::1".parse().unwrap()),
            counts: vec![9],
        })
    );
    assert!(parse("--quiet").is_err(), "zone is missing");
}

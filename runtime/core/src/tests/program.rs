// SPDX-License-Identifier: ISC
//! From the command line to the exit status, and what the console shows on the way.

use std::{string::String, time::Duration, vec::Vec};

use super::{IMAGE, Session, image, with};
use crate::{
    Context, Error,
    args::{ArgError, Values},
    program::{self, Termination, launch},
    time::Elapsed,
};

/// Starts an image with `line`; its program says which port and zone it was given.
fn run(line: &'static str) -> (u8, String) {
    let session = Session::start();
    session.with(|host| host.command_line = line);
    let status = launch(&IMAGE, parse, async |(port, zone): (u16, String)| {
        crate::println!("{zone} on {port} as {}", program::name());
    });
    (status, session.console())
}

fn parse(values: &Values) -> Result<(u16, String), ArgError> {
    Ok((values.or_default("port", "53")?, values.required("zone")?))
}

#[test]
fn a_program_runs_with_its_arguments() {
    let expected = String::from("a.example on 53 as resolver\n");
    assert_eq!(run("--zone=a.example"), (0, expected));
    let expected = String::from("a b on 5353 as ns1\n");
    assert_eq!(
        run("--solo5:debug --zone 'a b' --port 5353 --name=ns1"),
        (0, expected)
    );
}

#[test]
fn wrong_arguments_end_with_64_and_say_why() {
    for (line, message) in [
        ("", "`--zone` is required: add `--zone=TEXT`"),
        (
            "--zone=a --prot=1",
            "unknown argument `--prot`: did you mean `--port`?",
        ),
        (
            "--zone=a --frobnicate",
            "unknown argument `--frobnicate`: see `--help`",
        ),
        (
            "--zone=a --port=x",
            "value of `--port` is not a whole number from 0 to 65535: `x`",
        ),
        (
            "--zone=a --logs=loud",
            "value of `--logs` is not a level (off, error, warn, info, \
            debug, trace) or `target:level`: `loud`",
        ),
    ] {
        assert_eq!(
            run(line),
            (64, std::format!("error: {message}\n")),
            "{line}"
        );
    }
}

#[test]
fn version_is_printed_from_inside() {
    assert_eq!(run("--version"), (63, String::from("resolver 1.2.3\n")));
}

#[test]
fn help_is_printed_from_inside() {
    let (status, page) = run("--port=x --help");
    assert_eq!(status, 63);
    let expected = "resolver 1.2.3
Answers.

Arguments:
  --port=N
        Port to answer on. Default: 53
  --zone=TEXT
        Name of the zone. Required.
  --peer=IP,...
        Who may transfer a zone, which is a long story that goes on to the next
        line.
  --verbose
        Say more.

Devices:
  --ipv4=IPV4
        Address of the interface.
  --second-ipv4=IPV4
        Address of the interface.

Runtime:
  --delay=DURATION
        Wait before the program starts. Default: 0
";
    assert!(page.starts_with(expected), "{page}");
    assert!(page.lines().all(|line| line.len() <= 80), "{page}");
    assert!(
        page.ends_with("  --version\n        Print name and version.\n"),
        "{page}"
    );
}

#[test]
fn help_shows_what_is_compiled_in() {
    static COMPILED: fata_abi::image::Image = image(0, "--port=1 --zone=a");
    let session = Session::start();
    session.with(|host| host.command_line = "--help");
    launch(&COMPILED, parse, async |_| ());
    let page = session.console();
    assert!(
        page.ends_with("\nCompiled into this image: --port=1 --zone=a\n"),
        "{page}"
    );
}

#[test]
fn an_error_is_printed_and_ends_with_1() {
    let session = Session::start();
    let open = || Err::<(), _>(Elapsed).context("open `disk`");
    assert_eq!(open().map_err(|e| e.context("start")).report(), 1);
    assert_eq!(session.console(), "error: start: open `disk`: timed out\n");
    assert_eq!(Err::<(), Error>(Error::msg("no disk")).report(), 1);
    assert_eq!(session.console(), "error: no disk\n");
    assert_eq!(None::<u8>.context("no value").report(), 1);
    assert_eq!(session.console(), "error: no value\n");
    assert_eq!(Ok::<u8, Error>(7).report(), 7);
    assert_eq!(session.console(), "");
}

#[test]
fn errors_can_be_told_apart() {
    let error = Error::from(Elapsed);
    assert_eq!(error.downcast_ref::<Elapsed>(), Some(&Elapsed));
    assert_eq!(std::format!("{error:?}"), "timed out");
}

#[test]
fn delay_waits_before_the_program() {
    let session = Session::start();
    session.with(|host| host.command_line = "--zone=a --delay=2");
    launch(&IMAGE, parse, async |_| {
        assert_eq!(with(|host| host.clock), 2_000_000_000);
    });
    session.with(|host| assert_eq!(host.clock, 2_000_000_000));
}

#[test]
fn the_log_is_filtered_and_has_times() {
    let session = Session::start();
    session.with(|host| host.command_line = "--zone=a --logs=warn,fata_tcpip:debug");
    launch(&IMAGE, parse, async |_| {
        crate::time::sleep(Duration::from_micros(1_000_234)).await;
        log::info!(target: "dns", "hidden");
        log::warn!(target: "fata_dns", "shown {}", 1);
        log::debug!(target: "fata_tcpip::tcp", "shown {}", 2);
        log::trace!(target: "fata_tcpip::tcp", "hidden");
        log::debug!(target: "fata_tcpipx", "hidden");
    });
    assert_eq!(
        session.console(),
        "[   1.000234] WARN  dns: shown 1\n[   1.000234] DEBUG tcpip::tcp: shown 2\n"
    );
}

#[test]
fn lines_are_written_in_one_piece_and_none_is_cut() {
    let session = Session::start();
    let long: Vec<_> = (0..100).collect();
    crate::println!("{long:?}");
    crate::print!("a");
    crate::println!();
    assert_eq!(session.console(), std::format!("{long:?}\na\n"));
}

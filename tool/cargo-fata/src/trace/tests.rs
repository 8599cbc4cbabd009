// SPDX-License-Identifier: ISC
//! What is printed of a trace.

use fata_abi::manifest::DeviceKind;
use serde_json::Value;

use super::*;

const LINES: &str = "\
1000000 1500 puts 0x1000 2 = 0
1010000 2000000000 poll 3000000000 = 0
2001020000 500 blkread 0 512 0x2000 512 = 0
half of a li
2001030000 0 halt 0 0x0 = ?
";

fn printed(lines: &str, calls: bool) -> String {
    let mut to = Vec::new();
    let no_file: Option<io::Result<chrome::Writer<io::Sink>>> = None;
    let devices = [("storage".to_owned(), DeviceKind::Block)];
    print(lines.as_bytes(), &mut to, &devices, no_file, calls).unwrap();
    String::from_utf8(to).unwrap()
}

#[test]
fn calls_and_their_sum_are_printed() {
    assert_eq!(
        printed(LINES, true),
        "        time       took  call\n    \
         0.000000     1.5 µs  puts(0x1000, length 2) = 0\n    \
         0.000010    2.000 s  poll(3.000 s) = 0\n    \
         2.000020     500 ns  blkread(storage, offset 512, 0x2000, length 512) = ok\n    \
         2.000030       0 ns  halt(status 0)\n\n\
         call           count      total       mean    share\n\
         poll               1    2.000 s    2.000 s  100.0 %\n\
         puts               1     1.5 µs     1.5 µs    0.0 %\n\
         blkread            1     500 ns     500 ns    0.0 %\n\
         halt               1       0 ns       0 ns    0.0 %\n\
         (running)               28.0 µs               0.0 %\n\
         all                4    2.000 s\n\
         lines of the trace that were not understood: 1\n"
    );
}

#[test]
fn the_sum_alone() {
    let text = printed(LINES, false);
    assert!(text.starts_with("call "), "{text}");
    assert_eq!(
        printed("", true),
        "        time       took  call\nno call was traced\n"
    );
}

#[test]
fn a_viewer_gets_one_array_of_events() {
    let (mut file, mut text) = (Vec::new(), Vec::new());
    let writer = chrome::Writer::new(&mut file, "hello");
    print(LINES.as_bytes(), &mut text, &[], Some(writer), true).unwrap();
    let events: Value = serde_json::from_slice(&file).unwrap();
    let events = events.as_array().unwrap();
    assert_eq!(events.len(), 5, "a name, and four calls");
    assert_eq!(events[0]["args"]["name"], "hello");
    let poll = &events[2];
    assert_eq!((&poll["name"], &poll["ph"]), (&"poll".into(), &"X".into()));
    assert_eq!(poll["ts"], 1010.0);
    assert_eq!(poll["dur"], 2e6);
    assert_eq!(poll["args"]["arguments"], "3.000 s");
    assert_eq!(poll["args"]["result"], "0");
    assert!(events[4]["args"].get("result").is_none());
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("3.000 s") && text.contains("poll"), "{text}");
}

// SPDX-License-Identifier: ISC
//! What may be done to look into a guest, whose filters are run as the kernel would.

use std::{collections::BTreeSet, os::fd::RawFd};

use fata_tender::{options::Command, seccomp};

use super::*;
use crate::machine;

#[path = "../../../core/src/seccomp/tests/kernel.rs"]
mod kernel;

use kernel::{allows, call};

/// Everything open that there can be, with the rules for it.
fn tools(name: &str) -> (Tools, Vec<Rule>) {
    let folder = std::env::temp_dir().join(format!("fata-tools-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let options = [
        "--trace=/dev/null".to_owned(),
        format!("--dumpcore={}", folder.display()),
        "image".to_owned(),
    ];
    let run = match Command::parse(options.map(Into::into)) {
        Ok(Command::Run(run)) => run,
        other => panic!("{other:?}"),
    };
    let mut tools = Tools::open("fata-test", &run).unwrap().unwrap();
    let listener = Listener::open(0).unwrap();
    let port = listener.port();
    let debugger = std::thread::spawn(move || TcpStream::connect(("127.0.0.1", port)).unwrap());
    tools.listener = Some(listener);
    tools.connect().unwrap();
    drop(debugger.join().unwrap());
    tools.core.as_mut().unwrap().pretend_to_keep();
    std::fs::remove_dir_all(folder).unwrap();
    let mut rules = tools.rules();
    rules.extend(machine::rules());
    (tools, rules)
}

#[test]
fn each_rule_allows_what_it_says_and_nothing_beside_it() {
    let (_tools, rules) = tools("each");
    kernel::check_each(&rules, &[]);
    kernel::check_others(&rules, &[0, 1, 2, 3, 4, 5]);
    let calls: BTreeSet<_> = rules.iter().map(|rule| rule.call).collect();
    assert_eq!(calls.len(), 14, "{calls:?}");
}

#[test]
fn descriptors_are_those_that_are_kept() {
    let (tools, rules) = tools("descriptors");
    let filter = seccomp::compile(&rules);
    let kept = tools.descriptors();
    assert_eq!(kept.len(), 4);
    let connection = tools.connection.as_ref().unwrap().as_raw_fd();
    let trace = tools.trace.as_ref().unwrap().as_raw_fd();
    let [core, keeper] = tools.core.as_ref().unwrap().descriptors()[..] else {
        panic!("{kept:?}");
    };
    let on = |number, fd: RawFd| call(number, &[fd as u64, 0, 1, 0]);
    for fd in 0..64 {
        for number in [libc::SYS_recvfrom, libc::SYS_sendto, libc::SYS_shutdown] {
            assert_eq!(allows(&filter, on(number, fd)), fd == connection);
        }
        for number in [libc::SYS_pwrite64, libc::SYS_ftruncate] {
            assert_eq!(allows(&filter, on(number, fd)), fd == core);
        }
        let writes = [trace, keeper].contains(&fd);
        assert_eq!(allows(&filter, on(libc::SYS_write, fd)), writes);
        let reads = [libc::SYS_read, libc::SYS_pread64, libc::SYS_close];
        assert!(reads.iter().all(|&number| !allows(&filter, on(number, fd))));
    }
}

#[test]
fn memory_is_never_code() {
    let (_tools, rules) = tools("memory");
    let filter = seccomp::compile(&rules);
    let map = |rights, flags| call(libc::SYS_mmap, &[0, 4096, rights, flags, u64::MAX, 0]);
    assert!(allows(&filter, map(3, 0x22)));
    for (rights, flags) in [(7, 0x22), (4, 0x22), (3, 0x32), (3, 0x01), (3, 0x02)] {
        assert!(!allows(&filter, map(rights, flags)), "{rights} {flags:#x}");
    }
    assert!(!allows(&filter, call(libc::SYS_mprotect, &[0, 4096, 5])));
    assert!(!allows(&filter, call(libc::SYS_setitimer, &[1, 0, 0])));
}

// SPDX-License-Identifier: ISC
//! The rows of the matrix.
//!
//! Most facts are those that Solo5 tests its bindings and tenders with (Solo5 `tests/tests.bats`),
//! here for images of ours, which bring their own bindings.

use std::{env, fs, path::PathBuf};

use crate::{
    launch::Launch,
    outcome::{Check, Ending},
    platform::{Platform, SOLO5_TESTS, Target},
};

mod block;
mod debug;
mod dhcp;
mod failing;
mod faults;
mod hostile;
mod http;
mod malformed;
mod network;
mod program;
mod services;
mod solo5;

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name in the matrix.
    pub name: &'static str,
    /// Where its image comes from.
    pub source: Source,
    /// Launches it and judges.
    pub check: fn(&Lab) -> Check,
}

/// Where the image of a row comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// The folder of the unikernel in `tests/unikernels`, or the package of an example.
    Ours(&'static str),
    /// A test image of Solo5, built in a tree of Solo5.
    Solo5(&'static str),
}

impl Case {
    /// Where the test image of Solo5 for the row on `target` would be, if it is such a row and a
    /// folder with them is named.
    pub(crate) fn stock(&self, target: Target) -> Option<PathBuf> {
        let Source::Solo5(name) = self.source else {
            return None;
        };
        let image = format!("test_{name}/test_{name}.{}", target.name());
        Some(PathBuf::from(env::var_os(SOLO5_TESTS)?).join(image))
    }
}

/// What a row works with.
#[derive(Clone, Debug)]
pub struct Lab {
    /// The column.
    pub platform: Platform,
    /// The image, built for the column.
    pub image: PathBuf,
    /// A folder for files.
    pub scratch: PathBuf,
}

/// MB of memory for an image where nothing else is said.
const MEMORY: u32 = 16;

impl Lab {
    /// A launch of the image, to be completed.
    pub fn launch(&self) -> Launch {
        self.platform
            .launch(&self.image)
            .option(format!("--mem={MEMORY}"))
    }

    /// A file of `size` zeroes.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn file(&self, name: &str, size: usize) -> Result<PathBuf, Ending> {
        let path = self.scratch.join(name);
        fs::write(&path, vec![0; size])
            .map_err(|error| Ending::Failed(format!("cannot write {path:?}: {error}")))?;
        Ok(path)
    }

    /// A boot argument as it must be typed to arrive as `text`: Solo5's tenders join the words
    /// with spaces, so that a sealed image sees a line and undoes the quoting itself.
    pub fn word(&self, text: &str) -> String {
        if self.platform == Platform::Unix {
            return text.to_owned();
        }
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    }

    /// Ends the row where `platform` has no such fact.
    ///
    /// # Errors
    ///
    /// On `platform`.
    pub fn not_on(&self, platform: Platform, reason: &'static str) -> Check {
        if self.platform == platform {
            return Err(Ending::DoesNotApply(reason.into()));
        }
        Ok(())
    }

    /// Ends the row where a tender of Solo5 launches, which does not offer what it is about.
    ///
    /// # Errors
    ///
    /// On those platforms.
    pub fn not_on_stock(&self, reason: &'static str) -> Check {
        self.not_on(Platform::Solo5Spt, reason)?;
        self.not_on(Platform::Solo5Hvt, reason)
    }
}

const fn row(name: &'static str, unikernel: &'static str, check: fn(&Lab) -> Check) -> Case {
    Case {
        name,
        source: Source::Ours(unikernel),
        check,
    }
}

/// A row that shows that an image of Solo5's own ends as it does under Solo5's tenders.
const fn stock(name: &'static str, image: &'static str, check: fn(&Lab) -> Check) -> Case {
    Case {
        name,
        source: Source::Solo5(image),
        check,
    }
}

/// All rows.
pub const ALL: &[Case] = &[
    row("hello", "hello", program::hello),
    row("hello-small", "hello", program::hello_small),
    row("quiet", "quiet", program::quiet),
    row("args", "args", program::args),
    row("args-help", "args", program::args_help),
    row("args-wrong", "args", program::args_wrong),
    row("output", "output", program::output),
    row("globals", "globals", program::succeeds),
    row("fpu", "fpu", program::succeeds),
    row("time", "time", program::time),
    row("timers-many", "timers-many", program::succeeds),
    row("tasks-many", "tasks-many", program::succeeds),
    row("entropy", "entropy", program::entropy),
    row("panic", "panic", failing::panic),
    row("exception", "exception", faults::exception),
    row("zeropage", "zeropage", faults::zeropage),
    row("xnow", "xnow", faults::writes),
    row("wnox", "wnox", faults::executes),
    row("wnox-heap", "wnox-heap", faults::executes),
    row("wnox-stack", "wnox-stack", faults::executes),
    row("rnow", "rnow", faults::writes),
    row("rnox", "rnox", faults::executes),
    row("stack-overflow", "stack-overflow", faults::stack_overflow),
    row("heap-overflow", "heap-overflow", failing::heap_overflow),
    row(
        "heap-double-free",
        "heap-double-free",
        failing::heap_double_free,
    ),
    row(
        "heap-use-after-free",
        "heap-use-after-free",
        failing::heap_use_after_free,
    ),
    row(
        "alloc-exhaustion",
        "alloc-exhaustion",
        failing::alloc_exhaustion,
    ),
    row("seccomp", "seccomp", failing::seccomp),
    row("gdb", "debug", debug::gdb),
    row("gdb-break", "debug", debug::breakpoints),
    row("gdb-watch", "debug", debug::watchpoints),
    row("gdb-goes", "debug", debug::gdb_goes),
    row("core-fault", "exception", debug::core_file),
    row("core-panic", "panic", debug::core_file_of_panic),
    row("core-lie", "hostile", hostile::core_file_of_a_lie),
    row("core-none", "quiet", debug::core_file_of_none),
    row("trace", "quiet", debug::trace),
    row("hostile-refused", "hostile", hostile::refused),
    row("hostile-structures", "hostile", hostile::structures),
    row("hostile-data", "hostile", hostile::data),
    row("hostile-indices", "hostile", hostile::indices),
    row("hostile-entries", "hostile", hostile::entries),
    row("hostile-ports", "hostile", hostile::ports),
    row("hostile-memory", "hostile", hostile::memory),
    row("hostile-exceptions", "hostile", hostile::exceptions),
    row("hostile-endless", "hostile", hostile::endless),
    row("hostile-system-calls", "hostile", hostile::system_calls),
    row("max-devices", "max-devices", block::max_devices),
    row("device-missing", "max-devices", block::device_missing),
    row("block", "block", block::sectors_of_512),
    row("block-4096", "block", block::sectors_of_4096),
    row("block-odd", "block", block::odd_size),
    row("block-small", "block", block::too_small),
    row("net", "net", network::one),
    row("net-two", "net-two", network::two),
    row("net-mtu", "net-mtu", network::mtu),
    row("net-descriptor", "net", network::descriptor),
    row("net-offload", "net-offload", network::offload),
    row("net-offload-small", "net-offload", network::offload_small),
    row("net-user", "net-user", network::user),
    row("transfer", "transfer", network::transfer),
    row("soak", "soak", network::soak),
    row("net-dhcp", "net-user", dhcp::client),
    row("net-names", "net-names", dhcp::names),
    row("dns", "dns", network::dns),
    row("www", "www", http::www),
    row("www-odd", "www", http::odd),
    row("http-fetch", "http-fetch", http::fetch),
    row("dhcp-server", "dhcp-server", dhcp::server),
    row("ping", "ping", services::ping),
    row("echo", "echo", services::echo),
    row("iperf3", "iperf3", services::iperf3),
    row("iperf3-smoltcp", "iperf3-smoltcp", services::iperf3_smoltcp),
    row("malformed", "hello", malformed::manifests),
    row("malformed-headers", "hello", malformed::headers),
    row("malformed-files", "hello", malformed::files),
    row("malformed-lies", "hostile", malformed::lies),
    stock("solo5-hello", "hello", solo5::hello),
    stock("solo5-quiet", "quiet", solo5::quiet),
    stock("solo5-output", "output", solo5::exits),
    stock("solo5-globals", "globals", solo5::succeeds),
    stock("solo5-tls", "tls", solo5::succeeds),
    stock("solo5-fpu", "fpu", solo5::succeeds),
    stock("solo5-time", "time", solo5::succeeds),
    stock("solo5-ssp", "ssp", solo5::aborts),
    stock("solo5-notls", "notls", solo5::faults),
    stock("solo5-exception", "exception", solo5::faults),
    stock("solo5-zeropage", "zeropage", solo5::faults),
    stock("solo5-xnow", "xnow", solo5::faults),
    stock("solo5-wnox", "wnox", solo5::faults),
    stock("solo5-rnow", "rnow", solo5::faults_on_hvt),
    stock("solo5-rnox", "rnox", solo5::faults_on_hvt),
    stock("solo5-seccomp", "seccomp", solo5::seccomp),
    stock("solo5-dumpcore", "dumpcore", solo5::dumpcore),
    stock("solo5-devices", "mft_maxdevices", solo5::devices),
    stock("solo5-block", "blk", solo5::block),
    stock("solo5-net", "net", solo5::net),
    stock("solo5-net-two", "net_2if", solo5::net_two),
    stock("solo5-net-mtu", "net_mtu", solo5::net_mtu),
    stock("solo5-net-ring", "net_ring", solo5::net_ring),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workspace;

    #[test]
    fn every_unikernel_has_a_row_and_every_row_a_unikernel() {
        let folders = fs::read_dir(workspace::root().join("tests/unikernels")).unwrap();
        let folders: BTreeSet<String> = folders
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().join("Cargo.toml").is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        let examples = [
            "dns",
            "www",
            "http-fetch",
            "dhcp-server",
            "ping",
            "echo",
            "iperf3",
        ];
        let rows = ALL.iter().filter_map(|case| match case.source {
            Source::Ours(unikernel) => Some(unikernel),
            Source::Solo5(_) => None,
        });
        let rows: BTreeSet<String> = rows
            .filter(|name| !examples.contains(name))
            .map(str::to_owned)
            .collect();
        assert_eq!(folders, rows);
    }

    #[test]
    fn rows_have_different_names() {
        let names: BTreeSet<&str> = ALL.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}

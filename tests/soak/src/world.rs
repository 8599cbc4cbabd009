// SPDX-License-Identifier: ISC
//! The unikernel `soak`, with a load that has the other ends of its network.
//!
//! ```text
//!   load -- Linux's sockets -- switch0 (bridge) --- nic0 (tap) - tender
//!      \--- frames ------------- wire0 (tap) --/
//! ```

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use fata_test_harness::{
    namespace::Namespace,
    outcome::{Check, Ending},
    platform::Platform,
};

use crate::lab::{SOURCES, SWITCH, TARGET};

/// Frames that wait for the tender while it has no turn.
const QUEUE: u32 = 2000;
/// How long the unikernel may take to end when told.
const SHORTLY: Duration = Duration::from_secs(20);

/// What is loaded, and how.
#[derive(Clone, Debug)]
pub struct Soak<'a> {
    /// The program `fata-soak-load`.
    pub load: PathBuf,
    /// What the image runs on.
    pub platform: Platform,
    /// The image.
    pub image: &'a Path,
    /// Its memory in MB.
    pub memory: u32,
    /// Options of the load.
    pub options: String,
    /// How long all of it may take.
    pub limit: Duration,
}

impl Soak<'_> {
    /// Does it; gives what the load has said.
    ///
    /// # Errors
    ///
    /// A skip that names what this machine lacks; or the unikernel is not what it should be.
    pub fn run(&self) -> Result<String, Ending> {
        let namespace = Namespace::new()?;
        namespace.bridge(SWITCH, &["nic0", "wire0"])?;
        for tap in ["nic0", "wire0"] {
            namespace.queue(tap, QUEUE)?;
        }
        let first = std::iter::once(std::net::Ipv4Addr::new(10, 78, 0, 1));
        for address in first.chain(SOURCES) {
            let added = namespace.run(&format!("ip address add {address}/16 dev {SWITCH}"))?;
            added.exits(0)?;
        }
        let unikernel = self
            .platform
            .launch(self.image)
            .option(format!("--mem={}", self.memory))
            .net("service", "nic0")
            .argument(format!("--ipv4={TARGET}/16"))
            .argument(format!("--ipv4-gateway={}", crate::wire::ROUTER))
            .argument("--ipv6=fd78::2/64")
            .argument("--accept-router-advertisements=false")
            .limit(self.limit + SHORTLY)
            .start(Some(&namespace))?;
        let line = format!("{} {}", self.load.display(), self.options);
        let load = namespace.start(line.trim_end(), self.limit)?;
        let (load, judged) = match load.wait() {
            Ok(load) => (Some(load.clone()), load.exits(0)),
            Err(ending) => (None, Err(ending)),
        };
        if let Err(ending) = judged {
            return Err(explain(ending, unikernel.stop()?.fails("it to live")));
        }
        // It was told to end, so nothing is left to do for its tender either.
        unikernel.wait()?.success()?;
        Ok(load.map(|load| load.output).unwrap_or_default())
    }
}

/// A failure, with what the unikernel has said.
fn explain(ending: Ending, said: Check) -> Ending {
    match (ending, said) {
        (Ending::Failed(how), Err(Ending::Failed(said))) => {
            Ending::Failed(format!("{how}\n{said}"))
        }
        (ending, _) => ending,
    }
}

// SPDX-License-Identifier: ISC
//! NSD on a loopback port, serving zone files for as long as a test runs.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A running NSD.
pub(crate) struct Nsd {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// Where a tool of the system lies, if it is installed.
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(tool))
        .find(|file| file.is_file())
}

/// Ports that were given out: the one of an NSD that is about to start looks free.
static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());

/// A port that is free for UDP and TCP.
fn free_port() -> io::Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = tcp.local_addr()?.port();
        if !given.contains(&port) && UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.push(port);
            return Ok(port);
        }
    }
}

impl Nsd {
    /// Starts `nsd` with the zone files in `zones`, each named after its zone, and waits until it
    /// answers. `folder` is for its own files.
    pub(crate) fn start(
        nsd: &Path,
        zones: &[PathBuf],
        folder: &Path,
        minimal: bool,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let port = free_port()?;
        let dir = folder.display();
        let minimal = if minimal { "yes" } else { "no" };
        let mut config = format!(
            "server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  username: \"\"\n  \
             chroot: \"\"\n  zonesdir: \"{dir}\"\n  database: \"\"\n  pidfile: \"{dir}/nsd.pid\"\n  \
             logfile: \"{dir}/nsd.log\"\n  xfrdfile: \"{dir}/xfrd.state\"\n  xfrdir: \"{dir}\"\n  \
             zonelistfile: \"{dir}/zone.list\"\n  minimal-responses: {minimal}\n  rrl-ratelimit: 0\n\
             remote-control:\n  control-enable: no\n"
        );
        for zone in zones {
            let name = zone.file_stem().unwrap_or_default().display();
            let file = fs::canonicalize(zone)?;
            config += &format!(
                "zone:\n  name: {name}\n  zonefile: \"{}\"\n  provide-xfr: 127.0.0.1 NOKEY\n",
                file.display()
            );
        }
        let file = folder.join("nsd.conf");
        fs::write(&file, config)?;
        let child = Command::new(nsd)
            .arg("-d")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let started = Self { child, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !listens(address) {
            if Instant::now() > deadline {
                let log = fs::read_to_string(folder.join("nsd.log")).unwrap_or_default();
                return Err(io::Error::other(format!(
                    "nsd does not answer; its log: {log}"
                )));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(started)
    }
}

/// Whether somebody listens there. A connection from the very port that it goes to is answered by
/// itself.
fn listens(address: SocketAddr) -> bool {
    let own = TcpStream::connect(address).and_then(|stream| stream.local_addr());
    own.is_ok_and(|own| own != address)
}

impl Drop for Nsd {
    fn drop(&mut self) {
        // NSD ends its own children when it is asked to end, and leaves them when it is killed.
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

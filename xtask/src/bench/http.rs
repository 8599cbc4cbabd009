// SPDX-License-Identifier: ISC
//! Requests a second of the web server of the examples, against nginx with one worker.
//!
//! Both serve the same page, of the size of the one that nginx installs, to `wrk`.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use fata_test_harness::launch::Running;

use super::{
    images,
    lab::{FATA, LINUX, Lab, ROUNDS, processor_time},
    table::{Row, median},
};

const SECONDS: u64 = 3;
/// Connections that ask side by side.
const CONNECTIONS: [u32; 3] = [1, 64, 256];
const PORT: u16 = 80;
/// The page, and where both servers have it.
const PAGE: &str = "small.html";
const SITE: &str = "examples/app/www/site";

pub(super) fn measure() -> Result<Vec<Row>> {
    let pair = Pair::new()?;
    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        rows.push(pair.compare(
            &format!("HTTP keep-alive requests a second, {connections} connections"),
            "",
            connections,
            "ratio >= 1.0, aim 2.5",
        )?);
    }
    Ok(rows)
}

/// Our server and nginx.
pub(super) struct Pair {
    lab: Lab,
    image: PathBuf,
    /// nginx's own files.
    folder: PathBuf,
}

impl Pair {
    pub(super) fn new() -> Result<Self> {
        let page = fs::read(format!("{SITE}/{PAGE}")).context("reading the page")?;
        ensure!(page.len() == 612, "the page has {} bytes", page.len());
        let folder = fs::canonicalize("target")?.join("bench/nginx");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("nginx.conf"), configuration(&folder)?)?;
        Ok(Self {
            image: images::sealed("www")?,
            lab: Lab::new()?,
            folder,
        })
    }

    /// The row of a load with further options for `wrk`.
    pub(super) fn compare(
        &self,
        what: &str,
        options: &str,
        connections: u32,
        promised: &str,
    ) -> Result<Row> {
        let (mut fata, mut nginx) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let server = self.lab.fata(&self.image, "--mem=256", "")?;
            fata.push(self.load(&server, FATA, options, connections)?);
            drop(server);
            let server = self.nginx()?;
            nginx.push(self.load(&server, LINUX, options, connections)?);
            drop(server);
        }
        Ok(Row::against(
            what,
            "k/s",
            median(&mut fata),
            ("nginx", median(&mut nginx)),
            promised,
        ))
    }

    fn nginx(&self) -> Result<Running> {
        let configuration = self.folder.join("nginx.conf");
        self.lab
            .linux(&format!("nginx -c {}", configuration.display()))
    }

    /// Thousands of requests that are answered in a second.
    fn load(
        &self,
        server: &Running,
        address: &str,
        options: &str,
        connections: u32,
    ) -> Result<f64> {
        self.lab.wait_for(address, PORT)?;
        let before = processor_time(server.id())?;
        let line = format!(
            "wrk -t 1 -c {connections} -d {SECONDS} {options} http://{address}:{PORT}/{PAGE}"
        );
        let outcome = self.lab.client(&line.replace("  ", " "))?;
        let busy = (processor_time(server.id())? - before) / (SECONDS * 10_000_000);
        let figure = |name: &str| {
            let line = outcome.output.lines().map(str::trim);
            line.filter_map(|line| line.strip_prefix(name)).next()
        };
        if let Some(trouble) = figure("Socket errors:").or_else(|| figure("Non-2xx")) {
            eprintln!("note: {address}: {}", trouble.trim());
        }
        eprintln!("note: {address} was busy for {busy} % of the time");
        figure("Requests/sec:")
            .and_then(|rate| rate.trim().parse::<f64>().ok())
            .map(|rate| rate / 1000.0)
            .with_context(|| format!("wrk has no result:\n{}", outcome.output))
    }
}

/// One process, that nothing but the load keeps busy.
fn configuration(folder: &std::path::Path) -> Result<String> {
    let site = fs::canonicalize(SITE)?;
    let (folder, site) = (folder.display(), site.display());
    Ok(format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {folder}/pid;\n\
         error_log {folder}/error.log;\nworker_rlimit_nofile 65536;\n\
         events {{ worker_connections 65000; multi_accept on; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_timeout 600;\n  \
         keepalive_requests 1000000000;\n  open_file_cache max=100 inactive=600s;\n  \
         types {{ text/html html; }}\n  \
         client_body_temp_path {folder};\n  proxy_temp_path {folder};\n  \
         fastcgi_temp_path {folder};\n  uwsgi_temp_path {folder};\n  scgi_temp_path {folder};\n  \
         server {{ listen {LINUX}:{PORT} backlog=4096; root {site}; }}\n}}\n"
    ))
}

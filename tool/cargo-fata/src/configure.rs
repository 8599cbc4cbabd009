// SPDX-License-Identifier: ISC
//! `cargo fata configure`: remembers in `Fata.toml` where a unikernel lives and what it is given.

use std::path::Path;

use clap::Args;

use crate::{
    config::{Config, Optimize, Target, edit::Edit, quote_all},
    devices::DeviceFlags,
    output::{HEADING, Output, display},
    project::{Project, Selection},
};

/// Remember target, memory, devices and boot arguments in `Fata.toml`; without flags, show them
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo fata configure --mem 16M --net service=user,udp:5353:53\n  \
    cargo fata configure --seal -- --port=5353\n  \
    cargo fata configure --unset net.service")]
pub struct Configure {
    /// Where the unikernel is to live
    #[arg(short, long)]
    target: Option<Target>,

    /// What the compiler aims at
    #[arg(long, value_name = "AIM")]
    optimize: Option<Optimize>,

    /// Make the boot arguments final: no command line changes them
    #[arg(long)]
    seal: bool,

    /// A command to try when it runs, printed by `cargo fata run`
    #[arg(long = "try", value_name = "COMMAND")]
    attempt: Option<String>,

    /// Forget a setting: `target`, `optimize`, `mem`, `net.NAME`, `block.NAME`, `arguments`, `seal`, `try`
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,

    /// Boot arguments to compile into the image, as defaults that a command line overrides
    #[arg(last = true, value_name = "BOOT ARGUMENTS")]
    arguments: Vec<String>,

    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    devices: DeviceFlags,
}

impl Configure {
    /// Edits the file, or shows what it says.
    pub fn run(self, output: Output) -> anyhow::Result<()> {
        let project = Project::find(&self.selection)?;
        if self.is_empty() {
            show(&project);
            return Ok(());
        }
        let mut edit = Edit::open(&project.folder)?;
        for key in &self.unset {
            edit.unset(key)?;
        }
        self.set(&mut edit, &project.folder);
        // Nothing is written that could not be read again.
        Config::parse(&edit.text())?;
        edit.save(&project.folder)?;
        let file = project.folder.join(crate::config::FILE);
        output.status(
            "Configured",
            format_args!("{} ({})", project.name, display(&file)),
        );
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.target.is_none()
            && self.optimize.is_none()
            && self.devices.is_empty()
            && !self.seal
            && self.attempt.is_none()
            && self.unset.is_empty()
            && self.arguments.is_empty()
    }

    fn set(&self, edit: &mut Edit, folder: &Path) {
        if let Some(target) = self.target {
            edit.set("target", target.name());
        }
        if let Some(optimize) = self.optimize {
            edit.set("optimize", optimize.name());
        }
        if let Some(mem) = self.devices.mem {
            edit.set("mem", mem.to_string());
        }
        for net in &self.devices.net {
            edit.set(&format!("net.{}", net.name), net.value.as_str());
        }
        for mac in &self.devices.net_mac {
            edit.set(&format!("net-mac.{}", mac.name), mac.value.as_str());
        }
        for block in &self.devices.block {
            let key = format!("block.{}", block.name);
            edit.set(&key, from_folder(&block.value, folder));
        }
        for size in &self.devices.block_sector_size {
            let key = format!("block-sector-size.{}", size.name);
            edit.set(&key, i64::from(size.value));
        }
        if !self.arguments.is_empty() {
            edit.set_list("arguments", &self.arguments);
        }
        if self.seal {
            edit.set("seal", true);
        }
        if let Some(attempt) = &self.attempt {
            edit.set("try", attempt.as_str());
        }
    }
}

/// `path`, given here, as it must stand in a file in `folder`.
fn from_folder(path: &str, folder: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let absolute = here.join(path);
    match absolute.strip_prefix(folder) {
        Ok(below) => below.display().to_string(),
        Err(_) => absolute.display().to_string(),
    }
}

fn show(project: &Project) {
    let config = &project.config;
    let row = |key: &str, value: &dyn std::fmt::Display| {
        anstream::println!("{HEADING}{key:<20}{HEADING:#} {value}");
    };
    row("package", &project.name);
    match config.target {
        Some(target) => row("target", &target.name()),
        None => row(
            "target",
            &format_args!("{} (default)", Target::default().name()),
        ),
    }
    match config.optimize {
        Some(optimize) => row("optimize", &optimize.name()),
        None => row(
            "optimize",
            &format_args!("{} (default)", Optimize::default().name()),
        ),
    }
    match config.mem {
        Some(mem) => row("mem", &mem),
        None => row("mem", &"the tender's default"),
    }
    for (name, value) in &config.net {
        row(&format!("net.{name}"), value);
    }
    for (name, value) in &config.net_mac {
        row(&format!("net-mac.{name}"), value);
    }
    for (name, value) in &config.block {
        row(&format!("block.{name}"), value);
    }
    for (name, value) in &config.block_sector_size {
        row(&format!("block-sector-size.{name}"), value);
    }
    if !config.arguments.is_empty() {
        row("arguments", &quote_all(&config.arguments));
    }
    row("seal", &config.seal);
    if let Some(attempt) = &config.r#try {
        row("try", attempt);
    }
}

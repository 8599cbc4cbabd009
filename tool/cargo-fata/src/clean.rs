// SPDX-License-Identifier: ISC
//! `cargo fata clean`: removes what `build` made, and nothing else.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::{
    config::Target,
    output::{Output, display},
    project::{Project, Selection},
};

/// Remove images and what was kept to build them
#[derive(Debug, Args)]
pub struct Clean {
    #[command(flatten)]
    selection: Selection,

    /// Say what would be removed, and leave it
    #[arg(long)]
    dry_run: bool,
}

impl Clean {
    /// Removes the work of all images of the workspace, and the images of this package.
    pub fn run(self, output: Output) -> anyhow::Result<()> {
        let project = Project::locate(&self.selection)?;
        let dist = project.dist();
        let image = |target: Target| dist.join(format!("{}.{}", project.binary, target.name()));
        let images = Target::value_variants().iter().copied().map(image);
        let made = [project.work()].into_iter().chain(images);
        let mut found: Vec<PathBuf> = made.filter(|path| path.exists()).collect();
        found.retain(|path| !path.is_symlink());
        if found.is_empty() {
            output.status("Clean", "nothing to remove");
        }
        for path in &found {
            let verb = if self.dry_run {
                "Would remove"
            } else {
                "Removing"
            };
            output.status(verb, display(path));
            if !self.dry_run {
                remove(path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
        if !self.dry_run {
            // Stays where images of other packages are in it.
            let _ = fs::remove_dir(&dist);
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

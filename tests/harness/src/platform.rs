// SPDX-License-Identifier: ISC
//! The columns of the matrix: what a unikernel is built for, and what launches it.

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use crate::{launch::Launch, workspace};

/// Names a build of the stock tender, where it is not on the path.
const SOLO5_SPT: &str = "FATA_SOLO5_SPT";

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// An ordinary process, its own tender.
    Unix,
    /// A sealed image under `fata-spt`.
    Spt,
    /// The same image under the stock tender of Solo5.
    Solo5Spt,
}

impl Platform {
    /// All columns, in the order in which they are printed.
    pub const ALL: [Self; 3] = [Self::Unix, Self::Spt, Self::Solo5Spt];

    /// Its name in the matrix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Spt => "spt",
            Self::Solo5Spt => "solo5-spt",
        }
    }

    /// The column that is called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|platform| platform.name() == name)
    }

    /// What images of this column are built for.
    pub fn target(self) -> Target {
        match self {
            Self::Unix => Target::Unix,
            Self::Spt | Self::Solo5Spt => Target::Spt,
        }
    }

    /// Why nothing can run here on this machine, if so.
    pub fn missing(self) -> Option<String> {
        let no_spt = !cfg!(all(target_os = "linux", target_arch = "x86_64"));
        match self {
            Self::Unix => None,
            Self::Spt | Self::Solo5Spt if no_spt => Some("spt needs Linux on x86-64".to_owned()),
            Self::Spt => None,
            Self::Solo5Spt if solo5_spt().is_some() => None,
            Self::Solo5Spt => Some(format!(
                "no `solo5-spt` on the path; build Solo5 and set `{SOLO5_SPT}`"
            )),
        }
    }

    /// A launch of `image`, to which options of the tender and then arguments can be added.
    pub fn launch(self, image: &Path) -> Launch {
        match self {
            Self::Unix => Launch::new(image, None),
            Self::Spt => Launch::new(&fata_spt(), Some(image)),
            Self::Solo5Spt => Launch::new(&solo5_spt().unwrap_or_default(), Some(image)),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What an image is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// An ordinary process.
    Unix,
    /// A sealed image.
    Spt,
}

/// The repository's tender, which [`crate::images`] builds.
pub(crate) fn fata_spt() -> PathBuf {
    workspace::target().join("debug/fata-spt")
}

fn solo5_spt() -> Option<PathBuf> {
    env::var_os(SOLO5_SPT)
        .map(PathBuf::from)
        .filter(|file| file.is_file())
        .or_else(|| workspace::on_path("solo5-spt"))
}

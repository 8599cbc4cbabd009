// SPDX-License-Identifier: ISC
//! The columns of the matrix: what a unikernel is built for, and what launches it.

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use crate::{launch::Launch, workspace};

/// Name builds of the stock tenders, where they are not on the path.
const SOLO5_SPT: &str = "FATA_SOLO5_SPT";
pub(crate) const SOLO5_HVT: &str = "FATA_SOLO5_HVT";
/// Names the folder `tests` of a Solo5 tree in which its test images were built.
pub(crate) const SOLO5_TESTS: &str = "FATA_SOLO5_TESTS";

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// An ordinary process, its own tender.
    Unix,
    /// A sealed image under `fata-spt`.
    Spt,
    /// The same image under the stock tender of Solo5.
    Solo5Spt,
    /// An image on a virtual CPU under `fata-hvt`.
    Hvt,
    /// The same image under the stock tender of Solo5.
    Solo5Hvt,
}

impl Platform {
    /// All columns, in the order in which they are printed.
    pub const ALL: [Self; 5] = [
        Self::Unix,
        Self::Spt,
        Self::Solo5Spt,
        Self::Hvt,
        Self::Solo5Hvt,
    ];

    /// Its name in the matrix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Solo5Spt => "solo5-spt",
            Self::Solo5Hvt => "solo5-hvt",
            Self::Unix | Self::Spt | Self::Hvt => self.target().name(),
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
            Self::Hvt | Self::Solo5Hvt => Target::Hvt,
        }
    }

    /// Whether a tender of Solo5 launches it, which has none of our extensions.
    pub fn is_stock(self) -> bool {
        matches!(self, Self::Solo5Spt | Self::Solo5Hvt)
    }

    /// Why nothing can run here on this machine, if so.
    pub fn missing(self) -> Option<String> {
        let no_images = !cfg!(all(target_os = "linux", target_arch = "x86_64"));
        match self {
            Self::Unix => None,
            _ if no_images => Some("images need Linux on x86-64".to_owned()),
            Self::Spt | Self::Hvt => None,
            Self::Solo5Spt if solo5_spt().is_some() => None,
            Self::Solo5Hvt if solo5_hvt().is_some() => None,
            Self::Solo5Spt => Some(no_stock("solo5-spt", SOLO5_SPT)),
            Self::Solo5Hvt => Some(no_stock("solo5-hvt", SOLO5_HVT)),
        }
    }

    /// A launch of `image`, to which options of the tender and then arguments can be added.
    pub fn launch(self, image: &Path) -> Launch {
        match self {
            Self::Unix => Launch::new(image, None),
            Self::Spt => Launch::new(&fata_spt(), Some(image)),
            Self::Solo5Spt => Launch::new(&solo5_spt().unwrap_or_default(), Some(image)),
            Self::Hvt => Launch::new(&fata_hvt(), Some(image)),
            Self::Solo5Hvt => Launch::new(&solo5_hvt().unwrap_or_default(), Some(image)),
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
    /// A sealed image for a process in a sandbox.
    Spt,
    /// A sealed image for a virtual CPU.
    Hvt,
}

impl Target {
    /// How the tool spells it, and how its images' names end.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Spt => "spt",
            Self::Hvt => "hvt",
        }
    }
}

/// The repository's tenders, which [`crate::images`] builds.
pub(crate) fn fata_spt() -> PathBuf {
    workspace::target().join("debug/fata-spt")
}

/// As [`fata_spt`].
pub(crate) fn fata_hvt() -> PathBuf {
    workspace::target().join("debug/fata-hvt")
}

fn solo5_spt() -> Option<PathBuf> {
    stock("solo5-spt", SOLO5_SPT)
}

pub(crate) fn solo5_hvt() -> Option<PathBuf> {
    stock("solo5-hvt", SOLO5_HVT)
}

fn stock(program: &str, variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .filter(|file| file.is_file())
        .or_else(|| workspace::on_path(program))
}

fn no_stock(program: &str, variable: &str) -> String {
    format!("no `{program}` on the path; build Solo5 and set `{variable}`")
}

// SPDX-License-Identifier: ISC
//! The kernel of the nested machine: Debian's for clouds, unpacked and never installed.
//!
//! It is small, and has KVM and taps as modules. [`FOLDER`] names an unpacked package where there
//! is no `apt-get`, or to spare the download.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

/// Names a folder with what a kernel package has in `boot` and `lib/modules` or `usr/lib/modules`.
pub const FOLDER: &str = "FATA_NESTED_KERNEL";
/// The package that depends on the newest one.
const PACKAGE: &str = "linux-image-cloud-amd64";
/// Where a package has its modules, since Debian 13 and before.
const MODULES: [&str; 2] = ["usr/lib/modules", "lib/modules"];
/// How the names of packed modules end.
const PACKED: &str = ".xz";

/// An unpacked kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    image: PathBuf,
    modules: PathBuf,
}

impl Kernel {
    /// Finds the kernel in `cache`, and downloads it into it if it is not there.
    ///
    /// # Errors
    ///
    /// If there is no `apt-get`, or it has no such package, or cannot download it.
    pub fn get(cache: &Path) -> Result<Self> {
        if let Some(folder) = env::var_os(FOLDER) {
            return Self::unpacked(Path::new(&folder))
                .with_context(|| format!("`{FOLDER}` names no unpacked kernel package"));
        }
        let folder = cache.join("kernel");
        if let Ok(kernel) = Self::unpacked(&folder) {
            return Ok(kernel);
        }
        download(cache, &folder)?;
        Self::unpacked(&folder)
    }

    fn unpacked(folder: &Path) -> Result<Self> {
        let boot = fs::read_dir(folder.join("boot"))
            .with_context(|| format!("no `boot` in {folder:?}"))?;
        let files = boot.filter_map(Result::ok).map(|file| file.path());
        let image = files
            .filter(|file| name(file).starts_with("vmlinuz-"))
            .max()
            .with_context(|| format!("no kernel in {folder:?}"))?;
        let version = name(&image).trim_start_matches("vmlinuz-");
        let modules = MODULES.map(|modules| folder.join(modules).join(version));
        let modules = modules.into_iter().find(|modules| modules.is_dir());
        let modules = modules.with_context(|| format!("no modules of {image:?}"))?;
        Ok(Self { image, modules })
    }

    /// What the emulator boots.
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// The modules `wanted`, and those that they need, in the order in which they can be loaded;
    /// without those that are a part of this kernel.
    ///
    /// # Errors
    ///
    /// If there is none of a name.
    pub fn modules(&self, wanted: &[&str]) -> Result<Vec<Vec<u8>>> {
        let mut set = Set::default();
        files(&self.modules, &mut set.all)?;
        let built_in = fs::read_to_string(self.modules.join("modules.builtin"));
        let built_in = built_in.unwrap_or_default();
        set.built_in = built_in.lines().map(PathBuf::from).collect();
        for module in wanted {
            set.add(module)?;
        }
        Ok(set.order.into_iter().map(|(_, content)| content).collect())
    }
}

/// Modules to load, of all that there are.
#[derive(Default)]
struct Set {
    all: Vec<PathBuf>,
    built_in: Vec<PathBuf>,
    order: Vec<(PathBuf, Vec<u8>)>,
}

impl Set {
    /// Puts a module behind those that it needs.
    fn add(&mut self, module: &str) -> Result<()> {
        if self.built_in.iter().any(|file| is_module(file, module)) {
            return Ok(());
        }
        let file = self.all.iter().find(|file| is_module(file, module));
        let file = file.with_context(|| format!("the kernel has no module `{module}`"))?;
        if self.order.iter().any(|(there, _)| there == file) {
            return Ok(());
        }
        let file = file.clone();
        let content = content(&file)?;
        for needed in depends(&content) {
            self.add(&needed)?;
        }
        self.order.push((file, content));
        Ok(())
    }
}

/// Files are named with `-` or `_`; the kernel takes both for the same.
fn is_module(file: &Path, module: &str) -> bool {
    let name = name(file);
    let stem = name.strip_suffix(PACKED).unwrap_or(name);
    let stem = stem.strip_suffix(".ko");
    stem.is_some_and(|stem| stem.replace('-', "_") == module.replace('-', "_"))
}

/// The module in a file. Since Debian 13 they are packed, which the loader of the bed cannot undo.
fn content(file: &Path) -> Result<Vec<u8>> {
    if !name(file).ends_with(PACKED) {
        return fs::read(file).with_context(|| format!("cannot read {file:?}"));
    }
    // The bed needs busybox in any case.
    run(Command::new("busybox").arg("xzcat").arg(file))
}

/// What a module says that it needs: a text in its section `.modinfo`, without the `modules.dep`
/// that only an installation makes.
fn depends(content: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = content.windows(KEY.len()).position(|bytes| bytes == KEY) else {
        return Vec::new();
    };
    let value = content[at + KEY.len()..].split(|&byte| byte == 0).next();
    let value = String::from_utf8_lossy(value.unwrap_or_default());
    let names = value.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {folder:?}"))?;
    for entry in entries {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => files(&entry.path(), into)?,
            false => into.push(entry.path()),
        }
    }
    Ok(())
}

fn download(cache: &Path, folder: &Path) -> Result<()> {
    let hint = format!("set `{FOLDER}` to an unpacked kernel package with KVM and taps as modules");
    let package = newest().with_context(|| hint.clone())?;
    fs::create_dir_all(cache).with_context(|| format!("cannot make {cache:?}"))?;
    eprintln!("downloading {package}");
    let mut apt = Command::new("apt-get");
    // The folder may be none that apt's own user can enter.
    apt.current_dir(cache)
        .args(["-qq", "-o", "APT::Sandbox::User=root", "download", &package]);
    run(&mut apt).context(hint)?;
    let package = fs::read_dir(cache)?
        .filter_map(Result::ok)
        .map(|file| file.path())
        .find(|file| name(file).starts_with(&package) && name(file).ends_with(".deb"))
        .with_context(|| format!("`apt-get download` left no package in {cache:?}"))?;
    // Under another name until it is whole.
    let partial = cache.join("kernel.partial");
    let _ = fs::remove_dir_all(&partial);
    run(Command::new("dpkg-deb")
        .arg("-x")
        .arg(&package)
        .arg(&partial))?;
    fs::rename(&partial, folder).with_context(|| format!("cannot make {folder:?}"))?;
    fs::remove_file(&package).with_context(|| format!("cannot remove {package:?}"))
}

/// The package behind [`PACKAGE`].
fn newest() -> Result<String> {
    let mut apt = Command::new("apt-cache");
    let output = apt.args(["depends", PACKAGE]).output();
    let output = output.context("no `apt-cache` to ask for a kernel")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "));
    match line {
        Some(package) => Ok(package.to_owned()),
        None => bail!("apt knows no package `{PACKAGE}`; run `apt-get update`"),
    }
}

/// Runs a command to its end, and returns what it printed.
fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}

fn name(file: &Path) -> &str {
    file.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_needs() {
        let needs = depends(b"\x7fELF\0license=GPL\0depends=ccp,kvm\0retpoline=Y\0");
        assert_eq!(needs, ["ccp", "kvm"]);
        assert_eq!(depends(b"\0depends=\0retpoline=Y\0"), [""; 0]);
        assert_eq!(depends(b"\0license=GPL\0"), [""; 0]);
    }

    #[test]
    fn both_dashes_name_the_same_module() {
        assert!(is_module(Path::new("/x/kvm-amd.ko"), "kvm_amd"));
        assert!(is_module(Path::new("/x/virtio_pci.ko"), "virtio-pci"));
        assert!(is_module(Path::new("/x/virtio_pci.ko.xz"), "virtio-pci"));
        assert!(!is_module(Path::new("/x/kvm.ko"), "kvm_amd"));
        assert!(!is_module(Path::new("/x/kvm.xz"), "kvm"));
    }
}

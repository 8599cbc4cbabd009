// SPDX-License-Identifier: ISC
//! What is put into the nested machine: files, and programs with the libraries that they load.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::cpio::Archive;

const INIT: &str = include_str!("init.sh");
/// Who is who inside: servers look for themselves by name.
const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUPS: &str = "root:x:0:\nnogroup:x:65534:\n";
/// Debian keeps these folders in `/usr`, with links from where they were.
const MOVED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// The file system of the nested machine.
#[derive(Debug)]
pub struct Payload {
    archive: Archive,
}

impl Payload {
    /// One with a shell and the usual small programs, those of busybox.
    ///
    /// # Errors
    ///
    /// If there is no busybox here.
    pub fn new() -> Result<Self> {
        let mut archive = Archive::default();
        for folder in MOVED {
            archive.folder(&Path::new("usr").join(folder));
            archive.link(Path::new(folder), &format!("usr/{folder}"));
        }
        let folders = [
            "dev", "modules", "out", "proc", "root", "run", "sys", "tmp", "var/tmp",
        ];
        for folder in folders {
            archive.folder(Path::new(folder));
        }
        archive.bytes(Path::new("init"), INIT);
        archive.bytes(Path::new("etc/passwd"), USERS);
        archive.bytes(Path::new("etc/group"), GROUPS);
        archive.bytes(Path::new("etc/hosts"), "127.0.0.1 localhost\n");
        let mut payload = Self { archive };
        for program in ["busybox", "sh"] {
            ensure!(payload.program(program)?, "`{program}` is not installed");
        }
        Ok(payload)
    }

    /// The shell script that is the purpose of it all. Its exit status is the machine's; what it
    /// leaves in `/out` is brought back.
    pub fn job(&mut self, script: &str) {
        self.archive.bytes(Path::new("job"), script);
    }

    /// Adds a program of the path, if there is one of that name, with its libraries. It is on the
    /// path inside, too. Returns whether there is one.
    ///
    /// # Errors
    ///
    /// If its libraries cannot be told.
    pub fn program(&mut self, name: &str) -> Result<bool> {
        let Some(file) = on_path(name) else {
            return Ok(false);
        };
        let file = fs::canonicalize(&file).with_context(|| format!("cannot find {file:?}"))?;
        self.put(&file, &Path::new("usr/bin").join(name))?;
        Ok(true)
    }

    /// Adds a file or a folder with all in it, under the name that it has here.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn same(&mut self, path: &Path) -> Result<()> {
        let path = std::path::absolute(path).with_context(|| format!("cannot find {path:?}"))?;
        self.put(&path, &path)
    }

    /// Adds a file or a folder with all in it, as `to`. Programs bring their libraries.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn put(&mut self, from: &Path, to: &Path) -> Result<()> {
        let about = fs::metadata(from).with_context(|| format!("cannot read {from:?}"))?;
        let to = merged(to);
        if about.is_dir() {
            self.archive.folder(&to);
            for entry in fs::read_dir(from)? {
                let entry = entry?;
                self.put(&entry.path(), &to.join(entry.file_name()))?;
            }
            return Ok(());
        }
        let mode = about.permissions().mode();
        self.archive.file(&to, from, mode);
        if mode & 0o111 != 0 {
            self.libraries(from)?;
        }
        Ok(())
    }

    fn libraries(&mut self, program: &Path) -> Result<()> {
        for library in libraries(program)? {
            let to = merged(&library);
            if !self.archive.has(&to) {
                self.archive.file(&to, &library, 0o755);
            }
        }
        Ok(())
    }

    /// Adds kernel modules, to be loaded in this order.
    pub(crate) fn modules(&mut self, modules: Vec<Vec<u8>>) {
        let mut order = String::new();
        for (number, module) in modules.into_iter().enumerate() {
            let name = format!("modules/{number}.ko");
            self.archive.bytes(Path::new(&name), module);
            order += &format!("/{name}\n");
        }
        self.archive.bytes(Path::new("modules/order"), order);
    }

    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }
}

/// The name of a file in a tree where everything is in `/usr`.
fn merged(path: &Path) -> PathBuf {
    let path = path.strip_prefix("/").unwrap_or(path);
    match MOVED.iter().any(|folder| path.starts_with(folder)) {
        true => Path::new("usr").join(path),
        false => path.to_owned(),
    }
}

/// The libraries of a program, the loader among them; none if it is static or no program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.context("no `ldd` to tell the libraries of programs")?;
    Ok(listed(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads `name => /path (address)` and `/path (address)`.
fn listed(text: &str) -> Vec<PathBuf> {
    let words = text.lines().filter_map(|line| {
        let file = line.rsplit_once("=> ").map_or(line, |(_, file)| file);
        file.split_whitespace().next()
    });
    let files = words.filter(|word| word.starts_with('/') && !word.ends_with(':'));
    files.map(PathBuf::from).collect()
}

/// Finds a program.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(listed(text), expected.map(PathBuf::from));
        assert!(listed("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn all_is_in_usr() {
        assert_eq!(merged(Path::new("/lib64/x")), Path::new("usr/lib64/x"));
        assert_eq!(merged(Path::new("/usr/bin/x")), Path::new("usr/bin/x"));
        assert_eq!(merged(Path::new("/binary")), Path::new("binary"));
    }
}

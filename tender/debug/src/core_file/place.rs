// SPDX-License-Identifier: ISC
//! Where the core file of one guest goes, which is needed only if that fails.
//!
//! A tender that gives up its rights can neither make files nor remove them. So it has the file
//! [kept](Place::keep) from the start, and a second process, which has nothing else to do and
//! nothing of the guest, removes it again when the tender has ended, however it did, without having
//! said that the file is to stay.

use std::{
    fs::{self, File},
    io::{self, PipeReader, PipeWriter, Read, Write},
    mem::ManuallyDrop,
    os::fd::{AsRawFd, RawFd},
    path::{Path, PathBuf},
};

use fata_tender::{
    Error,
    seccomp::{
        Condition::{self, Equal},
        Rule,
    },
};

use super::{CoreFolder, Region, State};
use crate::{Registers, gdb};

/// Where a core file goes.
#[derive(Debug)]
pub struct Place {
    folder: CoreFolder,
    tender: &'static str,
    /// What gdb is to be given with the core file.
    symbols: PathBuf,
    /// The number of this process, which who started it knows.
    pid: u32,
    kept: Option<Kept>,
}

/// A file that is there, and empty.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    file: File,
    keeper: PipeWriter,
}

impl Place {
    /// A place in `folder`, for what a guest from the file `image` leaves under `tender`.
    ///
    /// # Errors
    ///
    /// It is no folder, or not for this user to write to.
    pub fn new(folder: &Path, tender: &'static str, image: &Path) -> Result<Self, Error> {
        Ok(Self {
            folder: CoreFolder::new(folder)?,
            tender,
            symbols: gdb::symbols(image),
            pid: std::process::id(),
            kept: None,
        })
    }

    /// Makes the file. This process must have one thread.
    ///
    /// # Errors
    ///
    /// It cannot be made, or the process that is to remove it.
    pub fn keep(&mut self) -> Result<(), Error> {
        let kept = self.make().map_err(|error| {
            Error::new(format!("cannot make the core file: {error}"))
                .hint("give `--dumpcore` a folder that you may write to, as in `--dumpcore=/tmp`")
        })?;
        self.kept = Some(kept);
        Ok(())
    }

    /// As [`keep`](Self::keep), for a test, which may not fork: there is no file in the folder.
    #[cfg(test)]
    pub(crate) fn pretend_to_keep(&mut self) {
        let (path, file) = self.folder.create(self.tender, self.pid).unwrap();
        fs::remove_file(&path).unwrap();
        let (_, keeper) = io::pipe().unwrap();
        self.kept = Some(Kept { path, file, keeper });
    }

    fn make(&self) -> io::Result<Kept> {
        let (theirs, keeper) = io::pipe()?;
        let (path, file) = self.folder.create(self.tender, self.pid)?;
        if process::fork()? {
            return Ok(Kept { path, file, keeper });
        }
        if process::alone_with(&theirs).is_ok() {
            keep(theirs, &path);
        }
        process::end()
    }

    /// What has to stay open for it.
    pub fn descriptors(&self) -> Vec<RawFd> {
        let kept = self.kept.iter();
        let kept = kept.flat_map(|kept| [kept.file.as_raw_fd(), kept.keeper.as_raw_fd()]);
        kept.collect()
    }

    /// What a sandboxed process may do to write it.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let Some(kept) = &self.kept else {
            return Vec::new();
        };
        const WHY: &str = "write the core file";
        let (file, one) = (Condition::descriptor(kept.file.as_raw_fd()), Equal(2, 1));
        let keeper = Condition::descriptor(kept.keeper.as_raw_fd());
        vec![
            Rule::new(libc::SYS_pwrite64, &[file], WHY),
            Rule::new(libc::SYS_ftruncate, &[file], WHY),
            Rule::new(libc::SYS_write, &[keeper, one], "say that it is to stay"),
        ]
    }

    /// Writes the file of a guest that failed, and says so on standard error. `read` as in
    /// [`write`](super::write).
    pub fn leave(
        self,
        registers: Registers,
        signal: u8,
        regions: &[Region],
        read: impl FnMut(u64, &mut [u8]) -> usize,
    ) {
        let (tender, symbols) = (self.tender, self.symbols.clone());
        match self.write(registers, signal, regions, read) {
            Ok(path) => eprintln!("{tender}: {}", gdb::core_invitation(&symbols, &path)),
            Err(error) => eprintln!("{tender}: cannot write the core file: {error}"),
        }
    }

    fn write(
        self,
        registers: Registers,
        signal: u8,
        regions: &[Region],
        read: impl FnMut(u64, &mut [u8]) -> usize,
    ) -> io::Result<PathBuf> {
        let pid = self.pid;
        let state = State {
            registers,
            signal,
            pid,
        };
        let (path, file, keeper) = match self.kept {
            Some(kept) => (kept.path, kept.file, Some(kept.keeper)),
            None => {
                let (path, file) = self.folder.create(self.tender, pid)?;
                (path, file, None)
            }
        };
        // To close them may not be allowed here, least of all before it was said what failed.
        let (file, keeper) = (ManuallyDrop::new(file), ManuallyDrop::new(keeper));
        super::write(&file, &state, regions, read)?;
        if let Some(mut keeper) = keeper.as_ref() {
            keeper.write_all(&[0])?;
        }
        Ok(path)
    }
}

/// Waits for the end of the tender, and removes the file if nothing was said before that.
fn keep(mut tender: PipeReader, path: &Path) {
    if !matches!(tender.read(&mut [0]), Ok(1)) {
        let _ = fs::remove_file(path);
    }
}

/// The life of the second process.
mod process {
    #![expect(unsafe_code, reason = "fork and what follows it have no safe form")]

    use std::{
        io::{self, PipeReader},
        os::fd::AsRawFd,
    };

    use fata_tender::sandbox;

    /// Makes it. `false`: this is it.
    pub(super) fn fork() -> io::Result<bool> {
        // SAFETY: this process has one thread, so no lock is held by one that the child lacks.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            child => Ok(child != 0),
        }
    }

    /// Gives up all else: what the tender was started with shall end with the tender.
    pub(super) fn alone_with(tender: &PipeReader) -> io::Result<()> {
        // Not for signals from the terminal, which are the tender's to end by.
        // SAFETY: it changes nothing but to whom this process belongs.
        unsafe { libc::setsid() };
        // Nothing here uses the others any more, and nothing that owns them is dropped.
        sandbox::close_others(vec![tender.as_raw_fd()]).map_err(io::Error::from)
    }

    /// Ends it without running what the tender registered for its end.
    pub(super) fn end() -> ! {
        // SAFETY: it does not return.
        unsafe { libc::_exit(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_to_is_not_closed_either() {
        let (_reader, keeper) = io::pipe().unwrap();
        let path = PathBuf::from("/dev/full");
        let file = File::options().write(true).open(&path).unwrap();
        let place = Place {
            folder: CoreFolder::new(&std::env::temp_dir()).unwrap(),
            tender: "fata-test",
            symbols: PathBuf::new(),
            pid: 0,
            kept: Some(Kept { path, file, keeper }),
        };
        let links: Vec<_> = place
            .descriptors()
            .iter()
            .map(|fd| format!("/proc/self/fd/{fd}"))
            .collect();
        let open = || -> Vec<_> { links.iter().map(|link| fs::read_link(link).ok()).collect() };
        let before = open();
        assert!(before.iter().all(Option::is_some));
        let written = place.write(Registers::default(), 11, &[], |_, _| 0);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(open(), before);
    }
}

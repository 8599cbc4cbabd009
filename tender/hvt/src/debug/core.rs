// SPDX-License-Identifier: ISC
//! A place for a core file: made before the sandbox, gone if it was not used.
//!
//! A sandboxed tender can neither make files nor remove them. So the file is made at the start, and a
//! second process, which has nothing else to do and nothing of the guest, removes it again when the
//! tender has ended, however it did, without having said that the file is to stay.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
};

use fata_tender::Error;
use fata_tender_debug::core_file::{self, CoreFolder, Region, State};

/// A file that is there, and empty.
pub(super) struct Core {
    path: PathBuf,
    file: File,
    keeper: UnixStream,
}

impl Core {
    /// Makes the file. This process must have one thread.
    pub(super) fn reserve(folder: &CoreFolder) -> Result<Self, Error> {
        let cannot = |error: io::Error| {
            Error::new(format!("cannot make the core file: {error}"))
                .hint("give `--dumpcore` a folder that you may write to, as in `--dumpcore=/tmp`")
        };
        let (keeper, theirs) = UnixStream::pair().map_err(cannot)?;
        let (path, file) = folder
            .create("fata-hvt", std::process::id())
            .map_err(cannot)?;
        // SAFETY: this process has one thread, so no lock is held by one that the child lacks.
        match unsafe { libc::fork() } {
            -1 => Err(cannot(io::Error::last_os_error())),
            0 => {
                drop((keeper, file));
                keep(theirs, &path)
            }
            _ => Ok(Self { path, file, keeper }),
        }
    }

    /// What has to stay open.
    pub(super) fn descriptors(&self) -> [RawFd; 2] {
        [self.file.as_raw_fd(), self.keeper.as_raw_fd()]
    }

    /// Writes the file, which stays, and returns where it is.
    pub(super) fn write(
        mut self,
        state: &State,
        regions: &[Region],
        read: impl FnMut(u64, &mut [u8]) -> usize,
    ) -> io::Result<PathBuf> {
        core_file::write(&self.file, state, regions, read)?;
        self.keeper.write_all(&[0])?;
        Ok(self.path)
    }
}

/// Waits for the end of the tender, and removes the file if nothing was said before that.
fn keep(mut tender: UnixStream, path: &std::path::Path) -> ! {
    // Not for signals from the terminal, which are the tender's to end by.
    // SAFETY: it changes nothing but to whom this process belongs.
    unsafe { libc::setsid() };
    // What the tender was started with shall end with the tender.
    let ours = tender.as_raw_fd() as libc::c_uint;
    for (first, last) in [(0, ours - 1), (ours + 1, libc::c_uint::MAX)] {
        // SAFETY: nothing here uses these descriptors any more, and nothing that owns them is
        // dropped.
        unsafe { libc::close_range(first, last, 0) };
    }
    if !matches!(tender.read(&mut [0]), Ok(1)) {
        let _ = fs::remove_file(path);
    }
    // SAFETY: it does not return, and runs nothing of what the tender registered for its end.
    unsafe { libc::_exit(0) }
}

// SPDX-License-Identifier: ISC
//! Block devices over a file or a block device of the host.

use std::{os::fd::OwnedFd, path::Path};

use rustix::{
    fs::{FileType, FlockOperation, Mode, OFlags, SeekFrom},
    io::Errno,
};

use crate::Error;

/// Opens `path` for the device `name` and returns its capacity. It is locked, because two guests
/// that write to one disk destroy it.
pub(super) fn open(name: &str, path: &Path, block_size: u16) -> Result<(OwnedFd, u64), Error> {
    let option = format!("--block:{name}={}", path.display());
    // Without NONBLOCK, a FIFO given by mistake would wait for its other end. It means nothing to
    // what is accepted below.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|error| cannot_open(&option, path, error))?;
    let stat = rustix::fs::fstat(&file)
        .map_err(|error| Error::new(format!("`{option}`: cannot look at it: {error}")))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::BlockDevice => {}
        _ => {
            return Err(
                Error::new(format!("`{option}` is neither a file nor a block device"))
                    .hint("make a file with `truncate -s 16M PATH`"),
            );
        }
    }
    lock(&option, &file)?;
    let capacity = rustix::fs::seek(&file, SeekFrom::End(0))
        .map_err(|error| Error::new(format!("`{option}`: cannot find its size: {error}")))?;
    check_capacity(&option, capacity, block_size)?;
    Ok((file, capacity))
}

fn check_capacity(option: &str, capacity: u64, block_size: u16) -> Result<(), Error> {
    let block = u64::from(block_size);
    if capacity == 0 {
        return Err(Error::new(format!("`{option}` is empty"))
            .hint("give it a size: `truncate -s 16M PATH`"));
    }
    if !capacity.is_multiple_of(block) {
        let up = capacity.next_multiple_of(block);
        return Err(Error::new(format!(
            "`{option}` has {capacity} bytes, which is not a multiple of its block size {block_size}"
        ))
        .hint(format!("make it fit, with `truncate -s {up} PATH` for a file")));
    }
    Ok(())
}

fn lock(option: &str, file: &OwnedFd) -> Result<(), Error> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::AGAIN) => Err(
            Error::new(format!("`{option}` is in use by another process"))
                .hint("stop the guest that has it, or give each guest a copy"),
        ),
        // Not every file system has locks; those that do not are as safe as they were.
        _ => Ok(()),
    }
}

fn cannot_open(option: &str, path: &Path, error: Errno) -> Error {
    let message = format!("`{option}`: cannot open it for reading and writing: {error}");
    let path = path.display();
    match error {
        Errno::NOENT => Error::new(message).hint(format!(
            "make an empty disk with `truncate -s 16M {path}`, or correct the path"
        )),
        Errno::ISDIR => Error::new(message).hint("give a file or a block device"),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Error::new(message).hint(
            "a guest writes to its disks: give it a file that this user may write, or a copy",
        ),
        _ => Error::new(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_block_size_must_agree() {
        assert!(check_capacity("o", 1536, 512).is_ok());
        assert!(check_capacity("o", 4096, 4096).is_ok());
        for (capacity, block_size, needle) in [
            (0, 512, "empty"),
            (1563, 512, "`truncate -s 2048 PATH`"),
            (6144, 4096, "`truncate -s 8192 PATH`"),
            (256, 512, "256 bytes"),
        ] {
            let error = check_capacity("o", capacity, block_size).unwrap_err();
            assert!(error.to_string().contains(needle), "{error}");
        }
    }
}

// SPDX-License-Identifier: ISC
//! Block devices over a file or a block device of the host.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind, Seek, SeekFrom},
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
};

use crate::Error;

/// Opens `path` for the device `name` and returns its capacity. It is locked, because two guests
/// that write to one disk destroy it.
pub(super) fn open(name: &str, path: &Path, block_size: u16) -> Result<(OwnedFd, u64), Error> {
    let option = format!("--block:{name}={}", path.display());
    open_path(path, block_size).map_err(|error| error.about(option))
}

fn open_path(path: &Path, block_size: u16) -> Result<(OwnedFd, u64), Error> {
    let mut options = File::options();
    // Without NONBLOCK, a FIFO given by mistake would wait for its other end. It means nothing to
    // what is accepted below.
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK);
    let mut file = options
        .open(path)
        .map_err(|error| cannot_open(path, &error))?;
    let metadata = file.metadata().map_err(Error::cannot("be looked at"))?;
    if !metadata.is_file() && !metadata.file_type().is_block_device() {
        return Err(Error::new("is neither a file nor a block device")
            .hint("make a file with `truncate -s 16M PATH`"));
    }
    // Not every file system has locks; those that do not are as safe as they were.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(Error::new("is in use by another process")
            .hint("stop the guest that has it, or give each guest a copy"));
    }
    let capacity = file.seek(SeekFrom::End(0));
    let capacity = capacity.map_err(Error::cannot("be asked for its size"))?;
    check_capacity(capacity, block_size)?;
    Ok((file.into(), capacity))
}

fn check_capacity(capacity: u64, block_size: u16) -> Result<(), Error> {
    if capacity == 0 {
        return Err(Error::new("is empty").hint("give it a size: `truncate -s 16M PATH`"));
    }
    let up = capacity.next_multiple_of(block_size.into());
    if capacity != up {
        return Err(Error::new(format!(
            "has {capacity} bytes, which is not a multiple of its block size {block_size}"
        ))
        .hint(format!(
            "make it fit, with `truncate -s {up} PATH` for a file"
        )));
    }
    Ok(())
}

fn cannot_open(path: &Path, why: &io::Error) -> Error {
    let error = Error::cannot("be opened for reading and writing")(why);
    let path = path.display();
    match why.kind() {
        ErrorKind::NotFound => error.hint(format!(
            "make an empty disk with `truncate -s 16M {path}`, or correct the path"
        )),
        ErrorKind::IsADirectory => error.hint("give a file or a block device"),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => error.hint(
            "a guest writes to its disks: give it a file that this user may write, or a copy",
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_block_size_must_agree() {
        assert!(check_capacity(1536, 512).is_ok());
        assert!(check_capacity(4096, 4096).is_ok());
        for (capacity, block_size, needle) in [
            (0, 512, "empty"),
            (1563, 512, "`truncate -s 2048 PATH`"),
            (6144, 4096, "`truncate -s 8192 PATH`"),
            (256, 512, "256 bytes"),
        ] {
            let error = check_capacity(capacity, block_size).unwrap_err();
            assert!(error.to_string().contains(needle), "{error}");
        }
    }
}

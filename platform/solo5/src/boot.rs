// SPDX-License-Identifier: ISC
//! What a tender lays out beside its boot information: command line and manifest.

use core::{ffi::CStr, ptr, slice, str};

use fata_abi::manifest::{ENTRY_SIZE, HEADER_SIZE, MAX_ENTRIES, Manifest};

/// The command line at `address`. What is no UTF-8 in it becomes question marks, on the spot.
///
/// # Safety
///
/// A NUL-terminated string is there, writable, and for this call alone.
pub(crate) unsafe fn command_line(address: usize) -> &'static str {
    let start: *mut u8 = ptr::with_exposed_provenance_mut(address);
    // SAFETY: the caller's promise.
    let len = unsafe { CStr::from_ptr(start.cast()) }.count_bytes();
    // SAFETY: as far as its NUL the string is there, and nobody else refers to it.
    let bytes: &'static mut [u8] = unsafe { slice::from_raw_parts_mut(start, len) };
    while let Err(error) = str::from_utf8(bytes) {
        if let Some(byte) = bytes.get_mut(error.valid_up_to()) {
            *byte = b'?';
        }
    }
    str::from_utf8(bytes).unwrap_or_default()
}

/// The manifest at `address`.
///
/// # Safety
///
/// A manifest is there that nobody changes any more.
pub(crate) unsafe fn manifest(address: usize) -> Manifest<&'static [u8]> {
    let start: *const u8 = ptr::with_exposed_provenance(address);
    // SAFETY: the header is there, by the caller's promise.
    let header = unsafe { &*start.cast::<[u8; HEADER_SIZE]>() };
    let entries = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let entries = (entries as usize).clamp(1, MAX_ENTRIES);
    // SAFETY: so are as many entries as it states, of which there is at least the reserved one.
    Manifest::from_tender(unsafe {
        slice::from_raw_parts(start, HEADER_SIZE + entries * ENTRY_SIZE)
    })
}

// SPDX-License-Identifier: ISC
//! What an image says of itself: name, version, and the boot arguments that it understands.
//!
//! `#[fata::main]` puts one [`Image`] into every unikernel. The runtime parses the command line by
//! it and prints `--help` from it; `cargo fata describe` finds it through its note and follows the
//! addresses in the file, so help is written once and stands in the image once. That is why the
//! types here have a fixed layout and hold addresses rather than Rust references and slices.

use core::{fmt, slice, str};

/// Layout version of [`Image`] and what it leads to.
pub const LAYOUT: u32 = 1;

/// A constant slice with a fixed layout.
#[repr(C)]
pub struct Slice<T: 'static> {
    data: *const T,
    len: usize,
}

// SAFETY: a `Slice` can only be made from a `&'static [T]` and gives nothing but that back.
unsafe impl<T: Sync> Sync for Slice<T> {}

impl<T> Slice<T> {
    /// The slice `items`.
    pub const fn new(items: &'static [T]) -> Self {
        Self {
            data: items.as_ptr(),
            len: items.len(),
        }
    }

    /// The items.
    pub const fn get(&self) -> &'static [T] {
        // SAFETY: `new`, the only constructor, took both fields from one `&'static [T]`.
        unsafe { slice::from_raw_parts(self.data, self.len) }
    }
}

/// A constant string with a fixed layout.
#[repr(transparent)]
pub struct Text(Slice<u8>);

impl Text {
    /// The string `text`.
    pub const fn new(text: &'static str) -> Self {
        Self(Slice::new(text.as_bytes()))
    }

    /// The string.
    pub const fn get(&self) -> &'static str {
        // SAFETY: `new`, the only constructor, took the bytes from a `str`.
        unsafe { str::from_utf8_unchecked(self.0.get()) }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// What an image says of itself.
#[repr(C)]
pub struct Image {
    /// [`LAYOUT`].
    pub layout: u32,
    /// Whether [`boot_arguments`](Self::boot_arguments) are final: a command line that names any
    /// argument other than `--help` and `--version` is refused.
    pub sealed: u32,
    /// Name of the program.
    pub name: Text,
    /// Version of the program.
    pub version: Text,
    /// What the program is, in a line.
    pub about: Text,
    /// Name of the platform it was linked for.
    pub platform: Text,
    /// Arguments compiled into the image, read before the command line.
    pub boot_arguments: Text,
    /// The arguments that it understands.
    pub arguments: &'static ArgumentTree,
    /// Its manifest, without the padding of the note.
    pub manifest: Slice<u8>,
}

/// Boot arguments in the shape in which types compose: those of one type, and those of its parts.
#[repr(C)]
pub struct ArgumentTree {
    /// Comes before the name of each argument below, with a hyphen; empty for none.
    pub prefix: Text,
    /// Arguments of the type itself.
    pub arguments: Slice<Argument>,
    /// Arguments of its parts.
    pub parts: Slice<&'static ArgumentTree>,
}

impl ArgumentTree {
    /// No arguments.
    pub const EMPTY: Self = Self::new(&[], &[]);

    /// The arguments of a type, and of its parts.
    pub const fn new(
        arguments: &'static [Argument],
        parts: &'static [&'static ArgumentTree],
    ) -> Self {
        Self {
            prefix: Text::new(""),
            arguments: Slice::new(arguments),
            parts: Slice::new(parts),
        }
    }

    /// The same arguments with `prefix` and a hyphen before each name.
    pub const fn prefixed(prefix: &'static str, part: &'static [&'static ArgumentTree]) -> Self {
        Self {
            prefix: Text::new(prefix),
            arguments: Slice::new(&[]),
            parts: Slice::new(part),
        }
    }
}

/// One boot argument.
#[repr(C)]
#[derive(Debug)]
pub struct Argument {
    /// Name, without the leading `--`.
    pub name: Text,
    /// What stands for the value in help, such as `PORT`; empty for a flag, which takes none.
    pub value: Text,
    /// The value that it has when not given, as it would be typed; empty for none.
    pub default: Text,
    /// What it is for.
    pub help: Text,
    /// [`REQUIRED`] and [`REPEATED`].
    pub flags: u32,
}

/// The image does not start without this argument.
pub const REQUIRED: u32 = 1;
/// The argument may be given several times, or with several values separated by commas.
pub const REPEATED: u32 = 2;

// A tool follows these offsets in the file.
const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Text>() == 16);
    assert!(offset_of!(Image, name) == 8);
    assert!(offset_of!(Image, version) == 24);
    assert!(offset_of!(Image, about) == 40);
    assert!(offset_of!(Image, platform) == 56);
    assert!(offset_of!(Image, boot_arguments) == 72);
    assert!(offset_of!(Image, arguments) == 88);
    assert!(offset_of!(Image, manifest) == 96);
    assert!(size_of::<Image>() == 112);
    assert!(offset_of!(ArgumentTree, arguments) == 16);
    assert!(offset_of!(ArgumentTree, parts) == 32);
    assert!(size_of::<ArgumentTree>() == 48);
    assert!(offset_of!(Argument, value) == 16);
    assert!(offset_of!(Argument, default) == 32);
    assert!(offset_of!(Argument, help) == 48);
    assert!(offset_of!(Argument, flags) == 64);
    assert!(size_of::<Argument>() == 72);
};

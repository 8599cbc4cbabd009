// SPDX-License-Identifier: ISC
//! What `#[fata::main]` puts into an image beside the program: its manifest and its description.

/// Defines `IMAGE` and the notes that lead to it. Expanded in the program's crate, because that is
/// whose name, version and compiled-in arguments are asked for.
#[doc(hidden)]
#[macro_export]
macro_rules! __image {
    (devices: $devices:expr, arguments: $arguments:expr $(,)?) => {
        $crate::__note! {
            ".note.solo5.manifest",
            static MANIFEST: $crate::__private::abi::note::Note<
                { $crate::__private::abi::manifest::note_size($devices.len()) },
            > = $crate::__private::abi::manifest::encode_note($devices);
        }

        static IMAGE: $crate::__private::abi::image::Image = {
            use $crate::__private::{
                self as __fata,
                abi::image::{LAYOUT, Slice, Text},
            };

            $crate::__private::abi::image::Image {
                layout: LAYOUT,
                sealed: __fata::is_set(::core::option_env!("FATA_SEALED")) as u32,
                name: Text::new(__fata::or(
                    ::core::option_env!("CARGO_BIN_NAME"),
                    ::core::env!("CARGO_PKG_NAME"),
                )),
                version: Text::new(::core::env!("CARGO_PKG_VERSION")),
                about: Text::new(::core::env!("CARGO_PKG_DESCRIPTION")),
                platform: Text::new($crate::platform::NAME),
                boot_arguments: Text::new(__fata::or(
                    ::core::option_env!("FATA_BOOT_ARGUMENTS"),
                    "",
                )),
                arguments: $arguments,
                manifest: Slice::new(__fata::manifest(&MANIFEST.0)),
            }
        };

        $crate::__note! {
            ".note.fata.image",
            static _IMAGE_NOTE: $crate::__private::abi::note::AddressNote<
                $crate::__private::abi::image::Image,
            > = $crate::__private::abi::note::AddressNote::new(
                $crate::__private::abi::note::TYPE_IMAGE,
                &IMAGE,
            );
        }

        #[unsafe(export_name = "__fata_image")]
        fn image() -> &'static $crate::__private::abi::image::Image {
            &IMAGE
        }
    };
}

/// Whether an environment variable had a value other than nothing and `0` at build time.
pub const fn is_set(variable: Option<&str>) -> bool {
    match variable {
        None => false,
        Some(value) => !matches!(value.as_bytes(), b"" | b"0"),
    }
}

/// An environment variable as it was at build time, or `default` if it was not set.
pub const fn or(variable: Option<&'static str>, default: &'static str) -> &'static str {
    match variable {
        None => default,
        Some(value) => value,
    }
}

/// The manifest in its note.
pub const fn manifest(note: &'static [u8]) -> &'static [u8] {
    use fata_abi::{manifest::NOTE_PADDING, note::HEADER_SIZE};

    note.split_at(HEADER_SIZE + NOTE_PADDING).1
}

// SPDX-License-Identifier: ISC
//! Derives and the entry point attribute of Fata.
//!
//! Only entry points are here; each is documented where users meet it, in the crate that
//! re-exports it.

mod args;
mod devices;
mod main_attr;

use proc_macro::TokenStream;

/// Makes the fields of a struct boot arguments.
///
/// A field `some_name` becomes the argument `--some-name`, its documentation the help. Its type
/// decides how it is given:
///
/// | type | given |
/// |---|---|
/// | `bool` without default | a flag: `--name` |
/// | `Option<T>` | not at all or once |
/// | `Vec<T>` | any number of times, or with commas |
/// | any other `T` | once; required unless there is a default |
///
/// `T` implements `fata::args::Value`. Attributes of a field, in `#[arg(...)]`:
///
/// - `default = 53` or `default = "10.0.0.2"`: the value when not given, a literal as it would be
///   typed;
/// - `name = "..."`: another name than that of the field;
/// - `value = "PORT"`: what stands for the value in help.
///
/// ```ignore
/// #[derive(fata::Args)]
/// struct Args {
///     /// Port to answer on.
///     #[arg(default = 53)]
///     port: u16,
/// }
/// ```
#[proc_macro_derive(Args, attributes(arg, args))]
pub fn derive_args(input: TokenStream) -> TokenStream {
    args::derive(syn::parse_macro_input!(input))
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

/// Makes the fields of a struct the devices of a program.
///
/// The type of each field implements `fata::Device`; `main` takes the struct as a parameter. The
/// name of a field is the name under which the device is attached
/// (`fata-spt --net:service=tap0 ...`): at most 67 letters and digits, unique among at most 63.
/// Wrong names are errors of compilation.
///
/// Boot arguments that a device brings have their own names for the fields `service` and
/// `storage`, and names that begin with the field's for any other: `uplink` has `--uplink-ipv4`.
///
/// Attributes of a field, in `#[device(...)]`:
///
/// - `name = "..."`: another name in the manifest than that of the field;
/// - `embed = "directory"`: the device is made of the files below this directory beside
///   `Cargo.toml`, all of them, as they are when the program is compiled; below the folder that
///   `build.rs` writes to where it begins with `$OUT_DIR/`.
///
/// ```ignore
/// #[derive(fata::Devices)]
/// struct Devices {
///     /// The network that clients come from.
///     service: Nic,
///     /// Zone files.
///     #[device(embed = "zones")]
///     zones: Files,
/// }
/// ```
#[proc_macro_derive(Devices, attributes(device, devices))]
pub fn derive_devices(input: TokenStream) -> TokenStream {
    devices::derive(&syn::parse_macro_input!(input))
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

/// Makes an `async fn main` the program of an image.
///
/// Its parameters derive `Args` or `Devices`, in any number and order; they are ready when it
/// starts. It returns `()`, a `u8` (the exit status) or a `Result` of these.
///
/// ```ignore
/// #![no_std]
/// #![no_main]
/// use fata::prelude::*;
///
/// #[fata::main]
/// async fn main() {
///     println!("hello");
/// }
/// ```
#[proc_macro_attribute]
pub fn main(attributes: TokenStream, item: TokenStream) -> TokenStream {
    main_attr::main(&attributes.into(), &syn::parse_macro_input!(item))
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

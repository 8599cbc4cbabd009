// SPDX-License-Identifier: ISC
//! Derives and the entry point attribute of Fata.
//!
//! Only entry points are here; each is documented where users meet it, in the crate that
//! re-exports it.

mod args;

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

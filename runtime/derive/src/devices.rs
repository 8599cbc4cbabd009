// SPDX-License-Identifier: ISC
//! `#[derive(Devices)]`: a struct whose fields are devices becomes a parameter of `main`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Fields, LitStr, Result, Type, ext::IdentExt};

/// Device names whose boot arguments have no prefix: the one network and the one disk that most
/// programs have.
const DEFAULTS: [&str; 2] = ["service", "storage"];

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let krate = crate_path(input)?;
    let ident = &input.ident;
    let fields = fields(input)?;
    let connected: Vec<&Field> = fields
        .iter()
        .filter(|field| field.files.is_none())
        .collect();
    let parts: Vec<TokenStream> = connected.iter().map(|field| field.part()).collect();
    let names = connected.iter().map(|field| &field.name);
    let prefixes = connected.iter().map(|field| &field.prefix);
    let types: Vec<&Type> = connected.iter().map(|field| field.ty).collect();
    let variables: Vec<_> = (0..connected.len())
        .map(|index| format_ident!("arguments_{index}"))
        .collect();
    let mut left = variables.iter();
    let values = fields.iter().map(|field| field.value(&mut left));
    let count = connected.len();

    Ok(quote! {
        const _: () = {
            use #krate as __fata;
            use __fata::{abi::{image, manifest}, runtime::{args, program}, wiring};

            const LIST: wiring::DeviceList<#count> =
                wiring::DeviceList::new([#((#names, <#types as wiring::Device>::NEEDS)),*]);
            // Refuses what no manifest can hold, here where the names stand.
            const _: __fata::abi::note::Note<{ manifest::note_size(LIST.get().len()) }> =
                manifest::encode_note(LIST.get());

            impl program::Parameter for #ident {
                const DEVICES: &'static [manifest::Device<'static>] = LIST.get();
                const ARGUMENTS: &'static image::ArgumentTree =
                    &image::ArgumentTree::new(&[], &[#(#parts),*]);
                type Parsed = (#(<#types as wiring::Device>::Arguments,)*);

                fn parse(values: &args::Values) -> ::core::result::Result<Self::Parsed, args::ArgError> {
                    let _ = values;
                    ::core::result::Result::Ok((#(
                        <<#types as wiring::Device>::Arguments as args::Arguments>::parse(
                            &values.under(#prefixes),
                        )?,
                    )*))
                }

                async fn resolve(
                    (#(#variables,)*): Self::Parsed,
                ) -> ::core::result::Result<Self, __fata::runtime::Error> {
                    ::core::result::Result::Ok(Self { #(#values),* })
                }
            }
        };
    })
}

/// The devices that the struct lists.
fn fields(input: &DeriveInput) -> Result<Vec<Field<'_>>> {
    if !input.generics.params.is_empty() {
        let message = "devices of a program are concrete types: remove the generic parameters";
        return Err(Error::new_spanned(&input.generics, message));
    }
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "only a struct can list devices",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        let message = "devices are known by their names: give the struct named fields";
        return Err(Error::new_spanned(&input.ident, message));
    };
    fields.named.iter().map(Field::parse).collect()
}

/// One device.
struct Field<'a> {
    ident: &'a syn::Ident,
    ty: &'a Type,
    /// In the manifest.
    name: String,
    /// Of its boot arguments; empty for none.
    prefix: String,
    /// What is embedded into it, if it is not connected but made of files.
    files: Option<Vec<(String, String)>>,
}

impl<'a> Field<'a> {
    fn parse(field: &'a syn::Field) -> Result<Self> {
        let Some(ident) = &field.ident else {
            return Err(Error::new_spanned(field, "a device needs a name"));
        };
        let mut name = ident.unraw().to_string();
        let prefix = if DEFAULTS.contains(&name.as_str()) {
            String::new()
        } else {
            name.replace('_', "-")
        };
        let mut files = None;
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("device")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    name = meta.value()?.parse::<LitStr>()?.value();
                } else if meta.path.is_ident("embed") {
                    files = Some(embed(&meta.value()?.parse()?)?);
                } else {
                    return Err(meta.error("unknown key: there are `name` and `embed`"));
                }
                Ok(())
            })?;
        }
        Ok(Self {
            ident,
            ty: &field.ty,
            name,
            prefix,
            files,
        })
    }

    /// The boot arguments that it brings.
    fn part(&self) -> TokenStream {
        let Self { ty, prefix, .. } = self;
        let tree = quote! { &<<#ty as wiring::Device>::Arguments as args::Arguments>::TREE };
        if prefix.is_empty() {
            tree
        } else {
            quote! { &image::ArgumentTree::prefixed(#prefix, &[#tree]) }
        }
    }

    /// The expression that makes it, from its arguments if it has any.
    fn value<'v>(&self, left: &mut impl Iterator<Item = &'v syn::Ident>) -> TokenStream {
        let Self {
            ident, ty, name, ..
        } = self;
        if let Some(files) = &self.files {
            let files = files
                .iter()
                .map(|(key, path)| quote! { (#key, ::core::include_bytes!(#path)) });
            return quote! {
                #ident: <#ty as wiring::Embed>::embed({
                    const FILES: &[(&str, &[u8])] = &[#(#files),*];
                    FILES
                })
            };
        }
        let arguments = left.next();
        let context = format!("cannot connect device `{name}`");
        quote! {
            #ident: match <#ty as wiring::Device>::connect(wiring::Port::new(#name), #arguments).await {
                ::core::result::Result::Ok(device) => device,
                ::core::result::Result::Err(error) => {
                    return ::core::result::Result::Err(error.context(#context));
                }
            }
        }
    }
}

/// What `#[devices(crate = path)]` says: where the facade's private part is.
fn crate_path(input: &DeriveInput) -> Result<TokenStream> {
    let mut path = quote! { ::fata::__private };
    for attribute in input.attrs.iter().filter(|a| a.path().is_ident("devices")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("unknown key: there is `crate`"));
            }
            let given: syn::Path = meta.value()?.call(syn::Path::parse_mod_style)?;
            path = quote! { #given };
            Ok(())
        })?;
    }
    Ok(path)
}

/// The files below the directory that `literal` names, each with its key, sorted by key.
fn embed(literal: &LitStr) -> Result<Vec<(String, String)>> {
    let error = |message: String| Error::new(literal.span(), message);
    let value = literal.value();
    let (variable, path) = match value.strip_prefix("$OUT_DIR/") {
        Some(path) => ("OUT_DIR", path),
        None => ("CARGO_MANIFEST_DIR", value.as_str()),
    };
    let Some(base) = env::var_os(variable).map(PathBuf::from) else {
        return Err(error(match variable {
            "OUT_DIR" => "`$OUT_DIR` is where build.rs writes, and there is no build.rs".into(),
            _ => "directories are embedded relative to `CARGO_MANIFEST_DIR`, which is not set: build with cargo".into(),
        }));
    };
    let directory = base.join(path);
    let mut walk = Walk {
        files: Vec::new(),
        inside: Vec::new(),
        span: literal.span(),
    };
    if !directory.is_dir() {
        return Err(error(format!(
            "directory to embed does not exist: `{}`",
            directory.display()
        )));
    }
    walk.directory(&directory, "")?;
    walk.files.sort();
    Ok(walk.files)
}

struct Walk {
    files: Vec<(String, String)>,
    /// The directories around the present one, without symbolic links.
    inside: Vec<PathBuf>,
    span: Span,
}

impl Walk {
    fn directory(&mut self, directory: &Path, key: &str) -> Result<()> {
        let real = directory
            .canonicalize()
            .map_err(|error| self.unread(directory, &error))?;
        if self.inside.contains(&real) {
            return Err(self.error(format!(
                "symbolic link leads back to a directory that it is in: `{}`",
                directory.display()
            )));
        }
        self.inside.push(real);
        let entries = fs::read_dir(directory).map_err(|error| self.unread(directory, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| self.unread(directory, &error))?;
            let path = entry.path();
            let name = entry.file_name();
            let (Some(name), Some(text)) = (name.to_str(), path.to_str()) else {
                return Err(self.error(format!("name is not UTF-8: `{}`", path.display())));
            };
            let key = if key.is_empty() {
                name.to_owned()
            } else {
                format!("{key}/{name}")
            };
            let kind = fs::metadata(&path).map_err(|error| self.unread(&path, &error))?;
            if kind.is_dir() {
                self.directory(&path, &key)?;
            } else if kind.is_file() {
                self.files.push((key, text.to_owned()));
            } else {
                return Err(self.error(format!("neither file nor directory: `{text}`")));
            }
        }
        self.inside.pop();
        Ok(())
    }

    fn unread(&self, path: &Path, error: &std::io::Error) -> Error {
        self.error(format!("cannot read `{}`: {error}", path.display()))
    }

    fn error(&self, message: String) -> Error {
        Error::new(self.span, message)
    }
}

#[cfg(test)]
mod tests;

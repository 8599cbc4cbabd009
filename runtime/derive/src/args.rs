// SPDX-License-Identifier: ISC
//! `#[derive(Args)]`: boot arguments out of the fields of a struct.
//!
//! Written out are a constant [`ArgumentTree`](../fata_abi/image/struct.ArgumentTree.html) and one
//! call for each field, so that what differs between two programs is data and not code.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{
    Data, DeriveInput, Error, Expr, ExprLit, ExprUnary, Field, Fields, GenericArgument, Ident, Lit,
    LitStr, Path, PathArguments, Result, Type, UnOp, parse_quote, spanned::Spanned,
};

/// Writes the implementations of `Arguments` and `Parameter`.
pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    let runtime = runtime_path(&input)?;
    let fields = named_fields(&input)?
        .into_iter()
        .map(Argument::read)
        .collect::<Result<Vec<_>>>()?;
    refuse_duplicates(&fields)?;
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let entries = fields.iter().map(|field| field.entry(&runtime));
    let parsers = fields.iter().map(Argument::parser);
    let checks = fields.iter().filter_map(Argument::check);
    Ok(quote! {
        const _: () = {
            use #runtime::abi::image as __image;
            use #runtime::args::{ArgError as __ArgError, Arguments as __Arguments};
            use #runtime::program::Parameter as __Parameter;

            #(#checks)*

            impl #generics __Arguments for #name #arguments #bounds {
                const TREE: __image::ArgumentTree =
                    __image::ArgumentTree::new(&[#(#entries),*], &[]);

                fn parse(
                    values: &#runtime::args::Values,
                ) -> ::core::result::Result<Self, __ArgError> {
                    ::core::result::Result::Ok(Self { #(#parsers),* })
                }
            }

            impl #generics __Parameter for #name #arguments #bounds {
                const DEVICES: &'static [#runtime::abi::manifest::Device<'static>] = &[];
                const ARGUMENTS: &'static __image::ArgumentTree = &<Self as __Arguments>::TREE;
                type Parsed = Self;

                fn parse(
                    values: &#runtime::args::Values,
                ) -> ::core::result::Result<Self, __ArgError> {
                    <Self as __Arguments>::parse(values)
                }

                async fn resolve(parsed: Self) -> ::core::result::Result<Self, #runtime::Error> {
                    ::core::result::Result::Ok(parsed)
                }
            }
        };
    })
}

/// Where the generated code finds the runtime: `#[args(crate = path)]`, or through the facade.
fn runtime_path(input: &DeriveInput) -> Result<Path> {
    let mut path = parse_quote!(::fata::__private::runtime);
    for attribute in input.attrs.iter().filter(|a| a.path().is_ident("args")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("unknown attribute: expected `crate = path`"));
            }
            path = meta.value()?.parse()?;
            Ok(())
        })?;
    }
    Ok(path)
}

fn named_fields(input: &DeriveInput) -> Result<Vec<&Field>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter().collect()),
            Fields::Unit => Ok(Vec::new()),
            Fields::Unnamed(fields) => Err(Error::new(
                fields.span(),
                "boot arguments need names: use a struct with named fields",
            )),
        },
        _ => Err(Error::new(
            input.ident.span(),
            "boot arguments are the fields of a struct",
        )),
    }
}

fn refuse_duplicates(fields: &[Argument<'_>]) -> Result<()> {
    for (i, field) in fields.iter().enumerate() {
        if fields[..i].iter().any(|other| other.name == field.name) {
            return Err(Error::new(
                field.field.span(),
                format!("two arguments are called `--{}`", field.name),
            ));
        }
    }
    Ok(())
}

/// How often an argument is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flag,
    Optional,
    Repeated,
    Single,
}

/// A field as an argument.
struct Argument<'a> {
    field: Ident,
    name: String,
    help: String,
    kind: Kind,
    /// Type of a single value.
    value_type: &'a Type,
    value_name: Option<String>,
    default: Option<Default>,
}

/// A default in the two forms in which it is needed.
struct Default {
    text: String,
    /// The literal, where it is of the language's own and not text.
    literal: Option<TokenStream>,
}

impl<'a> Argument<'a> {
    fn read(field: &'a Field) -> Result<Self> {
        let ident = field.ident.clone().unwrap_or_else(|| format_ident!("_"));
        let mut argument = Self {
            name: kebab(&ident),
            help: help(field),
            kind: Kind::Single,
            value_type: &field.ty,
            value_name: None,
            default: None,
            field: ident,
        };
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("arg")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("default") {
                    argument.default = Some(default(&meta.value()?.parse()?)?);
                } else if meta.path.is_ident("name") {
                    argument.name = checked_name(&meta.value()?.parse()?)?;
                } else if meta.path.is_ident("value") {
                    argument.value_name = Some(meta.value()?.parse::<LitStr>()?.value());
                } else {
                    return Err(
                        meta.error("unknown attribute: expected `default`, `name` or `value`")
                    );
                }
                Ok(())
            })?;
        }
        argument.set_kind(field)?;
        Ok(argument)
    }

    /// Decides by the type, and by whether there is a default, how the argument is given.
    fn set_kind(&mut self, field: &'a Field) -> Result<()> {
        if let Some(inner) = inner(&field.ty, "Option") {
            if self.default.is_some() {
                return Err(Error::new(
                    field.span(),
                    "an optional argument has no default: remove `Option` or the default",
                ));
            }
            self.kind = Kind::Optional;
            self.value_type = inner;
        } else if let Some(inner) = inner(&field.ty, "Vec") {
            self.kind = Kind::Repeated;
            self.value_type = inner;
        } else if is_path(&field.ty, &["bool"]) && self.default.is_none() {
            self.kind = Kind::Flag;
        }
        Ok(())
    }

    /// The constant that describes the argument.
    fn entry(&self, runtime: &Path) -> TokenStream {
        let Self {
            name,
            help,
            value_type,
            kind,
            ..
        } = self;
        let value = match (&self.value_name, kind) {
            (_, Kind::Flag) => quote!(""),
            (Some(name), _) => quote!(#name),
            (None, _) => quote!(<#value_type as #runtime::args::Value>::NAME),
        };
        let default = self.default_text();
        let flags = match kind {
            Kind::Repeated => quote!(__image::REPEATED),
            Kind::Single if self.default.is_none() => quote!(__image::REQUIRED),
            _ => quote!(0),
        };
        quote! {
            __image::Argument {
                name: __image::Text::new(#name),
                value: __image::Text::new(#value),
                default: __image::Text::new(#default),
                help: __image::Text::new(#help),
                flags: #flags,
            }
        }
    }

    /// The initialiser of the field.
    fn parser(&self) -> TokenStream {
        let Self {
            field,
            name,
            value_type,
            ..
        } = self;
        let default = self.default_text();
        let call = match self.kind {
            Kind::Flag => quote!(flag(#name)),
            Kind::Optional => quote!(optional::<#value_type>(#name)),
            Kind::Repeated => quote!(list::<#value_type>(#name, #default)),
            Kind::Single if self.default.is_some() => {
                quote!(or_default::<#value_type>(#name, #default))
            }
            Kind::Single => quote!(required::<#value_type>(#name)),
        };
        quote!(#field: values.#call?)
    }

    /// Lets the compiler see whether a default that is a number or truth value suits the type.
    fn check(&self) -> Option<TokenStream> {
        const PRIMITIVE: &[&str] = &[
            "bool", "u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize",
        ];
        let literal = self.default.as_ref()?.literal.as_ref()?;
        let ty = self.value_type;
        is_path(ty, PRIMITIVE).then(|| quote!(const _: #ty = #literal;))
    }

    fn default_text(&self) -> &str {
        self.default.as_ref().map_or("", |default| &default.text)
    }
}

/// A default from a literal, possibly negative.
fn default(expr: &Expr) -> Result<Default> {
    let (sign, lit) = match expr {
        Expr::Lit(ExprLit { lit, .. }) => ("", lit),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => match &**expr {
            Expr::Lit(ExprLit { lit, .. }) => ("-", lit),
            _ => return Err(not_literal(expr)),
        },
        _ => return Err(not_literal(expr)),
    };
    let (text, typed) = match lit {
        Lit::Str(text) => (text.value(), false),
        Lit::Int(number) => (number.base10_digits().to_owned(), true),
        Lit::Bool(truth) => (truth.value.to_string(), true),
        Lit::Char(letter) => (letter.value().to_string(), true),
        _ => return Err(not_literal(expr)),
    };
    Ok(Default {
        text: format!("{sign}{text}"),
        literal: typed.then(|| expr.to_token_stream()),
    })
}

fn not_literal(at: &dyn ToTokens) -> Error {
    Error::new_spanned(
        at.to_token_stream(),
        "a default is written as it would be typed: a whole number, `true`, `false`, or text such \
         as \"10.0.0.2\"",
    )
}

fn checked_name(name: &LitStr) -> Result<String> {
    let text = name.value();
    let proper = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || text.starts_with('-') || !text.bytes().all(proper) {
        return Err(Error::new(
            name.span(),
            "a name consists of lower-case letters, digits and hyphens, without leading hyphens",
        ));
    }
    Ok(text)
}

fn kebab(ident: &Ident) -> String {
    let name = ident.to_string();
    name.trim_start_matches("r#").replace('_', "-")
}

/// The documentation of a field as one paragraph.
fn help(field: &Field) -> String {
    let mut help = String::new();
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("doc")) {
        if let syn::Meta::NameValue(meta) = &attribute.meta
            && let Expr::Lit(ExprLit {
                lit: Lit::Str(line),
                ..
            }) = &meta.value
        {
            help.push_str(line.value().trim());
            help.push(' ');
        }
    }
    help.trim().to_owned()
}

/// The `T` of a `wrapper<T>`.
fn inner<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) if last.ident == wrapper => Some(inner),
        _ => None,
    }
}

fn is_path(ty: &Type, names: &[&str]) -> bool {
    matches!(ty, Type::Path(path) if names.iter().any(|name| path.path.is_ident(name)))
}

#[cfg(test)]
mod tests;

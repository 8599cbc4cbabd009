// SPDX-License-Identifier: ISC
//! What `derive(Args)` refuses, and in which words. What it makes is tested where it is used, in
//! `fata-runtime`.

use quote::quote;

use super::*;

/// The message for a struct with the given tokens.
fn refused(input: TokenStream) -> String {
    let input = syn::parse2(input).expect("a type");
    derive(input).expect_err("accepted").to_string()
}

#[test]
fn mistakes_are_named() {
    for (input, message) in [
        (
            quote!(
                enum Args {
                    A,
                }
            ),
            "boot arguments are the fields of a struct",
        ),
        (
            quote!(
                struct Args(u16);
            ),
            "boot arguments need names: use a struct with named fields",
        ),
        (
            quote!(
                struct Args {
                    #[arg(default = 1)]
                    port: Option<u16>,
                }
            ),
            "an optional argument has no default: remove `Option` or the default",
        ),
        (
            quote!(
                struct Args {
                    #[arg(defualt = 1)]
                    port: u16,
                }
            ),
            "unknown attribute: expected `default`, `name` or `value`",
        ),
        (
            quote!(
                struct Args {
                    a_b: u16,
                    #[arg(name = "a-b")]
                    c: u16,
                }
            ),
            "two arguments are called `--a-b`",
        ),
        (
            quote!(
                #[args(path = x)]
                struct Args {}
            ),
            "unknown attribute: expected `crate = path`",
        ),
    ] {
        assert_eq!(refused(input), message);
    }
}

#[test]
fn a_default_is_a_literal() {
    for default in [
        quote!(PORT),
        quote!(1 + 1),
        quote!(-PORT),
        quote!(1.5),
        quote!(f()),
    ] {
        let message = refused(quote!(
            struct Args {
                #[arg(default = #default)]
                port: u16,
            }
        ));
        assert!(
            message.starts_with("a default is written as it would be typed"),
            "{message}"
        );
    }
}

#[test]
fn a_name_can_be_typed() {
    for name in ["", "-a", "A", "a b", "a=b", "ä", "a_b"] {
        let message = refused(quote!(
            struct Args {
                #[arg(name = #name)]
                port: u16,
            }
        ));
        assert!(
            message.starts_with("a name consists of lower-case letters"),
            "{name}: {message}"
        );
    }
}

#[test]
fn defaults_are_given_as_text() {
    let text = |expr: TokenStream| {
        let default = default(&syn::parse2(expr).expect("expression")).expect("literal");
        (default.text, default.literal.is_some())
    };
    assert_eq!(text(quote!(53)), ("53".to_owned(), true));
    assert_eq!(text(quote!(0x10u16)), ("16".to_owned(), true));
    assert_eq!(text(quote!(-5)), ("-5".to_owned(), true));
    assert_eq!(text(quote!(true)), ("true".to_owned(), true));
    assert_eq!(text(quote!("10.0.0.2")), ("10.0.0.2".to_owned(), false));
}

// SPDX-License-Identifier: ISC
//! `#[fata::main]`: ties a program to the runtime and to what the world reads in its image.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, FnArg, ItemFn, Result, Signature, Type};

pub(crate) fn main(attributes: &TokenStream, function: &ItemFn) -> Result<TokenStream> {
    if !attributes.is_empty() {
        return Err(Error::new_spanned(
            attributes,
            "`#[fata::main]` takes no arguments",
        ));
    }
    let types = parameters(&function.sig)?;
    let parsed: Vec<_> = (0..types.len())
        .map(|n| format_ident!("parsed_{n}"))
        .collect();
    let ready: Vec<_> = (0..types.len())
        .map(|n| format_ident!("ready_{n}"))
        .collect();
    let name = &function.sig.ident;

    Ok(quote! {
        #function

        const _: () = {
            use ::fata::__private::{self as __fata, abi::image, runtime::{args, program}, wiring};

            const DEVICES: &[&[__fata::abi::manifest::Device<'static>]] =
                &[#(<#types as program::Parameter>::DEVICES),*];
            const LIST: wiring::DeviceList<{ wiring::count(DEVICES) }> = wiring::DeviceList::concat(DEVICES);
            // Names are looked at without those of the runtime, which none may have.
            const _: &image::ArgumentTree = __fata::checked(&image::ArgumentTree::new(
                &[],
                &[#(<#types as program::Parameter>::ARGUMENTS),*],
            ));
            static ARGUMENTS: image::ArgumentTree = image::ArgumentTree::new(
                &[],
                &[#(<#types as program::Parameter>::ARGUMENTS,)* program::ARGUMENTS],
            );

            ::fata::__image! {
                devices: LIST.get(),
                arguments: &ARGUMENTS,
            }

            type Parsed = (#(<#types as program::Parameter>::Parsed,)*);

            fn parse(values: &args::Values) -> ::core::result::Result<Parsed, args::ArgError> {
                let _ = values;
                ::core::result::Result::Ok((#(<#types as program::Parameter>::parse(values)?,)*))
            }

            async fn run((#(#parsed,)*): Parsed) -> u8 {
                #(
                    let #ready = match <#types as program::Parameter>::resolve(#parsed).await {
                        ::core::result::Result::Ok(ready) => ready,
                        ::core::result::Result::Err(error) => {
                            let error: ::core::result::Result<(), _> = ::core::result::Result::Err(error);
                            return program::Termination::report(error);
                        }
                    };
                )*
                program::Termination::report(#name(#(#ready),*).await)
            }

            #[unsafe(export_name = "__fata_main")]
            fn start() -> u8 {
                program::launch(&IMAGE, parse, run)
            }
        };
    })
}

/// The types of the parameters, if the function can be a main function.
fn parameters(signature: &Signature) -> Result<Vec<&Type>> {
    if signature.asyncness.is_none() {
        let message = "the main function of a unikernel is asynchronous: write `async fn`";
        return Err(Error::new_spanned(&signature.ident, message));
    }
    if !signature.generics.params.is_empty() {
        let message = "the main function of a unikernel has no generic parameters";
        return Err(Error::new_spanned(&signature.generics, message));
    }
    let types = signature.inputs.iter().map(|input| match input {
        FnArg::Typed(typed) => Ok(&*typed.ty),
        FnArg::Receiver(receiver) => Err(Error::new_spanned(
            receiver,
            "the main function is no method",
        )),
    });
    types.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(function: &str) -> String {
        let function = syn::parse_str(function).unwrap();
        main(&TokenStream::new(), &function)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_no_main_is_refused() {
        assert!(refusal("fn main() {}").contains("write `async fn`"));
        assert!(refusal("async fn main<T>() {}").contains("generic"));
        assert!(refusal("async fn main(self) {}").contains("no method"));
    }
}

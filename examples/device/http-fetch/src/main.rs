// SPDX-License-Identifier: ISC
//! Fetches an address over HTTP, follows redirects, and prints status, fields and body.
//!
//! `cargo fata run -p http-fetch --net:service=user --url=http://example.org/`

#![no_std]
#![no_main]

use fata::{
    http::{Answer, Client, ClientLimits, Url},
    net::{Resolver, ResolverConfig, TcpStream, connect},
    prelude::*,
};

#[derive(fata::Devices)]
struct Devices {
    /// The network that leads to the server.
    service: Stack,
}

#[derive(fata::Args)]
struct Args {
    /// What to fetch.
    url: String,
    /// Most redirects that are followed.
    #[arg(default = 5)]
    redirects: u32,
}

/// How long a connection may take, its name looked up and all addresses tried.
const PATIENCE: Duration = Duration::from_secs(60);

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    devices.service.wait_configured().await;
    let resolver = Resolver::new(&devices.service, ResolverConfig::default());
    let mut url = Url::parse(&args.url).context(args.url.as_str())?;
    for _ in 0..=args.redirects {
        let stream = timeout(PATIENCE, connect(&resolver, url.host(), url.port())).await;
        let stream = stream.map_err(Error::from).and_then(|end| Ok(end?));
        let stream = stream.context(&format!("cannot connect to {}", url.authority()))?;
        let mut client = Client::new(stream, url.authority(), ClientLimits::default());
        let answer = client.get(url.target()).await.context(args.url.as_str())?;
        match answer.location() {
            None => return print(answer).await,
            Some(location) => {
                info!("{} leads to {location}", url.target());
                url = url.join(location).context(location)?;
            }
        }
    }
    Err(Error::msg(
        "too many redirects: allow more with `--redirects`",
    ))
}

/// Head and body, as they come in.
async fn print(mut answer: Answer<'_, TcpStream>) -> Result<(), Error> {
    println!("{}", answer.status().code());
    for (name, value) in answer.headers() {
        println!("{name}: {}", value.escape_ascii());
    }
    println!();
    let mut piece = vec![0; 4096];
    // Bytes of a character whose rest is yet to come.
    let mut begun = 0;
    loop {
        let len = begun + answer.read(&mut piece[begun..]).await?;
        if len == begun {
            return Ok(());
        }
        begun = show(&piece[..len]);
        piece.copy_within(len - begun..len, 0);
    }
}

/// Prints `bytes`, with signs for what is no text, but for a character at the end that is not all
/// there: so many bytes it has.
fn show(bytes: &[u8]) -> usize {
    let mut rest = bytes.len();
    for chunk in bytes.utf8_chunks() {
        print!("{}", chunk.valid());
        rest -= chunk.valid().len();
        let invalid = chunk.invalid();
        let is_begun =
            core::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if rest == invalid.len() && is_begun {
            return rest;
        }
        if !invalid.is_empty() {
            print!("\u{fffd}");
        }
        rest -= invalid.len();
    }
    0
}

// SPDX-License-Identifier: ISC
//! Boot arguments of every kind arrive; `main` does not run when one is wrong.

#![no_std]
#![no_main]

use core::net::Ipv4Addr;

use fata::prelude::*;

#[derive(fata::Args)]
struct Args {
    /// How many.
    number: u32,
    /// Some text.
    #[arg(default = "none")]
    text: String,
    /// Whether.
    flag: bool,
    /// Where.
    address: Option<Ipv4Addr>,
    /// Several.
    many: Vec<u8>,
    /// How long.
    #[arg(default = "1s")]
    pause: Duration,
    /// Never given.
    #[arg(default = 5)]
    absent: i64,
}

#[fata::main]
async fn main(args: Args) {
    assert_eq!(args.number, 7);
    assert_eq!(args.text, "two words");
    assert!(args.flag);
    assert_eq!(args.address, Some(Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(args.many, [1, 2, 3]);
    assert_eq!(args.pause, Duration::from_millis(1500));
    assert_eq!(args.absent, 5);
    println!("SUCCESS");
}

// SPDX-License-Identifier: ISC
//! Asks a host whether it is there: echo requests, one a second, and how long each answer took.
//!
//! As a unikernel, with the router of the network that needs no root as the host:
//! `cargo fata run -p ping --net:service=user -- --host=10.0.2.2`. Exits with 0 if any answer came.
//! Read first: RFC 792 (echo), RFC 4443 section 4.

#![no_std]
#![no_main]

use core::net::IpAddr;

use fata::prelude::*;

#[derive(fata::Devices)]
struct Devices {
    /// The network that leads to the host.
    service: Stack,
}

#[derive(fata::Args)]
struct Args {
    /// Address of the host.
    host: IpAddr,
    /// How often to ask.
    #[arg(default = 4)]
    count: u32,
    /// Time between two requests.
    #[arg(default = "1s")]
    interval: Duration,
    /// How long to wait for an answer.
    #[arg(default = "2s")]
    patience: Duration,
    /// Bytes to send along.
    #[arg(default = 56)]
    size: usize,
}

/// What came back.
#[derive(Default)]
struct Answers {
    count: u32,
    fastest: Option<Duration>,
    slowest: Duration,
    total: Duration,
}

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let mut answers = Answers::default();
    for number in 1..=args.count {
        let start = Instant::now();
        // The stack keeps requests apart by itself: many may be under way at once.
        match devices
            .service
            .ping(args.host, args.size, args.patience)
            .await
        {
            Ok(time) => {
                println!(
                    "{} bytes from {}: {} us",
                    args.size,
                    args.host,
                    time.as_micros()
                );
                answers.add(time);
            }
            Err(error) => println!("{}: {error}", args.host),
        }
        if number < args.count {
            sleep(args.interval.saturating_sub(start.elapsed())).await;
        }
    }
    answers.print(args.count);
    match answers.count {
        0 => Err(Error::msg(format!("no answer from {}", args.host))),
        _ => Ok(()),
    }
}

impl Answers {
    fn add(&mut self, time: Duration) {
        self.count += 1;
        self.fastest = Some(self.fastest.map_or(time, |fastest| fastest.min(time)));
        self.slowest = self.slowest.max(time);
        self.total += time;
    }

    fn print(&self, asked: u32) {
        println!("{} of {asked} answered", self.count);
        if let Some(fastest) = self.fastest {
            println!(
                "fastest {} us, mean {} us, slowest {} us",
                fastest.as_micros(),
                self.total.as_micros() / u128::from(self.count),
                self.slowest.as_micros()
            );
        }
    }
}

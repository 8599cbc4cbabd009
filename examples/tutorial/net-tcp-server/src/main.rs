// SPDX-License-Identifier: ISC
//! A server of lines: counts the words in each, for many clients at once.
//!
//! As a unikernel, reachable at port 5000 of this machine without being root:
//! `cargo fata run -p net-tcp-server --net:service=user,tcp:5000:5000`, then `nc localhost 5000`.

#![no_std]
#![no_main]

use fata::prelude::*;

#[derive(fata::Devices)]
struct Devices {
    /// The network that clients come from.
    service: Stack,
}

#[derive(fata::Args)]
struct Args {
    /// Port to listen on.
    #[arg(default = 5000)]
    port: u16,
    /// How long a client may be silent.
    #[arg(default = "1m")]
    patience: Duration,
}

/// Longest line.
const LINE: usize = 256;

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let listener = TcpListener::bind(&devices.service, args.port)?;
    info!("listening on port {}", args.port);
    loop {
        let (stream, peer) = listener.accept().await?;
        // A task for each client. It may fail by itself; that is the client's loss alone.
        spawn(async move {
            match serve(stream, args.patience).await {
                Ok(()) => info!("{peer}: done"),
                Err(error) => info!("{peer}: {error}"),
            }
        });
    }
}

async fn serve(mut stream: TcpStream, patience: Duration) -> Result<(), Error> {
    // TCP keeps bytes in order and nothing else together: a read may give half a line, or three.
    let mut line = Vec::new();
    let mut buffer = [0; LINE];
    loop {
        let len = timeout(patience, stream.read(&mut buffer)).await??;
        if len == 0 {
            break; // the client has ended its direction; ours is still open
        }
        for &byte in &buffer[..len] {
            if byte != b'\n' {
                line.push(byte);
            } else {
                let answer = format!("{} words\n", words(&line));
                stream.write_all(answer.as_bytes()).await?;
                line.clear();
            }
        }
        // Memory that clients fill needs a limit.
        if line.len() > LINE {
            return Err(Error::msg(format!("a line is longer than {LINE} bytes")));
        }
    }
    // Lets the client read an end, once everything before it has arrived.
    Ok(stream.shutdown().await?)
}

fn words(line: &[u8]) -> usize {
    let words = line.split(u8::is_ascii_whitespace);
    words.filter(|word| !word.is_empty()).count()
}

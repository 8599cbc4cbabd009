// SPDX-License-Identifier: ISC
//! A stream arrives byte for byte, in each direction and in both at once.
//!
//! On port 7: a byte says what is wanted, then come a seed and a length, both of eight bytes, highest
//! first. `p`: the stream that follows from the seed comes, and the answer is how many bytes came and
//! how many were right before the first wrong one. `g`: the stream is sent. `e`: what comes is sent
//! back. `q`: the end. The client is `tests/weather`.

#![no_std]
#![no_main]

use fata::{device::weather::Random, prelude::*};

#[derive(fata::Devices)]
struct Devices {
    service: Stack,
}

/// Bytes read or written at once.
const CHUNK: usize = 16 << 10;

#[fata::main]
async fn main(devices: Devices) -> Result<(), Error> {
    let listener = TcpListener::bind(&devices.service, 7)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut header = [0; 17];
        if stream.read_exact(&mut header).await.is_err() {
            continue;
        }
        if header[0] == b'q' {
            stream.shutdown().await?;
            println!("SUCCESS");
            return Ok(());
        }
        spawn(async move {
            // The client judges, and may leave early.
            if let Err(error) = answer(stream, header).await {
                println!("{error}");
            }
        })
        .detach();
    }
}

async fn answer(mut stream: TcpStream, header: [u8; 17]) -> Result<(), Error> {
    let number = |at: usize| {
        let bytes = header[at..at + 8].iter();
        bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
    };
    let (seed, len) = (number(1), number(9));
    match header[0] {
        b'p' => sink(&mut stream, seed).await?,
        b'g' => source(&mut stream, seed, len).await?,
        _ => echo(&mut stream).await?,
    }
    Ok(stream.shutdown().await?)
}

async fn sink(stream: &mut TcpStream, seed: u64) -> Result<(), Error> {
    let mut expected = Random::new(seed).bytes();
    let mut buffer = vec![0; CHUNK];
    let (mut came, mut right) = (0_u64, 0_u64);
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            break;
        }
        if came == right {
            let pairs = buffer[..len].iter().zip(&mut expected);
            right += pairs
                .take_while(|(byte, expected)| *byte == expected)
                .count() as u64;
        }
        came += len as u64;
    }
    stream.write_all(&came.to_be_bytes()).await?;
    Ok(stream.write_all(&right.to_be_bytes()).await?)
}

async fn source(stream: &mut TcpStream, seed: u64, len: u64) -> Result<(), Error> {
    let mut bytes = Random::new(seed).bytes();
    let mut buffer = vec![0; CHUNK];
    let mut left = len;
    while left > 0 {
        let part = left.min(CHUNK as u64) as usize;
        let part = &mut buffer[..part];
        part.iter_mut()
            .zip(&mut bytes)
            .for_each(|(to, byte)| *to = byte);
        stream.write_all(part).await?;
        left -= part.len() as u64;
    }
    Ok(())
}

async fn echo(stream: &mut TcpStream) -> Result<(), Error> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            len => stream.write_all(&buffer[..len]).await?,
        }
    }
}

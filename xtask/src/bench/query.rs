// SPDX-License-Identifier: ISC
//! One DNS query, as bytes, and waiting for its answer.

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// `example.org. IN SOA`, id 0x4661.
const QUERY: &[u8] =
    b"\x46\x61\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x06\x00\x01";

/// Asks until an answer comes and says how long that took since `start`.
///
/// A server that is not up yet refuses or loses queries, so one is sent every half millisecond, by
/// sleeping: the kernel rounds a socket's own time limit up to its tick, which is many of them.
pub(super) fn until_answered(
    server: SocketAddr,
    start: Instant,
    limit: Duration,
) -> Result<Duration> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    while start.elapsed() < limit {
        // Refused while nobody listens on the port.
        let _ = socket.send(QUERY);
        for _ in 0..5 {
            thread::sleep(Duration::from_micros(100));
            if answered(&socket)? {
                return Ok(start.elapsed());
            }
        }
    }
    bail!("no answer in {limit:?}")
}

fn answered(socket: &UdpSocket) -> Result<bool> {
    let mut answer = [0; 512];
    match socket.recv(&mut answer) {
        // An answer (QR) without an error, and with a record.
        Ok(len) if len > 12 && answer[..2] == QUERY[..2] && answer[2] & 0x80 != 0 => {
            if answer[3] & 0x0f != 0 || answer[7] == 0 {
                bail!("the server answered without the record asked for");
            }
            Ok(true)
        }
        Ok(_) => Ok(false),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::ConnectionRefused => Ok(false),
            _ => Err(error.into()),
        },
    }
}

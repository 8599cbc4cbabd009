// SPDX-License-Identifier: ISC
//! Telling secondary servers that zones may have changed. Read first: RFC 1996 section 3.

use alloc::rc::Rc;
use core::net::SocketAddr;

use fata::{
    dns::{Server, Zone},
    net::UdpConfig,
    prelude::*,
    random,
};

/// Times that a notification is sent.
const TRIES: u32 = 5;
/// Time until the second; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(2);

const UDP: UdpConfig = UdpConfig {
    receive_buffer: 1024,
};

/// Notifies `secondary` of all zones, one after the other.
pub(crate) async fn all(stack: Stack, server: Rc<Server>, secondary: SocketAddr) {
    stack.wait_configured().await;
    let name = secondary.ip();
    for zone in server.zones() {
        match one(&stack, zone, secondary).await {
            Ok(true) => info!("{name} knows of {}", zone.origin()),
            Ok(false) => warn!("{name} did not answer about {}", zone.origin()),
            Err(error) => warn!("{name} cannot be told about {}: {error}", zone.origin()),
        }
    }
}

/// Whether the secondary acknowledged it.
async fn one(stack: &Stack, zone: &Zone, secondary: SocketAddr) -> Result<bool, fata::net::Error> {
    let socket = UdpSocket::bind_with(stack, 0, UDP)?;
    socket.connect(secondary)?;
    let id = random::u32() as u16;
    let mut message = [0; 512];
    let Some(len) = zone.notify(id, &mut message) else {
        return Ok(false);
    };
    let mut wait = FIRST_WAIT;
    for _ in 0..TRIES {
        socket.send(&message[..len]).await?;
        if timeout(wait, acknowledged(&socket, id)).await.is_ok() {
            return Ok(true);
        }
        wait *= 2;
    }
    Ok(false)
}

/// Waits for an answer with this id, whatever it says (RFC 1996 section 3.6).
async fn acknowledged(socket: &UdpSocket, id: u16) {
    let mut reply = [0; 512];
    while let Ok(len) = socket.recv(&mut reply).await {
        let is_response = len >= 12 && reply[2] & 0x80 != 0;
        if is_response && reply[..2] == id.to_be_bytes() {
            return;
        }
    }
}

// SPDX-License-Identifier: ISC
//! A server on the sockets of this machine: the shell that a unikernel has around [`Server`], with
//! threads in place of tasks.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::Arc,
    thread,
    time::Duration,
};

use fata_dns::{Server, Transport};

/// The two sockets of a server, on one port.
pub(crate) struct Sockets {
    pub(crate) address: SocketAddr,
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: TcpListener,
}

/// Takes `address` for UDP and TCP.
pub(crate) fn bind(address: SocketAddr) -> io::Result<Sockets> {
    let tcp = TcpListener::bind(address)?;
    let address = tcp.local_addr()?;
    let udp = UdpSocket::bind(address)?;
    Ok(Sockets { address, udp, tcp })
}

/// Answers datagrams until the socket fails.
pub(crate) fn serve_udp(server: &Server, socket: &UdpSocket) {
    let mut query = [0; 4096];
    let mut reply = [0; 4096];
    while let Ok((len, peer)) = socket.recv_from(&mut query) {
        if let Some(len) = server.answer(&query[..len], Transport::Udp, &mut reply) {
            // A client that went away is no fault of the server.
            let _ = socket.send_to(&reply[..len], peer);
        }
    }
}

/// Answers connections until the socket fails.
pub(crate) fn serve_tcp(server: &Arc<Server>, listener: &TcpListener) {
    while let Ok((stream, peer)) = listener.accept() {
        let server = Arc::clone(server);
        thread::spawn(move || connection(&server, stream, peer));
    }
}

fn connection(server: &Server, mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reply = vec![0; 65_535];
    loop {
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut query)?;
        if let Some(mut transfer) = server.transfer(&query, peer.ip()) {
            while let Some(len) = transfer.next(&mut reply) {
                send(&mut stream, &reply[..len])?;
            }
        } else if let Some(len) = server.answer(&query, Transport::Tcp, &mut reply) {
            send(&mut stream, &reply[..len])?;
        }
    }
}

fn send(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let len = u16::try_from(message.len()).expect("a message has at most 65535 bytes");
    stream.write_all(&[&len.to_be_bytes()[..], message].concat())
}

// SPDX-License-Identifier: ISC
//! The host's name servers, one of which is asked until it stays silent. See resolv.conf(5).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Resolvers of the host, in the order of its configuration.
#[derive(Debug)]
pub(crate) struct Resolvers {
    servers: Vec<SocketAddr>,
    current: usize,
}

impl Resolvers {
    pub(crate) fn new(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers,
            current: 0,
        }
    }

    /// Those of `/etc/resolv.conf`; without any, the one on the host, as the C library has it.
    pub(crate) fn of_host() -> Self {
        let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let mut servers = parse(&text);
        if servers.is_empty() {
            servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
        }
        Self::new(servers)
    }

    /// The server to ask now.
    pub(crate) fn current(&self) -> Option<SocketAddr> {
        self.servers.get(self.current).copied()
    }

    /// Turns to the next server after `server` gave no answer.
    pub(crate) fn failed(&mut self, server: SocketAddr) {
        if self.current() == Some(server) {
            self.current = (self.current + 1) % self.servers.len();
        }
    }
}

fn parse(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let address = (words.next()? == "nameserver").then(|| words.next())??;
            Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, 53))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_anything_else_is_skipped() {
        let text = "# nameserver 192.0.2.9\nsearch example\nnameserver 192.0.2.1\n\
                    nameserver\nnameserver fe80::1%eth0\nnameserver\t2001:db8::1 # two\n";
        let expected: Vec<SocketAddr> = vec![
            "192.0.2.1:53".parse().unwrap(),
            "[2001:db8::1]:53".parse().unwrap(),
        ];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn a_silent_server_is_left_once() {
        let servers: Vec<SocketAddr> = vec![
            "192.0.2.1:53".parse().unwrap(),
            "192.0.2.2:53".parse().unwrap(),
        ];
        let mut resolvers = Resolvers::new(servers.clone());
        resolvers.failed(servers[0]);
        resolvers.failed(servers[0]);
        assert_eq!(resolvers.current(), Some(servers[1]));
        resolvers.failed(servers[1]);
        assert_eq!(resolvers.current(), Some(servers[0]));
    }
}

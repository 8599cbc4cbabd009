// SPDX-License-Identifier: ISC
//! What a user asks of the network: forwards, and what the guest may reach.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

/// The user-mode network as it is asked for. As text, items separated by commas:
/// `udp:5353:53,tcp:[::1]:8080:80,host`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Ports of the host that lead to the guest.
    pub forwards: Vec<Forward>,
    /// Whether connections to the gateway reach the loopback of the host (`host`). Off unless asked
    /// for: services on loopback trust whoever can reach them.
    pub reach_host: bool,
    /// Name servers behind 10.0.2.3; `None` takes those of `/etc/resolv.conf`.
    pub resolvers: Option<Vec<SocketAddr>>,
}

/// A port of the host that leads to a port of the guest: `tcp:8080:80`, `udp:0.0.0.0:53:53`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// What is forwarded.
    pub protocol: Protocol,
    /// Where the host listens; 127.0.0.1 where the text names no address.
    pub host: SocketAddr,
    /// Port of the guest.
    pub guest_port: u16,
}

/// Protocols that can be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// A piece of text that describes no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    item: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot read `{}` as part of a user network; write \
             `udp:[ADDRESS:]HOSTPORT:GUESTPORT`, `tcp:[ADDRESS:]HOSTPORT:GUESTPORT` or `host`",
            self.item
        )
    }
}

impl std::error::Error for ConfigError {}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for item in text.split(',').filter(|item| !item.is_empty()) {
            if item == "host" {
                config.reach_host = true;
            } else {
                config.forwards.push(item.parse()?);
            }
        }
        Ok(config)
    }
}

impl FromStr for Forward {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        parse_forward(text).ok_or_else(|| ConfigError {
            item: text.to_owned(),
        })
    }
}

fn parse_forward(text: &str) -> Option<Forward> {
    let (protocol, rest) = text.split_once(':')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (host, guest_port) = rest.rsplit_once(':')?;
    let host = match host.parse::<u16>() {
        Ok(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        Err(_) => host.parse().ok()?,
    };
    let guest_port = guest_port.parse().ok().filter(|&port| port != 0)?;
    Some(Forward {
        protocol,
        host,
        guest_port,
    })
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.protocol, self.host, self.guest_port)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_listens_on_loopback_unless_told_otherwise() {
        let forward: Forward = "udp:5353:53".parse().unwrap();
        assert_eq!(forward.host, "127.0.0.1:5353".parse().unwrap());
        assert_eq!(forward.to_string(), "udp:127.0.0.1:5353:53");
        let forward: Forward = "tcp:0.0.0.0:8080:80".parse().unwrap();
        assert_eq!(forward.host, "0.0.0.0:8080".parse().unwrap());
        let forward: Forward = "tcp:[::1]:8080:80".parse().unwrap();
        assert_eq!(forward.host, "[::1]:8080".parse().unwrap());
    }

    #[test]
    fn what_is_no_forward_is_named() {
        for text in [
            "udp:53",
            "udp:0:0",
            "sctp:1:1",
            "tcp:a:1:1",
            "tcp:70000:1",
            "tcp::1",
            "x",
        ] {
            let error = text.parse::<Config>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn items_are_separated_by_commas() {
        let config: Config = "udp:5353:53,host,tcp:8080:80".parse().unwrap();
        assert_eq!(config.forwards.len(), 2);
        assert!(config.reach_host);
        assert_eq!("".parse(), Ok(Config::default()));
    }
}

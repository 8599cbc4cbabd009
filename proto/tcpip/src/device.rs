// SPDX-License-Identifier: ISC
//! A stack as a device of a program: its boot arguments, and waiting for its addresses.

use alloc::{string::String, vec::Vec};
use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    time::Duration,
};

use fata_runtime::{
    Args, Error,
    abi::{image::ArgumentTree, manifest::DeviceKind},
    args::{ArgError, Arguments, Value, Values},
    program, time,
};
use fata_wiring::{Device, Nic, Port};

use crate::{
    address::{Address, Ipv4Prefix, Ipv6Prefix, Prefix, is_host},
    config::{Config, Ipv4, Ipv6},
    stack::Stack,
};

/// How often the log says that there is no address yet.
const STILL_WAITING: Duration = Duration::from_secs(5);

impl Value for Ipv4Prefix {
    const NAME: &'static str = "IPV4/LENGTH";
    const EXPECTED: &'static str = "an IPv4 address with its network such as `10.0.0.2/24`";

    fn parse(text: &str) -> Option<Self> {
        host(text)
    }
}

impl Value for Ipv6Prefix {
    const NAME: &'static str = "IPV6/LENGTH";
    const EXPECTED: &'static str = "an IPv6 address with its network such as `fd00::2/64`";

    fn parse(text: &str) -> Option<Self> {
        host(text)
    }
}

fn host<A: Address + FromStr>(text: &str) -> Option<Prefix<A>> {
    let prefix: Prefix<A> = text.parse().ok()?;
    let address = prefix.address().into();
    let mapped = address.is_ipv4() && prefix.address().bits() == 128;
    (is_host(address) && !mapped).then_some(prefix)
}

/// The arguments as they are typed.
#[derive(Args)]
#[args(crate = fata_runtime)]
struct Typed {
    /// IPv4 address with the length of its network. Without it, DHCP is asked for one.
    ipv4: Option<Ipv4Prefix>,
    /// Router for IPv4 packets that leave the network.
    ipv4_gateway: Option<Ipv4Addr>,
    /// IPv6 address with the length of its network, beside those that routers advertise.
    ipv6: Option<Ipv6Prefix>,
    /// Router for IPv6 packets that leave the network.
    ipv6_gateway: Option<Ipv6Addr>,
    /// Name servers, asked before those that DHCP or routers name.
    dns_servers: Vec<IpAddr>,
    /// Take IPv6 addresses and routers from router advertisements.
    #[arg(default = true)]
    accept_router_advertisements: bool,
    /// Use IPv4 alone.
    ipv4_only: bool,
    /// Use IPv6 alone.
    ipv6_only: bool,
}

/// The boot arguments of a [`Stack`], found to go together.
#[derive(Clone, Debug)]
pub struct StackArguments {
    config: Config,
}

impl From<StackArguments> for Config {
    fn from(arguments: StackArguments) -> Self {
        arguments.config
    }
}

impl Arguments for StackArguments {
    const TREE: ArgumentTree = Typed::TREE;

    fn parse(values: &Values) -> Result<Self, ArgError> {
        let typed = Typed::parse(values)?;
        check(&typed, &|name| values.full(name), &|name| {
            let text: Option<String> = values.optional(name)?;
            Ok(text.unwrap_or_default())
        })?;
        let ipv4 = match typed.ipv4 {
            _ if typed.ipv6_only => Ipv4::Off,
            Some(prefix) => Ipv4::Static {
                prefix,
                gateway: typed.ipv4_gateway,
            },
            None => Ipv4::Dhcp,
        };
        let ipv6 = if typed.ipv4_only {
            Ipv6::Off
        } else {
            Ipv6::On {
                prefix: typed.ipv6,
                gateway: typed.ipv6_gateway,
                router_advertisements: typed.accept_router_advertisements,
            }
        };
        let config = Config {
            ipv4,
            ipv6,
            dns_servers: typed.dns_servers,
            ..Config::default()
        };
        Ok(Self { config })
    }
}

/// Finds arguments that contradict each other; `full` gives the name under which one was typed, and
/// `text` what was.
fn check(
    typed: &Typed,
    full: &dyn Fn(&str) -> String,
    text: &dyn Fn(&str) -> Result<String, ArgError>,
) -> Result<(), ArgError> {
    // Not with `format`, which an image would have for this alone.
    let error = |message: &[&str]| Err(ArgError::new(message.concat()));
    let remove = |one: &str, other: &str| {
        let (one, other) = (full(one), full(other));
        error(&[
            "`--",
            &one,
            "` and `--",
            &other,
            "` contradict each other: remove one of them",
        ])
    };
    let given = [
        ("ipv6", typed.ipv6.is_some(), typed.ipv4_only, "ipv4-only"),
        (
            "ipv6-gateway",
            typed.ipv6_gateway.is_some(),
            typed.ipv4_only,
            "ipv4-only",
        ),
        ("ipv4", typed.ipv4.is_some(), typed.ipv6_only, "ipv6-only"),
        (
            "ipv4-gateway",
            typed.ipv4_gateway.is_some(),
            typed.ipv6_only,
            "ipv6-only",
        ),
        ("ipv4-only", typed.ipv4_only, typed.ipv6_only, "ipv6-only"),
    ];
    for (argument, is_given, excluded, by) in given {
        if is_given && excluded {
            return remove(argument, by);
        }
    }
    let Some(gateway) = typed.ipv4_gateway else {
        return Ok(());
    };
    let Some(prefix) = typed.ipv4 else {
        let (ipv4, name) = (full("ipv4"), full("ipv4-gateway"));
        return error(&[
            "`--",
            &name,
            "` needs `--",
            &ipv4,
            "`: add it, or remove both to ask DHCP",
        ]);
    };
    if !prefix.contains(gateway.into()) {
        let (network, gateway) = (text("ipv4")?, text("ipv4-gateway")?);
        return error(&[
            "`--",
            &full("ipv4-gateway"),
            "` is not in the network of ",
            &network,
            ": ",
            &gateway,
        ]);
    }
    Ok(())
}

impl Device for Stack {
    const NEEDS: Option<DeviceKind> = Some(DeviceKind::Net);
    type Arguments = StackArguments;

    /// Connects when there is an address; says in the log every few seconds that it still waits.
    async fn connect(port: Port, arguments: StackArguments) -> Result<Self, Error> {
        let label = port.name();
        let nic = Nic::connect(port, ()).await?;
        let mut config = arguments.config;
        config.label = label.into();
        config.host_name = Some(program::name().into());
        let asks_dhcp = config.ipv4 == Ipv4::Dhcp;
        let stack = Self::new(nic, config);
        while time::timeout(STILL_WAITING, stack.wait_configured())
            .await
            .is_err()
        {
            if asks_dhcp {
                log::warn!("{label}: no answer from DHCP yet; `--ipv4` gives an address by hand");
            } else {
                log::warn!("{label}: no router has advertised an IPv6 prefix yet");
            }
        }
        for prefix in stack.addresses() {
            log::info!("{label}: address {prefix}");
        }
        Ok(stack)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn typed() -> Typed {
        Typed {
            ipv4: None,
            ipv4_gateway: None,
            ipv6: None,
            ipv6_gateway: None,
            dns_servers: Vec::new(),
            accept_router_advertisements: true,
            ipv4_only: false,
            ipv6_only: false,
        }
    }

    fn message(typed: &Typed) -> String {
        let full = |name: &str| format!("lan-{name}");
        match check(typed, &full, &|name| Ok(name.into())) {
            Ok(()) => String::new(),
            Err(error) => format!("{error}"),
        }
    }

    #[test]
    fn contradictions_are_named() {
        assert_eq!(message(&typed()), "");
        let both = Typed {
            ipv4_only: true,
            ipv6_only: true,
            ..typed()
        };
        assert!(message(&both).contains("`--lan-ipv4-only` and `--lan-ipv6-only`"));
        let other = Typed {
            ipv6_only: true,
            ipv4: host("10.0.0.2/24"),
            ..typed()
        };
        assert!(message(&other).contains("`--lan-ipv4` and `--lan-ipv6-only`"));
    }

    #[test]
    fn a_gateway_lies_in_its_network() {
        let gateway = |ipv4| Typed {
            ipv4,
            ipv4_gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
            ..typed()
        };
        assert!(message(&gateway(None)).contains("needs `--lan-ipv4`"));
        assert!(message(&gateway(host("10.1.0.2/24"))).contains("not in the network"));
        assert_eq!(message(&gateway(host("10.0.0.2/24"))), "");
    }

    #[test]
    fn an_address_is_a_hosts() {
        assert!(host::<Ipv4Addr>("224.0.0.1/24").is_none());
        assert!(host::<Ipv4Addr>("0.0.0.0/24").is_none());
        assert!(<Ipv6Prefix as Value>::parse("ff02::1/64").is_none());
        assert!(<Ipv6Prefix as Value>::parse("fd00::2/64").is_some());
    }
}

// SPDX-License-Identifier: ISC
//! Names are found out from the server that DHCP names, over UDP and TCP, and connected to although
//! one of their addresses is dead.

#![no_std]
#![no_main]

use core::net::IpAddr;

use fata::{
    dns::{LookupError, Type},
    net::{ConnectError, Resolver, ResolverConfig, connect},
    prelude::*,
};

#[derive(fata::Devices)]
struct Devices {
    service: Stack,
}

#[fata::main]
async fn main(devices: Devices) -> Result<(), Error> {
    let resolver = Resolver::new(&devices.service, ResolverConfig::default());
    hosts(&resolver).await?;
    records(&resolver).await?;
    nothing(&resolver).await;

    // Its IPv6 address is tried first, and nobody is there.
    let start = Instant::now();
    let stream = connect(&resolver, "host.example.test", 53).await?;
    assert_eq!(stream.peer_addr().ip(), IpAddr::from([10, 0, 0, 1]));
    assert!(start.elapsed() >= Duration::from_millis(250));
    drop(stream);
    let refused = connect(&resolver, "10.0.0.1", 9).await.err();
    let refusal = fata::net::Error::ConnectionRefused;
    assert_eq!(refused, Some(ConnectError::Connect(refusal)));
    println!("SUCCESS");
    Ok(())
}

async fn hosts(resolver: &Resolver) -> Result<(), Error> {
    let host = ["fd00::dead".parse()?, IpAddr::from([10, 0, 0, 1])];
    assert_eq!(resolver.addresses("Host.example.test").await?, host);
    assert_eq!(resolver.addresses("alias.example.test").await?, host);
    assert_eq!(
        resolver.addresses("10.0.0.9").await?,
        [IpAddr::from([10, 0, 0, 9])]
    );
    assert_eq!(resolver.addresses("localhost").await?.len(), 2);
    Ok(())
}

async fn records(resolver: &Resolver) -> Result<(), Error> {
    // More than the server sends over UDP.
    let text = resolver.lookup("big.example.test", Type::TXT).await?;
    assert_eq!(text.texts().map(|text| text.len()).max(), Some(800));
    let mx = resolver.lookup("example.test", Type::MX).await?;
    let mx = mx.mx().next().context("no MX record")?;
    assert_eq!(
        (mx.preference, mx.exchange.to_string()),
        (10, "host.example.test.".into())
    );
    let srv = resolver
        .lookup("_http._tcp.example.test", Type::SRV)
        .await?;
    let srv = srv.srv().next().context("no SRV record")?;
    assert_eq!((srv.port, srv.priority, srv.weight), (80, 1, 2));
    Ok(())
}

async fn nothing(resolver: &Resolver) {
    let gone = resolver.addresses("nobody.example.test").await;
    assert!(matches!(gone, Err(LookupError::NoName(_))), "{gone:?}");
    let none = resolver.lookup("host.example.test", Type::MX).await;
    assert!(matches!(none, Err(LookupError::NoData(_))), "{none:?}");
    let failed = connect(resolver, "nobody.example.test", 80).await.err();
    assert!(matches!(
        failed,
        Some(ConnectError::Lookup(LookupError::NoName(_)))
    ));
}

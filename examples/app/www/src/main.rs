// SPDX-License-Identifier: ISC
//! A web server whose site is compiled into the image.
//!
//! Pages are the files in `site`. Browsers ask again for pages each time, and get a short answer if
//! they have them; pictures and styles they keep for a day. `/hello/NAME` shows a route that is
//! computed.

#![no_std]
#![no_main]

use fata::{
    http::{Exchange, Found, Limits, Method, Route, Router, Server, Site, Status},
    net::TcpStream,
    prelude::*,
};

/// What the server is given.
#[derive(fata::Devices)]
struct Devices {
    /// The network that browsers come from.
    service: Stack,
    /// The site.
    #[device(embed = "site")]
    site: Files,
}

/// Boot arguments.
#[derive(fata::Args)]
struct Args {
    /// Port to answer on.
    #[arg(default = 80)]
    port: u16,
    /// Most connections at a time.
    #[arg(default = 10000)]
    connections: usize,
    /// How long a connection may be silent.
    #[arg(default = "60s")]
    idle: Duration,
}

/// What is computed rather than read.
#[derive(Clone, Copy)]
enum Page {
    Hello,
}

const ROUTES: Router<'static, Page> =
    Router::new(&[Route::new(Method::Get, "/hello/{name}", Page::Hello)]);

#[fata::main]
async fn main(devices: Devices, args: Args) -> Result<(), Error> {
    let listener = TcpListener::bind(&devices.service, args.port)?;
    let site = Site::new(devices.site.iter(), caching);
    let limits = Limits {
        connections: args.connections,
        idle_time: args.idle,
        ..Limits::DEFAULT
    };
    info!("listening on port {}", args.port);
    Server::new(limits)
        .serve(
            listener,
            async move |exchange: &mut Exchange<'_, TcpStream>| answer(&site, exchange).await,
        )
        .await
}

/// Pages may be kept if they are asked for again; the rest for a day.
fn caching(key: &str) -> &'static str {
    if key.ends_with(".html") {
        "no-cache"
    } else {
        "public, max-age=86400"
    }
}

async fn answer(site: &Site, exchange: &mut Exchange<'_, TcpStream>) -> Result<(), Error> {
    let request = exchange.request();
    match ROUTES.find(request.method(), request.path()) {
        Found::Route(Page::Hello, params) => {
            let name = params.get("name").unwrap_or_default();
            let body = format!("Hello, {name}.\n");
            let response = exchange.response(Status::OK);
            let response = response.header("content-type", "text/plain; charset=utf-8");
            Ok(response.send(body.as_bytes()).await?)
        }
        Found::MethodNotAllowed => {
            let response = exchange.response(Status::METHOD_NOT_ALLOWED);
            Ok(response.header("allow", "GET, HEAD").send(b"").await?)
        }
        Found::Nothing => site.answer(exchange).await,
    }
}

// SPDX-License-Identifier: ISC
//! Rows about HTTP: the web server of the examples, asked by curl and beside nginx, and the client
//! of the examples, which asks nginx.

use std::{fmt::Write as _, fs, path::PathBuf, thread, time::Duration};

use super::Lab;
use crate::{
    launch::Running,
    namespace::Namespace,
    outcome::{Check, Ending, Outcome},
    workspace,
};

/// How long a row may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Where the image is, and where nginx is.
const IMAGE: &str = "10.0.0.2 80";
const NGINX: &str = "10.0.0.1 8081";

/// Arguments of curl, the path, and the status that is expected, with bytes of body if they are
/// known.
const ASKED: &[(&str, &str, &str)] = &[
    ("", "/", "200"),
    ("--http1.0", "/", "200"),
    ("--head", "/", "200 0"),
    ("--range 0-9", "/assets/dunes.png", "206 10"),
    ("--range -5", "/assets/dunes.png", "206 5"),
    ("--range 99999-", "/assets/dunes.png", "416 0"),
    ("", "/about", "301 0"),
    ("--location", "/about", "200"),
    ("", "/hello/J%C3%BCrgen", "200 16"),
    ("", "/nowhere", "404"),
    ("--path-as-is", "/../secret", "400"),
    ("--request OPTIONS", "/", "204 0"),
    ("--request DELETE", "/", "405 0"),
    ("--request BREW", "/", "501"),
    ("--data abc", "/", "405 0"),
    (
        "--data abc --header Transfer-Encoding:chunked",
        "/",
        "405 0",
    ),
    ("--data abc --header Expect:100-continue", "/", "405 0"),
    ("--header Expect:coffee", "/", "417"),
    ("--header If-None-Match:*", "/", "304 0"),
    ("--header If-Match:\"x\"", "/", "412"),
    ("--header Host:", "/", "400"),
];

/// Requests that are odd, our status, and nginx's where it is another.
const ODD: &[(&str, u16, u16)] = &[
    ("GET / HTTP/1.1\r\nHost: x\r\n", 200, 200),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n", 200, 200),
    ("GET http://x/ HTTP/1.1\r\nHost: x\r\n", 200, 200),
    ("GET /%69ndex.html HTTP/1.1\r\nHost: x\r\n", 200, 200),
    (
        "GET /about/%2e%2e/%2e%2e/x HTTP/1.1\r\nHost: x\r\n",
        400,
        400,
    ),
    ("GET / HTTP/1.1\r\n", 400, 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400, 400),
    ("GET / HTTP/2.0\r\nHost: x\r\n", 505, 505),
    (
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        400,
        400,
    ),
    (
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n",
        400,
        400,
    ),
    (
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        400,
        400,
    ),
    (
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n",
        501,
        501,
    ),
    // Nobody knows this coding either, but without `chunked` the message has no end.
    (
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n",
        400,
        501,
    ),
    ("GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n", 400, 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n", 400, 400),
    // A bare LF: nginx takes it, as RFC 9112 section 2.2 allows; here it is refused.
    ("GET / HTTP/1.1\r\nHost: x\nA: b\r\n", 400, 200),
    ("GET /nowhere HTTP/1.1\r\nHost: x\r\n", 404, 404),
    ("DELETE / HTTP/1.1\r\nHost: x\r\n", 405, 405),
];

/// Sends a file and prints what comes back.
const SCRIPT: &str = "exec 3<>/dev/tcp/$1/$2 && cat \"$3\" >&3 && timeout 10 cat <&3\n";

fn need(programs: &[&str]) -> Check {
    for program in programs {
        if workspace::on_path(program).is_none() {
            let reason = format!("`{program}` is not installed");
            return Err(Ending::Skipped(reason));
        }
    }
    Ok(())
}

fn network() -> Result<Namespace, Ending> {
    let namespace = Namespace::new()?;
    namespace.tap("tap0", "10.0.0.1/24", 1500)?;
    Ok(namespace)
}

fn start(lab: &Lab, namespace: &Namespace) -> Result<Running, Ending> {
    let launch = lab.launch().net("service", "tap0").limit(LIMIT);
    let launch = launch.argument("--ipv4=10.0.0.2/24");
    launch.start(Some(namespace))
}

/// Passes on what was found, after the image was ended.
fn conclude(image: Running, verdict: Check) -> Check {
    match verdict {
        Err(Ending::Failed(how)) => image.stop()?.fails(&format!("answers; {how}")),
        other => {
            image.stop()?;
            other
        }
    }
}

/// curl, with options, gets what it should.
pub(super) fn www(lab: &Lab) -> Check {
    need(&["curl"])?;
    let namespace = network()?;
    let image = start(lab, &namespace)?;
    conclude(image, asked_by_curl(&namespace))
}

fn asked_by_curl(namespace: &Namespace) -> Check {
    let curl = "curl --silent --max-time 10 --retry 20 --retry-connrefused --retry-delay 1";
    for (options, path, expected) in ASKED {
        let line = format!(
            "{curl} {options} --output /dev/null --write-out <%{{http_code}}_%{{size_download}}_> \
             http://10.0.0.2{path}"
        );
        let expected = format!("<{}_", expected.replace(' ', "_"));
        let asked = namespace.run(&line)?;
        asked.exits(0)?;
        asked.says(&expected)?;
    }
    let site = workspace::root().join("examples/app/www/site");
    let picture = fs::read(site.join("assets/dunes.png")).unwrap_or_default();
    // One connection for all three, and the picture as it is in the file.
    let url = "http://10.0.0.2/assets/dunes.png";
    let line = format!("{curl} {url} {url} {url} --write-out %{{num_connects}}");
    let asked = namespace.run(&format!("{line} --output /dev/null --output /dev/null"))?;
    asked.says("0")?;
    let sum = namespace.run(&format!(
        "{curl} --write-out =%{{size_download}}= -o /dev/null {url}"
    ))?;
    sum.says(&format!("={}=", picture.len()))
}

/// Odd requests get the answer that nginx gives, or another for a reason.
pub(super) fn odd(lab: &Lab) -> Check {
    need(&["bash", "curl", "nginx", "timeout"])?;
    let namespace = network()?;
    let nginx = start_nginx(lab, &namespace)?;
    let image = start(lab, &namespace)?;
    let verdict = compare(lab, &namespace);
    nginx.stop()?;
    conclude(image, verdict)
}

fn compare(lab: &Lab, namespace: &Namespace) -> Check {
    let script = write(lab, "ask.sh", SCRIPT)?;
    for host in ["10.0.0.2", "10.0.0.1:8081"] {
        let curl = "curl --silent --retry 20 --retry-connrefused --retry-delay 1 --max-time 10";
        namespace.run(&format!("{curl} http://{host}/"))?.exits(0)?;
    }
    let mut differences = String::new();
    for (request, ours, nginx) in ODD {
        let request = format!("{request}Connection: close\r\n\r\n");
        let file = write(lab, "request", &request)?;
        for (host, expected) in [(IMAGE, ours), (NGINX, nginx)] {
            let line = format!("bash {} {host} {}", script.display(), file.display());
            let said = namespace.run(&line)?;
            let code = status(&said);
            if code != Some(*expected) {
                let _ = writeln!(differences, "{host}: {expected}, not {code:?}: {request:?}");
            }
        }
    }
    match differences.as_str() {
        "" => Ok(()),
        some => Err(Ending::Failed(some.to_owned())),
    }
}

fn status(said: &Outcome) -> Option<u16> {
    let line = said.output.lines().find(|line| line.starts_with("HTTP/"))?;
    line.split(' ').nth(1)?.parse().ok()
}

/// Our client gets a page from nginx, past a redirect, and says so when there is none.
pub(super) fn fetch(lab: &Lab) -> Check {
    need(&["nginx", "curl"])?;
    let namespace = network()?;
    let nginx = start_nginx(lab, &namespace)?;
    let curl = "curl --silent --retry 20 --retry-connrefused --retry-delay 1 --max-time 10";
    namespace
        .run(&format!("{curl} http://10.0.0.1:8081/"))?
        .exits(0)?;
    let get = |url: &str| -> Result<Outcome, Ending> {
        let launch = lab.launch().net("service", "tap0").limit(LIMIT);
        let launch = launch.argument("--ipv4=10.0.0.2/24");
        let launch = launch.argument(format!("--url={url}"));
        launch.start(Some(&namespace))?.wait()
    };
    let page = get("http://10.0.0.1:8081/about")?;
    page.exits(0)?;
    page.says("About this server")?;
    get("http://10.0.0.1:8081/nowhere")?.says("404")?;
    get("http://10.0.0.1:9/")?.exits(1)?;
    get("ftp://10.0.0.1/")?.exits(1)?;
    nginx.stop()?;
    Ok(())
}

/// nginx with the site of the example, in the foreground, without files of the machine.
fn start_nginx(lab: &Lab, namespace: &Namespace) -> Result<Running, Ending> {
    let scratch = lab.scratch.display();
    let site = workspace::root().join("examples/app/www/site");
    let site = site.display();
    let mut temporary = String::new();
    for what in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = write!(temporary, "{what}_temp_path {scratch}/{what};");
    }
    let user = if unprivileged() { "" } else { "user root;" };
    let configuration = format!(
        "daemon off; master_process off; {user} pid {scratch}/nginx.pid;\n\
         error_log stderr; events {{}}\n\
         http {{ access_log off; {temporary}\n\
         server {{ listen 8081; root {site}; absolute_redirect off; }} }}\n"
    );
    let file = write(lab, "nginx.conf", &configuration)?;
    let line = format!("nginx -e stderr -p {scratch} -c {}", file.display());
    let nginx = namespace.start(&line, 2 * LIMIT)?;
    // Its port is asked for with retries; this only spares the first.
    thread::sleep(Duration::from_millis(50));
    Ok(nginx)
}

/// Whether nginx has no users to choose from.
fn unprivileged() -> bool {
    fs::metadata("/proc/self").is_ok_and(|this| {
        use std::os::unix::fs::MetadataExt;
        this.uid() != 0
    })
}

fn write(lab: &Lab, name: &str, text: &str) -> Result<PathBuf, Ending> {
    let path = lab.scratch.join(name);
    fs::write(&path, text)
        .map_err(|error| Ending::Failed(format!("cannot write {path:?}: {error}")))?;
    Ok(path)
}

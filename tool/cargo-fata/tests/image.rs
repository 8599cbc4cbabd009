// SPDX-License-Identifier: ISC
//! From nothing to a running image, by the commands that a newcomer types.

mod package;

use std::fs;

use package::{Package, said, stdout};
use serde_json::Value;

#[test]
fn hello_is_built_described_and_run() {
    let package = Package::new("greet", "hello");
    assert_eq!(stdout(&package.fata(&["run", "-q"])), "Hello, world!\n");
    let run = package.fata(&["run", "-q", "--", "--whom=you"]);
    assert_eq!(stdout(&run), "Hello, you!\n");

    let wrong = package.fata(&["run", "-q", "--", "--who=you"]);
    assert_eq!(wrong.status.code(), Some(64), "{}", said(&wrong));
    assert!(said(&wrong).contains("--whom"), "{}", said(&wrong));

    let image = package.folder.join("dist/greet.spt");
    let text = stdout(&package.fata(&["describe", "--json", image.to_str().unwrap()]));
    let description: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(description["kind"], "fata");
    assert_eq!(description["platform"], "spt");
    assert_eq!(description["name"], "greet");
    assert_eq!(description["devices"], Value::Array(Vec::new()));
    let arguments = description["arguments"].as_array().unwrap();
    let whom = arguments
        .iter()
        .find(|argument| argument["name"] == "whom")
        .unwrap();
    assert_eq!(whom["default"], "world");
    assert_eq!(whom["help"], "Whom to greet.");
    let of_the_runtime = |argument: &&Value| argument["name"] == "logs";
    assert_eq!(arguments.iter().filter(of_the_runtime).count(), 1);
    let help = package.fata(&["run", "-q", "--", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    assert_eq!(help.matches("--logs").count(), 1, "{help}");
    assert_eq!(description["size"], fs::metadata(&image).unwrap().len());

    let no_disk = package.fata(&["run", "-q", "--block", "storage=disk.img"]);
    assert_eq!(no_disk.status.code(), Some(1));
    assert!(
        said(&no_disk).contains("no block device `storage`"),
        "{}",
        said(&no_disk)
    );
}

/// Where there is no KVM, or what calls itself so cannot run a guest, the message names spt.
#[test]
fn hello_is_built_for_hvt() {
    let package = Package::new("virtual", "hello");
    let configure = package.fata(&["configure", "--target", "hvt"]);
    assert!(configure.status.success(), "{}", said(&configure));
    let text = stdout(&package.fata(&["describe", "-q", "--json"]));
    let description: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(description["kind"], "fata");
    assert_eq!(description["platform"], "hvt");
    let run = package.fata(&["run", "-q"]);
    match run.status.code() {
        Some(0) => assert_eq!(stdout(&run), "Hello, world!\n"),
        Some(1) => assert!(
            said(&run).contains("cargo fata run -t spt"),
            "{}",
            said(&run)
        ),
        _ => panic!("{}", said(&run)),
    }
    let clean = package.fata(&["clean", "--dry-run"]);
    assert!(
        said(&clean).contains("dist/virtual.hvt"),
        "{}",
        said(&clean)
    );
}

#[test]
fn sealed_arguments_stay() {
    let package = Package::new("sealed", "hello");
    let configure = package.fata(&["configure", "--seal", "--", "--whom=a friend"]);
    assert!(configure.status.success(), "{}", said(&configure));
    assert_eq!(stdout(&package.fata(&["run", "-q"])), "Hello, a friend!\n");
    let other = package.fata(&["run", "-q", "--", "--whom=you"]);
    assert_eq!(other.status.code(), Some(64), "{}", said(&other));
    let described = stdout(&package.fata(&["describe", "-q", "dist/sealed.spt"]));
    assert!(
        described.contains("'--whom=a friend' (final"),
        "{described}"
    );
    assert!(
        described.contains("fata_runtime"),
        "no size by crate: {described}"
    );
}

#[test]
fn a_panic_is_told_with_names() {
    let package = Package::new("panics", "hello");
    let program = "#![no_std]\n#![no_main]\n\n#[inline(always)]\nfn inner(at: usize) -> u8 {\n    \
        [1, 2][at]\n}\n\n#[inline(never)]\nfn culprit(at: usize) -> u8 {\n    inner(at) + 1\n}\n\n\
        #[fata::main]\nasync fn main() -> u8 {\n    culprit(core::hint::black_box(7)) + 1\n}\n";
    fs::write(package.folder.join("src/main.rs"), program).unwrap();
    let run = package.fata(&["run", "-q"]);
    assert_eq!(run.status.code(), Some(255), "{}", said(&run));
    let of_a_build = said(&run);
    assert!(of_a_build.contains("src/main.rs:6"), "{of_a_build}");
    let image = package.folder.join("dist/panics.spt");
    let of_an_image = said(&package.fata(&["run", "--image", image.to_str().unwrap()]));
    for said in [of_a_build, of_an_image] {
        let mut lines = said.lines();
        let inner = lines.find(|line| line.contains("  inner at ")).unwrap();
        assert!(inner.ends_with("src/main.rs:6:5"), "{inner}");
        let culprit = lines.next().unwrap().trim_start();
        assert!(
            culprit.starts_with("inlined into panics::culprit at "),
            "{culprit}"
        );
        assert!(culprit.ends_with("src/main.rs:11:5"), "{culprit}");
    }
}

#[test]
fn a_call_of_the_c_library_is_refused() {
    let package = Package::new("calls", "hello");
    let program = "#![no_std]\n#![no_main]\n\nunsafe extern \"C\" {\n    \
        safe fn getaddrinfo();\n}\n\n#[inline(never)]\nfn caller() {\n    getaddrinfo();\n}\n\n\
        #[fata::main]\nasync fn main() {\n    caller();\n}\n";
    fs::write(package.folder.join("src/main.rs"), program).unwrap();
    let build = package.fata(&["build", "-q"]);
    assert!(!build.status.success());
    let said = said(&build);
    assert!(
        said.contains("nothing in it defines `getaddrinfo`"),
        "{said}"
    );
    assert!(
        said.contains("`calls::caller` calls `getaddrinfo`"),
        "{said}"
    );
    assert!(!package.folder.join("dist").exists());
}

#[test]
fn the_dns_template_is_built() {
    let package = Package::new("resolver", "dns");
    let text = stdout(&package.fata(&["describe", "-q", "--json"]));
    let description: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(description["devices"][0]["name"], "service");
    assert_eq!(description["devices"][0]["kind"], "net");
}

// SPDX-License-Identifier: ISC
//! `cargo xtask layers`: a crate's folder is its layer, and a layer may use only some others.
//!
//! [`LAW`] is the table of ARCHITECTURE.md. Development dependencies are not looked at: a test may
//! use what its crate may not.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// A folder, the folders that crates in it may depend on, and whether registry crates are allowed.
struct Layer {
    folder: &'static str,
    may_use: &'static [&'static str],
    registry: bool,
}

const fn layer(folder: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer {
        folder,
        may_use,
        registry: true,
    }
}

/// The longest folder that fits a crate is its layer.
const LAW: &[Layer] = &[
    Layer {
        folder: "abi",
        may_use: &[],
        registry: false,
    },
    // The vocabulary of frames and geometry is the waist's: two copies of it would drift.
    layer("device/core", &["abi"]),
    // The bridge: it knows both the waist and what waits on it.
    layer("device/wiring", &["abi", "device", "runtime"]),
    layer("runtime", &["abi", "runtime"]),
    layer("proto", &["device", "runtime", "proto"]),
    layer("platform", &["abi", "platform/solo5", "platform/x86"]),
    // An ordinary process is its own tender, so it attaches devices with a tender's code.
    layer("platform/unix", &["abi", "tender"]),
    layer("fata", &["abi", "device", "runtime", "proto", "platform"]),
    layer("tender", &["abi", "tender"]),
    layer("tool", &["abi", "tender", "tool"]),
    // `fata` alone, but for a build script that compiles zones with the parser that images leave out.
    layer("examples/app/dns", &["fata", "proto/dns"]),
    layer("examples", &["fata"]),
    layer("tests/unikernels", &["fata"]),
    // The same program over other sockets.
    layer(
        "tests/unikernels/iperf3-smoltcp",
        &["fata", "examples/app/iperf3"],
    ),
    // A machine to test in; what is tested is brought by its users.
    layer("tests/nested", &[]),
    layer("tests/harness", &["tool", "tender", "abi", "tests/nested"]),
    layer("tests/weather", &["tests/harness", "tender", "device"]),
    layer("tests/soak", &["tests/harness", "tender", "device"]),
    layer(
        "xtask",
        &["tests/harness", "tests/nested", "tests/weather", "tender"],
    ),
];

/// Checks every crate of the workspace and lists all violations.
pub(crate) fn run() -> Result<()> {
    let output = process::capture("cargo", &["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&output).context("reading `cargo metadata`")?;
    let root = metadata["workspace_root"]
        .as_str()
        .context("no workspace root")?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let mut violations = Vec::new();
    for package in packages {
        check(package, Path::new(root), &mut violations)?;
    }
    if violations.is_empty() {
        println!("layers: {} crates obey the law", packages.len());
        return Ok(());
    }
    bail!(
        "the law of layers (ARCHITECTURE.md) is broken:\n  {}",
        violations.join("\n  ")
    )
}

fn check(package: &Value, root: &Path, violations: &mut Vec<String>) -> Result<()> {
    let name = package["name"]
        .as_str()
        .context("a package without a name")?;
    let manifest = package["manifest_path"]
        .as_str()
        .context("a package without a path")?;
    let folder = relative(Path::new(manifest).parent().context("no folder")?, root);
    let Some(layer) = layer_of(&folder) else {
        violations.push(format!("{name}: its folder `{folder}` is in no layer"));
        return Ok(());
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        if dependency["kind"] == "dev" {
            continue;
        }
        let used = dependency["name"].as_str().unwrap_or_default();
        match dependency["path"].as_str() {
            Some(path) => {
                let target = relative(Path::new(path), root);
                if !layer.may_use.iter().any(|folder| is_in(&target, folder)) {
                    violations.push(format!(
                        "{name} ({folder}) may not depend on {used} ({target})"
                    ));
                }
            }
            None if !layer.registry => {
                violations.push(format!(
                    "{name} ({folder}) may not depend on a registry crate: {used}"
                ));
            }
            None => {}
        }
    }
    Ok(())
}

fn layer_of(folder: &str) -> Option<&'static Layer> {
    LAW.iter()
        .filter(|layer| is_in(folder, layer.folder))
        .max_by_key(|layer| layer.folder.len())
}

fn is_in(folder: &str, layer: &str) -> bool {
    folder
        .strip_prefix(layer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn violations(package: &Value) -> Vec<String> {
        let mut violations = Vec::new();
        check(package, Path::new("/repo"), &mut violations).unwrap();
        violations
    }

    fn package(folder: &str, dependencies: &Value) -> Value {
        json!({
            "name": "it",
            "manifest_path": format!("/repo/{folder}/Cargo.toml"),
            "dependencies": dependencies,
        })
    }

    #[test]
    fn downwards_is_allowed_and_upwards_is_not() {
        let down = json!([{ "name": "fata-device", "path": "/repo/device/core", "kind": null }]);
        assert_eq!(violations(&package("proto/dns", &down)), [""; 0]);
        let up = json!([{ "name": "fata", "path": "/repo/fata", "kind": null }]);
        assert_eq!(violations(&package("proto/dns", &up)).len(), 1);
    }

    #[test]
    fn the_waist_has_no_registry_crates() {
        let registry = json!([{ "name": "libc", "kind": null }]);
        assert_eq!(violations(&package("abi", &registry)).len(), 1);
        assert_eq!(violations(&package("runtime/core", &registry)).len(), 0);
    }

    #[test]
    fn tests_may_use_anything() {
        let dev = json!([{ "name": "fata", "path": "/repo/fata", "kind": "dev" }]);
        assert_eq!(violations(&package("abi", &dev)).len(), 0);
    }

    #[test]
    fn a_folder_outside_every_layer_is_named() {
        assert_eq!(violations(&package("misc", &json!([]))).len(), 1);
        // `fata-something` is not in `fata`.
        assert_eq!(violations(&package("fata-extra", &json!([]))).len(), 1);
    }
}

// SPDX-License-Identifier: ISC
//! Compiles the zone files: a mistake in one fails the build and names its line, and the image
//! carries no parser.
//!
//! Every file `zones/NAME.zone` is a zone; files with other names are there to be included.

use std::{collections::BTreeMap, env, error::Error, fs, path::Path};

use fata_dns::{Name, Zone};

fn main() -> Result<(), Box<dyn Error>> {
    // Files that come or go count too.
    println!("cargo::rerun-if-changed=zones");
    let mut files = BTreeMap::new();
    for file in fs::read_dir("zones")? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        files.insert(name, fs::read(file.path())?);
    }
    let out = Path::new(&env::var("OUT_DIR")?).join("zones");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    let mut zones = 0;
    for (file, text) in &files {
        let Some(name) = file.strip_suffix(".zone") else {
            continue;
        };
        let origin: Name = name.parse()?;
        let include = &mut |name: &str| files.get(name).map(Vec::as_slice);
        match Zone::parse_with(&format!("zones/{file}"), text, &origin, include) {
            Ok(zone) => {
                for warning in zone.warnings() {
                    println!("cargo::warning=zones/{file}: {warning}");
                }
                fs::write(out.join(file), zone.compile())?;
            }
            Err(error) => println!("cargo::error={error}"),
        }
        zones += 1;
    }
    if zones == 0 {
        let what = "no zones: put a file named after its zone, such as `example.org.zone`, into \
                    the directory `zones`";
        println!("cargo::error={what}");
    }
    Ok(())
}

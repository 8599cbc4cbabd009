// SPDX-License-Identifier: ISC
//! From the files in the image to zones.

use fata::{
    dns::{Name, Zone},
    prelude::*,
};

/// Reads every file `NAME.zone`; files with other names are there to be included.
pub(crate) fn load(files: Files) -> Result<Vec<Zone>, Error> {
    let mut zones = Vec::new();
    for (file, text) in files.iter() {
        let Some(name) = file.strip_suffix(".zone") else {
            continue;
        };
        let origin: Name = name.parse()?;
        let zone = Zone::parse_with(file, text, &origin, &mut |included| files.get(included))?;
        for warning in zone.warnings() {
            warn!("{file}: {warning}");
        }
        let (serial, records) = (zone.serial(), zone.records());
        info!("zone {origin} serial {serial}, {records} records");
        zones.push(zone);
    }
    if zones.is_empty() {
        let what = "no zones: put a file named after its zone, such as `example.org.zone`, into \
                    the directory `zones` and build again";
        return Err(Error::msg(what));
    }
    Ok(zones)
}

// SPDX-License-Identifier: ISC
//! From the compiled zones in the image to zones.

use fata::{dns::Zone, prelude::*};

/// Takes in every zone that `build.rs` has compiled.
pub(crate) fn load(files: Files) -> Result<Vec<Zone>, Error> {
    let mut zones = Vec::new();
    for (_, compiled) in files.iter() {
        let zone = Zone::load(compiled)?;
        let (origin, serial, records) = (zone.origin(), zone.serial(), zone.records());
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

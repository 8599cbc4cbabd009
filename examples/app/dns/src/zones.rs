// SPDX-License-Identifier: ISC
//! From the compiled zones in the image to zones.

use fata::{dns::Zone, prelude::*};

/// Takes in every zone that `build.rs` has compiled.
pub(crate) fn load(files: Files) -> Result<Vec<Zone>, Error> {
    let mut zones = Vec::new();
    for (_, compiled) in files.iter() {
        let zone = Zone::load(compiled)?;
        info!(
            "zone {} serial {}, {} records",
            zone.origin(),
            zone.serial(),
            zone.records()
        );
        zones.push(zone);
    }
    Ok(zones)
}

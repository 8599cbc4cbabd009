// SPDX-License-Identifier: ISC
//! Domain names, as text and on the wire.

#![no_main]

use fata_dns::Name;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let origin: Name = "example.org".parse().expect("a name");
    if let Ok(name) = Name::from_text(data, &origin) {
        assert!(name.as_bytes().len() <= fata_dns::MAX_NAME);
        assert_eq!(Name::from_wire(name.as_bytes()).as_ref(), Some(&name));
    }
    if let Some(name) = Name::from_wire(data) {
        // Text is another way to write the same name.
        let text = name.to_string();
        assert_eq!(
            Name::from_text(text.as_bytes(), &origin).as_ref(),
            Ok(&name),
            "{text}"
        );
    }
});

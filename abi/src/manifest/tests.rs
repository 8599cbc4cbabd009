use super::*;

const DEVICES: [Device<'_>; 2] = [
    Device {
        name: "service",
        kind: DeviceKind::Net,
    },
    Device {
        name: "storage",
        kind: DeviceKind::Block,
    },
];
const NOTE: Note<{ note_size(2) }> = encode_note(&DEVICES);

fn body() -> [u8; HEADER_SIZE + 3 * ENTRY_SIZE] {
    array_at(&NOTE.0, note::HEADER_SIZE + NOTE_PADDING)
}

#[test]
fn what_is_encoded_parses() {
    let bytes = body();
    let manifest = Manifest::parse(&bytes[..]).unwrap();
    assert_eq!(manifest.len(), 3);
    assert!(manifest.devices().eq([(1, DEVICES[0]), (2, DEVICES[1])]));
    assert_eq!(manifest.attachment(1), None);
}

#[test]
fn attachments_round_trip() {
    let mut manifest = Manifest::parse(body()).unwrap();
    let net = Attachment {
        fd: 7,
        properties: Properties::Net {
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
        },
    };
    let block = Attachment {
        fd: 8,
        properties: Properties::Block {
            capacity: 1 << 20,
            block_size: 512,
        },
    };
    manifest.attach(1, net);
    manifest.attach(2, block);
    let guest = Manifest::from_tender(manifest.as_bytes());
    assert_eq!(guest.attachment(1), Some(net));
    assert_eq!(guest.attachment(2), Some(block));
    assert_eq!(guest.attachment(0), None);
    assert_eq!(guest.attachment(3), None);
}

#[test]
fn every_broken_rule_is_named() {
    let broken = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = body();
        change(&mut bytes);
        Manifest::parse(bytes).err()
    };
    let entry = |n: usize| HEADER_SIZE + n * ENTRY_SIZE;
    assert_eq!(broken(&|b| b[0] = 2), Some(ManifestError::Version(2)));
    assert_eq!(broken(&|b| b[4] = 0), Some(ManifestError::Entries(0)));
    assert_eq!(broken(&|b| b[4] = 65), Some(ManifestError::Entries(65)));
    assert_eq!(
        broken(&|b| b[4] = 2),
        Some(ManifestError::Size {
            expected: entry(2),
            found: entry(3)
        })
    );
    assert_eq!(broken(&|b| b[entry(0)] = b'x'), Some(ManifestError::First));
    assert_eq!(
        broken(&|b| b[entry(1) + TYPE] = 9),
        Some(ManifestError::Type { entry: 1, found: 9 })
    );
    assert_eq!(
        broken(&|b| b[entry(2)] = b'-'),
        Some(ManifestError::Name {
            entry: 2,
            error: DeviceError::NameCharacter
        })
    );
    assert_eq!(
        broken(&|b| b[entry(2)] = 0),
        Some(ManifestError::Name {
            entry: 2,
            error: DeviceError::NameLength
        })
    );
    assert_eq!(
        broken(&|b| b[entry(2)..entry(2) + 8].copy_from_slice(b"service\0")),
        Some(ManifestError::Name {
            entry: 2,
            error: DeviceError::Duplicate
        })
    );
    assert_eq!(
        broken(&|b| b[entry(1)..entry(1) + TYPE].fill(b'a')),
        Some(ManifestError::Name {
            entry: 1,
            error: DeviceError::NameLength
        })
    );
    assert_eq!(
        broken(&|b| b[entry(1) + ATTACHED] = 1),
        Some(ManifestError::Attached { entry: 1 })
    );
    assert_eq!(
        Manifest::parse(&body()[..7]).err(),
        Some(ManifestError::Size {
            expected: HEADER_SIZE,
            found: 7
        })
    );
}

#[test]
fn rules_hold_for_declared_devices() {
    let device = |name| Device {
        name,
        kind: DeviceKind::Net,
    };
    assert_eq!(check(&DEVICES), Ok(()));
    assert_eq!(check(&[device("")]), Err((0, DeviceError::NameLength)));
    assert_eq!(
        check(&[device("a_b")]),
        Err((0, DeviceError::NameCharacter))
    );
    assert_eq!(
        check(&[device("a"), device("a")]),
        Err((1, DeviceError::Duplicate))
    );
    let names: [[u8; 2]; 64] = core::array::from_fn(|i| [b'A' + i as u8 / 26, b'a' + i as u8 % 26]);
    let devices: [Device<'_>; 64] =
        core::array::from_fn(|i| device(core::str::from_utf8(&names[i]).unwrap()));
    assert_eq!(check(&devices[..63]), Ok(()));
    assert_eq!(check(&devices), Err((63, DeviceError::TooMany)));
}

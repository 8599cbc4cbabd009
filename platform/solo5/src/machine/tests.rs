// SPDX-License-Identifier: ISC
//! A machine on memory that the test lays out as a tender does.

use std::{boxed::Box, string::String, vec, vec::Vec};

use fata_abi::{
    manifest::{Attachment, DeviceKind, ENTRY_SIZE, HEADER_SIZE},
    net::Capabilities,
    note,
    offer::{OFFER_FLUSH, OFFER_GATHER, OFFER_TRANSFER, OFFER_VNET, large_buffers},
};

use super::*;

const MEMORY: usize = 1 << 20;

/// Memory of a guest: page aligned, zero, never freed.
fn guest_memory() -> usize {
    let layout = core::alloc::Layout::from_size_align(MEMORY, PAGE).unwrap();
    // SAFETY: the size is not zero.
    unsafe { std::alloc::alloc_zeroed(layout) }.expose_provenance()
}

/// The devices have the descriptors from 10 on.
fn manifest_with(devices: &[(DeviceKind, Option<Properties>)]) -> &'static [u8] {
    let mut bytes = vec![0u8; HEADER_SIZE + (devices.len() + 1) * ENTRY_SIZE];
    bytes[0] = 1;
    bytes[4] = devices.len() as u8 + 1;
    bytes[HEADER_SIZE + 68..][..4].copy_from_slice(&(1u32 << 30).to_le_bytes());
    for (n, (kind, _)) in devices.iter().enumerate() {
        let entry = &mut bytes[HEADER_SIZE + (n + 1) * ENTRY_SIZE..];
        entry[0] = b'a' + n as u8;
        entry[68] = match kind {
            DeviceKind::Block => 1,
            DeviceKind::Net => 2,
        };
    }
    let mut manifest = Manifest::parse(bytes).unwrap();
    for (n, (_, properties)) in devices.iter().enumerate() {
        let fd = 10 + n as i32;
        if let Some(properties) = *properties {
            manifest.attach(n + 1, Attachment { fd, properties });
        }
    }
    Vec::leak(manifest.as_bytes().to_vec())
}

fn start(manifest: &'static [u8], command_line: &[u8], offer: &Offer) -> (&'static Machine, usize) {
    let memory = guest_memory();
    let mut command_line = command_line.to_vec();
    command_line.push(0);
    let boot = Boot {
        command_line: Vec::leak(command_line).as_mut_ptr().expose_provenance() as u64,
        manifest: manifest.as_ptr().expose_provenance() as u64,
        free: memory + PAGE,
        memory_end: (memory + MEMORY) as u64,
        offer,
        vnet_needs: OFFER_GATHER,
        give_back: |_| (),
    };
    let machine = Box::leak(Box::new(Machine::new()));
    // SAFETY: everything is as a tender would have written it, and the machine is new.
    unsafe { machine.init(&boot) };
    (machine, memory)
}

const NET: (DeviceKind, Option<Properties>) = (
    DeviceKind::Net,
    Some(Properties::Net {
        mac: [2, 3, 4, 5, 6, 7],
        mtu: 1500,
    }),
);
const BLOCK: (DeviceKind, Option<Properties>) = (
    DeviceKind::Block,
    Some(Properties::Block {
        capacity: 1 << 20,
        block_size: 4096,
    }),
);

#[test]
fn an_image_without_devices_gives_up_no_memory() {
    let (machine, memory) = start(manifest_with(&[]), b"", &Offer::NOTHING);
    let expected = Memory {
        start: memory + PAGE,
        end: memory + MEMORY,
        stack_inside: true,
    };
    assert_eq!(machine.memory.get(), expected);
    assert!(machine.pool.take(false).is_none());
    assert!(machine.net(Handle::new(1).unwrap()).is_err());
}

#[test]
fn devices_are_found_by_their_handle() {
    let manifest = manifest_with(&[BLOCK, NET, (DeviceKind::Net, None)]);
    let (machine, memory) = start(manifest, b"", &Offer::NOTHING);
    let [block, net, unattached] = [1, 2, 3].map(|n| Handle::new(n).unwrap());
    let info = machine.block_open(block).unwrap();
    assert_eq!(
        (info.block_size, info.max_transfer, info.flush),
        (4096, 4096, false)
    );
    let nic = machine.net(net).unwrap();
    assert_eq!(
        (nic.fd, nic.mac, nic.info().max_frame),
        (11, [2, 3, 4, 5, 6, 7], 1514)
    );
    assert_eq!(machine.net(block).err(), Some(Error::Invalid));
    assert_eq!(machine.block_open(net).err(), Some(Error::Invalid));
    assert_eq!(machine.net(unattached).err(), Some(Error::Invalid));
    let taken = machine.memory.get().start - (memory + PAGE);
    let pool = Sizes {
        mtu: 1500,
        large: 0,
    };
    assert!((pool.bytes()..pool.bytes() + 3 * PAGE).contains(&taken));
    assert_eq!(machine.block_complete(block), Err(Error::Again));
}

#[test]
fn buffers_that_do_not_fit_leave_no_memory() {
    let jumbo = Properties::Net {
        mac: [2; 6],
        mtu: u16::MAX,
    };
    let manifest = manifest_with(&[BLOCK, (DeviceKind::Net, Some(jumbo))]);
    let (machine, memory) = start(manifest, b"", &Offer::NOTHING);
    let Memory { start, end, .. } = machine.memory.get();
    assert_eq!((start, end), (memory + MEMORY, memory + MEMORY));
    assert!(machine.pool.take(false).is_none());
}

#[test]
fn offers_are_used_as_they_are_made() {
    let mut offer = Offer {
        features: OFFER_SEED | OFFER_TRANSFER | OFFER_FLUSH,
        max_transfer: 65536 + 100,
        ..Offer::NOTHING
    };
    offer.seed[0] = 7;
    let (machine, _) = start(manifest_with(&[BLOCK]), b"", &offer);
    let info = machine.block_open(Handle::new(1).unwrap()).unwrap();
    assert_eq!((info.max_transfer, info.flush), (65536, true));
    assert_eq!(machine.seed.take(&mut [0; 100]), 64);
    let (unseeded, _) = start(manifest_with(&[]), b"", &Offer::NOTHING);
    assert_eq!(unseeded.seed.take(&mut [0; 100]), 0);
    // An offer that is shorter than a block is none.
    offer.max_transfer = 100;
    let (machine, _) = start(manifest_with(&[BLOCK]), b"", &offer);
    let info = machine.block_open(Handle::new(1).unwrap()).unwrap();
    assert_eq!(info.max_transfer, 4096);
}

#[test]
fn the_command_line_is_text_whatever_was_typed() {
    for (typed, expected) in [
        (&b""[..], String::new()),
        (b"--port=53 'a b'", "--port=53 'a b'".into()),
        ("grüße".as_bytes(), "grüße".into()),
        (b"a\xffb\xc3", "a?b?".into()),
    ] {
        let (machine, _) = start(manifest_with(&[]), typed, &Offer::NOTHING);
        assert_eq!(machine.command_line(), expected);
    }
}

#[test]
fn a_guard_is_whole_pages_of_free_memory() {
    let (machine, memory) = start(manifest_with(&[]), b"", &Offer::NOTHING);
    for (start, len) in [
        (memory, PAGE),
        (memory + MEMORY, PAGE),
        (memory + PAGE, MEMORY),
        (memory + PAGE + 1, PAGE),
        (memory + PAGE, 1),
        (usize::MAX - PAGE + 1, PAGE),
    ] {
        assert!(!machine.can_guard(start, len));
    }
    assert!(machine.can_guard(memory + 8 * PAGE, PAGE));
}

#[test]
fn entries_of_a_manifest_are_where_the_tests_put_them() {
    // The tests above write a manifest by hand; this one ties them to the encoder.
    const DEVICES: [fata_abi::manifest::Device<'_>; 1] = [fata_abi::manifest::Device {
        name: "a",
        kind: DeviceKind::Net,
    }];
    const NOTE: note::Note<{ fata_abi::manifest::note_size(1) }> =
        fata_abi::manifest::encode_note(&DEVICES);
    assert_eq!(NOTE.0[24..], *manifest_with(&[(DeviceKind::Net, None)]));
}

#[test]
fn devices_do_what_is_offered_for_each() {
    let manifest = manifest_with(&[NET, NET, NET, BLOCK]);
    let mut offer = Offer {
        features: OFFER_VNET | OFFER_GATHER,
        vnet: 0b0110,
        vnet_udp: 0b0100,
        // The third has no header, so it cannot say what is large.
        vnet_large: 0b1010,
        ..Offer::NOTHING
    };
    let info = |offer: &Offer, index| {
        let (machine, _) = start(manifest, b"", offer);
        machine.net_open(Handle::new(index).unwrap()).unwrap()
    };
    let [first, second, third] = [1, 2, 3].map(|index| info(&offer, index));
    let tcp = Capabilities {
        checksum: true,
        tcp4: true,
        tcp6: true,
        gather: true,
        ..Capabilities::default()
    };
    let large = Capabilities {
        receive_large: true,
        ..tcp
    };
    assert_eq!((first.offload, first.max_frame), (large, 65549));
    let udp = Capabilities { udp: true, ..tcp };
    assert_eq!((second.offload, second.max_frame), (udp, 65549));
    let gather = Capabilities {
        gather: true,
        ..Capabilities::default()
    };
    assert_eq!((third.offload, third.max_frame), (gather, 1514));
    // One device takes large frames, and half of the most buffers are its own to keep.
    let kept = (large_buffers(u64::MAX) / 2) as u16;
    assert_eq!([first.keep, second.keep, third.keep], [kept, 0, 0]);
    // A platform that cannot write headers has none.
    offer.features = OFFER_VNET;
    assert_eq!(info(&offer, 1).offload, Capabilities::default());
    offer.features = 0;
    assert_eq!(info(&offer, 2).offload, Capabilities::default());
}

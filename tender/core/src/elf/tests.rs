// SPDX-License-Identifier: ISC
//! Tests of the parser: what is accepted, what each rule refuses, and that nothing panics.

use fata_abi::{
    manifest::{Device, DeviceKind},
    note::{self, OPENBSD},
    spt,
};

use super::*;
use assemble::{Assembly, DATA, TEXT, load};

mod assemble;

const SPT: Abi = Abi {
    target: Target::Spt,
    version: spt::ABI_VERSION,
};

fn image() -> Assembly {
    Assembly::new(&[0x90; 100])
}

fn check(assembly: &Assembly) -> Result<Image, Error> {
    parse(&assembly.bytes().as_slice(), SPT)
}

/// The message for the image that `change` makes of a good one.
fn refused(change: impl FnOnce(&mut Assembly)) -> String {
    let mut assembly = image();
    change(&mut assembly);
    let error = check(&assembly).expect_err("the rule must refuse it");
    error.about("x").to_string()
}

#[track_caller]
fn assert_refused(what: &str, change: impl FnOnce(&mut Assembly)) {
    let message = refused(change);
    assert!(message.contains(what), "{message}");
}

#[test]
fn a_good_image() {
    let net = Device {
        name: "service",
        kind: DeviceKind::Net,
    };
    let image = check(&image().devices(&[net]).offer(DATA + 16)).unwrap();
    assert_eq!((image.entry, image.end), (TEXT, DATA + 4096));
    let place = OfferPlace {
        address: DATA + 16,
        size: 72,
        wants: 0,
    };
    assert_eq!(image.offer, Some(place));
    assert_eq!(image.manifest.device(1), Some(net));
    let [text, data] = image.segments[..] else {
        panic!("{image:?}");
    };
    assert_eq!((text.read, text.write, text.execute), (true, false, true));
    assert_eq!((data.read, data.write, data.execute), (true, true, false));
    assert_eq!(
        (text.start, text.end, text.file_size),
        (TEXT, TEXT + 4096, 100)
    );
}

#[test]
fn size_counts_what_an_image_can_use_if_it_knows_of_offers() {
    let smallest = |image: &Image| {
        let mut sizes = (1..1024).map(|pages| pages * PAGE_SIZE);
        let found = sizes.find(|&size| image.check_fits(size).is_ok());
        found.expect("some size must do")
    };
    let stock = check(&image()).unwrap();
    assert_eq!(smallest(&stock), DATA + 5 * 4096);
    assert_eq!(stock.memory_end(16 << 20), 16 << 20);
    // From 0x20000 to 0x100000 there is nothing to be used.
    let ours = check(&image().offer(DATA)).unwrap();
    assert_eq!(smallest(&ours), DATA + 5 * 4096 - 0xe_0000);
    assert_eq!(ours.memory_end(16 << 20), (16 << 20) + 0xe_0000);
    let error = ours.check_fits(1 << 20).unwrap_err().about("x");
    let error = error.to_string();
    assert!(error.contains("needs 1172 KB of memory to start and is given 1024 KB\nhint: "));
    assert!(error.ends_with("`--mem=2`"), "{error}");
}

#[test]
fn segments_without_content_are_passed_over() {
    let mut assembly = image();
    assembly.headers.push(load(6, 0, vec![]));
    let mut bss = load(7, DATA + 4096, vec![]);
    bss.memory_size = 1 << 20;
    assembly.headers.push(bss);
    let image = check(&assembly).unwrap();
    assert_eq!((image.segments.len(), image.end), (2, DATA + 4096));
    assert!(
        image.check_fits(DATA + (1 << 20)).is_err(),
        "but their memory is counted"
    );
}

#[test]
fn file_header_rules() {
    let good = image().bytes();
    for (at, value, what) in [
        (0, 0x7e, "is not an ELF file"),
        (4, 1, "64 bits"),
        (5, 2, "little endian"),
        (16, 3, "ELF type 3"),
        (18, 183, "ELF machine 183"),
        (52, 63, "header sizes"),
        (54, 55, "header sizes"),
        (56, 0, "0 program headers"),
        (57, 1, "program headers, not"),
        (34, 1, "before its program headers are complete"),
        (39, 0xff, "before its program headers are complete"),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        let error = parse(&bytes.as_slice(), SPT).unwrap_err().to_string();
        assert!(error.contains(what), "{at}: {error}");
    }
}

#[test]
fn other_files() {
    for (bytes, what) in [
        (&b""[..], "is not an ELF file"),
        (b"#!/bin/sh\nexec true\n", "is a text file"),
        (b"\x7fELF", "ends before its file header"),
        (b"\x89PNG\r\n", "is not an ELF file"),
    ] {
        let error = parse(&bytes, SPT).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let own = std::env::current_exe().unwrap();
    let error = open(&own, SPT).unwrap_err().to_string();
    assert!(error.contains("ordinary program"), "{error}");
    let error = open("/nonexistent".as_ref(), SPT).unwrap_err().to_string();
    assert!(error.contains("cannot open the image"), "{error}");
    let error = open("/".as_ref(), SPT).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
}

#[test]
fn segment_rules() {
    assert_refused("no segment with content", |a| {
        a.headers.drain(..2).for_each(drop)
    });
    assert_refused("writable and executable", |a| a.headers[1].flags = 7);
    assert_refused("below 0x100000", |a| a.headers[0].address = TEXT - 4096);
    assert_refused("below 0x100000", |a| a.headers[0].align = 1 << 21);
    assert_refused("out of order", |a| a.headers.swap(0, 1));
    assert_refused("out of order", |a| a.headers[1].address = TEXT + 4095);
    assert_refused("aligned to pages", |a| a.headers[0].align = 0);
    assert_refused("aligned to pages", |a| a.headers[0].align = 0x1800);
    assert_refused("aligned to pages", |a| a.headers[0].align = 16);
    assert_refused("aligned to pages", |a| a.headers[0].align = 1 << 63);
    assert_refused("larger in the file", |a| a.headers[1].memory_size = 4095);
    assert_refused("beyond all memory", |a| a.headers[1].memory_size = u64::MAX);
    assert_refused("beyond all memory", |a| a.headers[1].memory_size = 1 << 50);
    assert_refused("beyond all memory", |a| {
        a.headers[1].address = u64::MAX - 4095
    });
    assert_refused("no executable segment: 0x200000", |a| a.entry = DATA);
    assert_refused("no executable segment: 0x0", |a| a.entry = 0);
    assert_refused("no executable segment", |a| a.entry = TEXT + 100);
    let mut bytes = image().bytes();
    bytes.truncate(64 + 5 * 56 + 99);
    // The notes come last and are looked at first.
    let error = parse(&bytes.as_slice(), SPT).unwrap_err().to_string();
    assert!(
        error.contains("note (header 2) of the wrong size"),
        "{error}"
    );
    bytes = image().bytes();
    bytes[64 + 8..64 + 16].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = parse(&bytes.as_slice(), SPT).unwrap_err().to_string();
    assert!(error.contains("not within the file"), "{error}");
}

#[test]
fn note_rules() {
    let abi = |target, version| note::abi(target, version).0.to_vec();
    assert_refused("no ABI note", |a| drop(a.headers.remove(3)));
    assert_refused("no manifest", |a| drop(a.headers.remove(4)));
    assert_refused("is an image for hvt, not spt", |a| {
        a.headers[3].content = abi(Target::Hvt, 2);
    });
    assert_refused("cargo fata build -t spt", |a| {
        a.headers[3].content = abi(Target::Xen, 1)
    });
    assert_refused("version 3 of the spt ABI", |a| {
        a.headers[3].content = abi(Target::Spt, 3)
    });
    assert_refused("is an image for target 99", |a| {
        a.headers[3].content[20] = 99
    });
    assert_refused("header 5 twice", |a| a.headers.push(a.headers[3].clone()));
    assert_refused("header 5 twice", |a| a.headers.push(a.headers[4].clone()));
    assert_refused("wrong size", |a| a.headers[3].content.truncate(30));
    assert_refused("wrong size", |a| a.headers[4].content.truncate(3));
    assert_refused("wrong size", |a| a.headers[4].content[5] = 0xff);
    assert_refused("bad manifest: manifest version is 7", |a| {
        a.headers[4].content[24] = 7
    });
    assert_refused("bad manifest", |a| a.headers[4].content[28] = 2);
    // The second note of a segment is not seen.
    assert_refused("no manifest", |a| {
        let second = a.headers.remove(4).content;
        a.headers[3].content.extend(second);
    });
    // Other owners' notes are their own affair, however odd.
    let mut odd = image();
    odd.headers[2].content = OPENBSD.0.to_vec();
    odd.headers[2].content[4] = 0xff;
    check(&odd).unwrap();
}

#[test]
fn an_offer_must_be_in_writable_memory() {
    let last = DATA + 4096 - 72;
    for address in [DATA, last] {
        let offer = check(&image().offer(address)).unwrap().offer.unwrap();
        assert_eq!((offer.address, offer.is_whole()), (address, false));
    }
    for address in [
        0,
        1,
        TEXT,
        DATA - 4,
        DATA + 2,
        last + 4,
        u64::MAX - 3,
        u64::MAX - 71,
    ] {
        let error = check(&image().offer(address)).unwrap_err().to_string();
        let rule = format!(
            "wants the tender's offer where it may not write, or has no room for it: {address:#x}\n"
        );
        assert!(error.starts_with(&rule), "{error}");
    }
    // The note may say how long it is.
    let with = |size: u32| check(&image().offer_of(DATA + 4096 - 96, size | 3 << 16));
    let offer = with(96).unwrap().offer.unwrap();
    assert_eq!((offer.size, offer.wants, offer.is_whole()), (96, 3, true));
    assert!(with(72).is_ok() && with(97).is_err() && with(0xffff).is_err());
    assert!(with(71).is_err() && with(1).is_err());
    // Memory of the segment beyond its content is as good.
    let mut bss = image().offer(DATA + 8192);
    bss.headers[1].memory_size = 3 * 4096;
    check(&bss).unwrap();
}

/// Deterministic bytes: xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// What holding an [`Image`] proves, checked over again by other means.
fn assert_sound(bytes: &[u8], image: &Image) {
    let mut last = LOAD_MIN;
    for segment in &image.segments {
        assert!(segment.start >= last && segment.start % PAGE_SIZE == 0);
        assert!(segment.start <= segment.address && segment.file_size > 0);
        assert!(segment.file_size <= segment.memory_size);
        assert!(segment.address + segment.memory_size <= segment.end);
        assert!(segment.end % PAGE_SIZE == 0 && segment.end <= image.end);
        assert!((segment.offset + segment.file_size) as usize <= bytes.len());
        assert!(!(segment.write && segment.execute));
        last = segment.end;
    }
    assert!(last < MAX_ADDRESS * 2 && image.check_fits(LOAD_MIN).is_err());
}

#[test]
fn mutated_images_never_panic() {
    const ODD: [u64; 8] = [0, 1, 0xfff, 0x1000, 0x7fff_ffff, 1 << 46, 1 << 63, u64::MAX];
    let net = Device {
        name: "service",
        kind: DeviceKind::Net,
    };
    let good = Assembly::new(&[0x90; 100])
        .devices(&[net])
        .offer(DATA)
        .bytes();
    let mut random = Random(0x5eed);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(3) {
            // Headers and notes are where the claims are.
            let at = match random.below(4) {
                0 => random.below(bytes.len()),
                1 => bytes.len() - 1 - random.below(300),
                _ => random.below(64 + 56 * 6),
            };
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                _ => {
                    let odd = ODD[random.below(ODD.len())].to_le_bytes();
                    let end = bytes.len().min(at + 8);
                    bytes[at..end].copy_from_slice(&odd[..end - at]);
                }
            }
        }
        if random.below(8) == 0 {
            bytes.truncate(random.below(good.len()));
        }
        if let Ok(image) = parse(&bytes.as_slice(), SPT) {
            assert_sound(&bytes, &image);
            accepted += 1;
        }
    }
    assert!(
        accepted > 100,
        "mutations are too wild to test what comes after the first check"
    );
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(7);
    for _ in 0..2000 {
        let len = random.below(600);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let magic = b"\x7fELF\x02\x01\x01";
        if len > 64 && random.below(2) == 0 {
            bytes[..7].copy_from_slice(magic);
        }
        assert!(parse(&bytes.as_slice(), SPT).is_err());
    }
}

// SPDX-License-Identifier: ISC
//! Images made by hand: a whole one, and thousands of broken ones.

use fata_abi::{
    image::{Argument, ArgumentTree, Image},
    manifest::{Device, DeviceKind, encode_note, note_size},
    note::{FATA, TYPE_IMAGE, Target, abi},
};

use super::*;

const BASE: u64 = 0x10_0000;
const DEVICES: [Device<'static>; 2] = [
    Device {
        name: "service",
        kind: DeviceKind::Net,
    },
    Device {
        name: "storage",
        kind: DeviceKind::Block,
    },
];

/// Lays out bytes and hands out their addresses.
#[derive(Default)]
struct Content(Vec<u8>);

impl Content {
    fn put(&mut self, bytes: &[u8]) -> u64 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let address = BASE + self.0.len() as u64;
        self.0.extend_from_slice(bytes);
        address
    }

    fn words(&mut self, words: &[u64]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&bytes)
    }

    fn text(&mut self, text: &str) -> [u64; 2] {
        [self.put(text.as_bytes()), text.len() as u64]
    }

    fn argument(&mut self, name: &str, default: &str, flags: u64) -> u64 {
        let texts = [name, "VALUE", default, "What it is for."].map(|text| self.text(text));
        let mut words: Vec<u64> = texts.into_iter().flatten().collect();
        words.push(flags);
        assert_eq!(words.len() * 8, size_of::<Argument>());
        self.words(&words)
    }

    fn tree(&mut self, prefix: &str, arguments: [u64; 2], parts: &[u64]) -> u64 {
        let prefix = self.text(prefix);
        let list = self.words(parts);
        let words = [prefix, arguments, [list, parts.len() as u64]].concat();
        assert_eq!(words.len() * 8, size_of::<ArgumentTree>());
        self.words(&words)
    }

    fn image(&mut self, tree: u64) -> u64 {
        let mut words = vec![u64::from(LAYOUT) | 1 << 32];
        for text in ["dns", "0.1.0", "Answers.", "spt", "--port=53"] {
            words.extend(self.text(text));
        }
        words.extend([tree, 0, 0]);
        assert_eq!(words.len() * 8, size_of::<Image>());
        self.words(&words)
    }
}

const LAYOUT: u32 = fata_abi::image::LAYOUT;

/// An ELF file with one loaded segment that holds `content`, and `notes`.
fn elf(content: &Content, notes: &[Vec<u8>]) -> Vec<u8> {
    let headers = 64 + 56 * (1 + notes.len());
    let mut file = vec![0; headers];
    file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &[2, 0, 62, 0, 1, 0, 0, 0]);
    put(32, &64u64.to_le_bytes());
    put(52, &[64, 0, 56, 0, 1 + notes.len() as u8, 0, 64, 0]);
    let mut end = headers;
    for (index, (kind, bytes)) in [(1u32, &content.0)]
        .into_iter()
        .chain(notes.iter().map(|note| (4, note)))
        .enumerate()
    {
        let at = 64 + 56 * index;
        let size = (bytes.len() as u64).to_le_bytes();
        put(at, &kind.to_le_bytes());
        put(at + 4, &4u32.to_le_bytes());
        put(at + 8, &(end as u64).to_le_bytes());
        put(at + 16, &BASE.to_le_bytes());
        put(at + 32, &size);
        put(at + 40, &size);
        end += bytes.len();
    }
    file.extend_from_slice(&content.0);
    notes.iter().for_each(|note| file.extend_from_slice(note));
    file
}

fn image_note(address: u64) -> Vec<u8> {
    let mut note: Vec<u8> = [5u32, 12, TYPE_IMAGE]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    note.extend_from_slice(FATA);
    note.extend_from_slice(&[0; 7]);
    note.extend_from_slice(&address.to_le_bytes());
    note
}

fn notes(image: u64) -> Vec<Vec<u8>> {
    vec![
        abi(Target::Spt, 2).0.to_vec(),
        encode_note::<{ note_size(2) }>(&DEVICES).0.to_vec(),
        image_note(image),
    ]
}

/// Adds sections to an image: its text, symbols for it, and their names.
fn with_sections(mut file: Vec<u8>) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.text\0.symtab\0.strtab\0";
    const STRINGS: &[u8] = b"\0_ZN4core3fmt3pad17h0123456789abcdefE\0missing\0";
    let symbol = |name: u32, kind: u8, section: u16, size: u64| {
        let mut bytes = name.to_le_bytes().to_vec();
        bytes.extend([kind, 0]);
        bytes.extend(section.to_le_bytes());
        bytes.extend([BASE, size].iter().flat_map(|word| word.to_le_bytes()));
        bytes
    };
    let symbols = [
        symbol(0, 0, 0, 0),
        symbol(1, 0x12, 1, 16),
        symbol(38, 0x10, 0, 0),
    ]
    .concat();
    let strings = file.len() as u64;
    file.extend_from_slice(STRINGS);
    let table = file.len() as u64;
    file.extend_from_slice(&symbols);
    let names = file.len() as u64;
    file.extend_from_slice(NAMES);
    let headers = file.len() as u64;
    // Name, type, flags, offset, size, link, bytes of an entry.
    for [name, kind, flags, offset, size, link, entry] in [
        [0; 7],
        [1, 1, 2, 64, 16, 0, 0],
        [7, 2, 0, table, symbols.len() as u64, 3, 24],
        [15, 3, 0, strings, STRINGS.len() as u64, 0, 0],
        [15, 3, 0, names, NAMES.len() as u64, 0, 0],
    ] {
        let words = [name | kind << 32, flags, BASE, offset, size, link, 1, entry];
        file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    file[40..48].copy_from_slice(&headers.to_le_bytes());
    file[60..64].copy_from_slice(&[5, 0, 4, 0]);
    file
}

/// A whole image.
pub(crate) fn whole() -> Vec<u8> {
    let mut content = Content::default();
    let port = content.argument("port", "53", 0);
    let logs = content.argument("logs", "", u64::from(fata_abi::image::REPEATED));
    let leaf = content.tree("", [port, 1], &[]);
    let prefixed = content.tree("second", [port, 1], &[leaf]);
    let root = content.tree("", [logs, 1], &[leaf, prefixed]);
    let image = content.image(root);
    with_sections(elf(&content, &notes(image)))
}

#[test]
fn symbols_and_sections_are_read_and_stripped() {
    let data = whole();
    let elf = Elf::parse(&data).unwrap();
    assert_eq!(elf.undefined(), (vec!["missing".to_owned()], false));
    let symbols = symbols::Symbols::read(&elf).unwrap();
    assert_eq!(symbols.by_crate(), [("core".to_owned(), 16)]);
    assert_eq!(
        symbols.function(BASE + 15).as_deref(),
        Some("core::fmt::pad")
    );

    let stripped = strip::strip(&data).unwrap();
    let image = Elf::parse(&stripped).unwrap();
    assert!(symbols::Symbols::read(&image).unwrap().is_empty());
    assert_eq!(image.sections, elf.sections);
    assert_eq!(image.sections[0].name, ".text");
    assert_eq!(About::read(&image), About::read(&elf));
    assert!(stripped.len() < data.len());
}

#[test]
fn a_whole_image_is_read() {
    let data = whole();
    let elf = Elf::parse(&data).unwrap();
    assert_eq!(elf.abi(), Ok((2, 2)));
    let manifest = elf.manifest().unwrap();
    let devices: Vec<_> = manifest.devices().map(|(_, device)| device).collect();
    assert_eq!(devices, DEVICES);
    let about = About::read(&elf).unwrap().unwrap();
    assert_eq!((about.name.as_str(), about.sealed), ("dns", true));
    assert_eq!(about.boot_arguments, "--port=53");
    let names: Vec<&str> = about.arguments.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["logs", "port", "second-port", "second-port"]);
    assert!(about.arguments[0].repeated && !about.arguments[0].required);
    assert_eq!(about.arguments[1].default, "53");
}

#[test]
fn a_tree_that_bites_its_tail_ends() {
    let mut content = Content::default();
    // The parts of this tree are itself, twice: without a bound, 2^depth nodes.
    let itself = BASE + 8 * 6;
    let list = content.words(&[itself, itself]);
    content.words(&[0; 4]);
    let tree = content.words(&[0, 0, 0, 0, list, 2]);
    assert_eq!(tree, itself);
    let image = content.image(tree);
    let data = elf(&content, &notes(image));
    let read = About::read(&Elf::parse(&data).unwrap());
    assert!(matches!(read, Err(ImageError::About(_))), "{read:?}");
}

#[test]
fn addresses_out_of_the_file_are_refused() {
    for address in [0, BASE - 1, BASE + 0x1000, u64::MAX, u64::MAX - 100] {
        let mut content = Content::default();
        content.words(&[0; 14]);
        let data = elf(&content, &notes(address));
        let read = About::read(&Elf::parse(&data).unwrap());
        assert!(
            matches!(read, Err(ImageError::About(_))),
            "{address:#x} {read:?}"
        );
    }
}

#[test]
fn broken_images_never_panic() {
    let good = whole();
    // xorshift: the same files on every run.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for _ in 0..20_000 {
        let mut data = good.clone();
        for _ in 0..=random(4) {
            let at = random(data.len());
            data[at] = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6)];
        }
        if random(4) == 0 {
            data.truncate(random(data.len() + 1));
        }
        read_everything(&data);
    }
    for length in 0..good.len() {
        read_everything(&good[..length]);
    }
}

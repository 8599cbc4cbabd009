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

/// A whole image.
pub(crate) fn whole() -> Vec<u8> {
    let mut content = Content::default();
    let port = content.argument("port", "53", 0);
    let logs = content.argument("logs", "", u64::from(fata_abi::image::REPEATED));
    let leaf = content.tree("", [port, 1], &[]);
    let prefixed = content.tree("second", [port, 1], &[leaf]);
    let root = content.tree("", [logs, 1], &[leaf, prefixed]);
    let image = content.image(root);
    elf(&content, &notes(image))
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

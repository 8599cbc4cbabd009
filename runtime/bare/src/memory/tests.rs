// SPDX-License-Identifier: ISC
//! Every function against the obvious one, over all short lengths, offsets and overlaps, with
//! guard bytes around that must stay as they are.

use super::*;
use std::vec::Vec;

/// Lengths around every change of method.
fn lengths() -> impl Iterator<Item = usize> {
    (0..300).chain([511, 1500, STRING - 1, STRING, STRING + 1, STRING + 65])
}

fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len)
        .map(|i| (i as u8).wrapping_mul(37).wrapping_add((i >> 8) as u8) ^ salt)
        .collect()
}

#[test]
fn copies_whatever_the_length_and_alignment() {
    for n in lengths() {
        for offset in 0..17 {
            let from = pattern(n + offset, 0x5a);
            let mut to = std::vec![0xee; n + 32 + offset];
            // SAFETY: both vectors hold `n` bytes from there on.
            unsafe { copy_forward(to[16..].as_mut_ptr(), from[offset..].as_ptr(), n) };
            assert_eq!(to[16..16 + n], from[offset..], "{n} bytes from {offset}");
            assert!(
                to[..16].iter().chain(&to[16 + n..]).all(|&b| b == 0xee),
                "{n} from {offset}"
            );
        }
    }
}

#[test]
fn moves_whatever_the_overlap() {
    for n in lengths() {
        for (from, to) in (0..70).map(|d| (0, d)).chain((0..70).map(|d| (d, 0))) {
            let mut memory = pattern(n + 70, 0xa5);
            let mut expected = memory.clone();
            expected.copy_within(from..from + n, to);
            let start = memory.as_mut_ptr();
            // SAFETY: both offsets are inside `memory`.
            let (to_start, from_start) = unsafe { (start.add(to), start.add(from)) };
            if goes_forward(to_start, from_start, n) {
                // SAFETY: both ranges are inside `memory`, and forward is right.
                unsafe { copy_forward(to_start, from_start, n) };
            } else {
                // SAFETY: both ranges are inside `memory`, and backward is right.
                unsafe { copy_backward(to_start, from_start, n) };
            }
            assert!(memory == expected, "{n} bytes from {from} to {to}");
        }
    }
}

#[test]
fn fills_only_what_it_should() {
    for n in lengths() {
        for byte in [0, 1, 0x80, 0xff] {
            let mut memory = std::vec![0x33; n + 32];
            // SAFETY: `n + 16` bytes are there.
            unsafe { fill(memory[16..].as_mut_ptr(), byte, n) };
            let mut expected = std::vec![0x33; n + 32];
            expected[16..16 + n].iter_mut().for_each(|b| *b = byte);
            assert!(memory == expected, "{n} bytes of {byte}");
        }
    }
}

fn compared(a: &[u8], b: &[u8]) -> Ordering {
    assert_eq!(a.len(), b.len());
    // SAFETY: both are as long as the first.
    unsafe { compare(a.as_ptr(), b.as_ptr(), a.len()) }
}

#[test]
fn compares_as_slices_do() {
    for n in lengths().filter(|n| *n < 300) {
        let a = pattern(n, 0);
        assert_eq!(compared(&a, &a.clone()), Ordering::Equal);
        for at in 0..n {
            for change in [1, 0x80, 0xff] {
                let mut b = a.clone();
                b[at] ^= change;
                // A later difference the other way round must not count.
                if let Some(last) = b.last_mut().filter(|_| at + 1 < n) {
                    *last = last.wrapping_sub(change);
                }
                assert_eq!(compared(&a, &b), a.cmp(&b), "{n} bytes, different at {at}");
            }
        }
    }
}

#[test]
fn finds_the_end_of_a_string() {
    for n in 0..70 {
        let mut text = std::vec![b'x'; n];
        text.extend([0, b'y', 0]);
        // SAFETY: it has a NUL.
        assert_eq!(unsafe { length(text.as_ptr()) }, n);
    }
}

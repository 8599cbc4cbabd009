// SPDX-License-Identifier: ISC
//! `memcpy` and its kin, which compiled Rust calls and a C library would bring.
//!
//! Two things shape this file. The compiler turns a loop that copies, fills or searches bytes into a
//! call of the very function that it implements, so every such loop is assembly. And most calls are
//! for a few bytes, where two moves that may overlap serve a whole range of lengths without a loop.
//! Frames take the SSE2 loops; from [`STRING`] bytes on, the processor's string instructions move
//! more in a cycle.
//!
//! Read first: Intel's optimisation manual, "Memcpy/memset with REP MOVSB/STOSB". The functions are
//! exported under their C names by [`symbols`](crate::symbols) and tested here under their own.

use core::{
    arch::{
        asm,
        x86_64::{__m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set1_epi8},
    },
    cmp::Ordering,
};

/// From this length on, string instructions.
const STRING: usize = 4096;
/// Closer than this, source and destination make string instructions go byte by byte.
const STRING_DISTANCE: usize = 64;

/// Reads a `T` at `p + at`.
///
/// # Safety
///
/// `p + at` is valid for reading a `T`, which any bytes are; no alignment is needed.
#[inline(always)]
unsafe fn get<T: Copy>(p: *const u8, at: usize) -> T {
    // SAFETY: the caller's promise.
    let p = unsafe { p.add(at) };
    // SAFETY: likewise.
    unsafe { p.cast::<T>().read_unaligned() }
}

/// Writes `value` at `p + at`.
///
/// # Safety
///
/// `p + at` is valid for writing a `T`; no alignment is needed.
#[inline(always)]
unsafe fn put<T: Copy>(p: *mut u8, at: usize, value: T) {
    // SAFETY: the caller's promise.
    let p = unsafe { p.add(at) };
    // SAFETY: likewise.
    unsafe { p.cast::<T>().write_unaligned(value) }
}

/// Moves `n` bytes, `size_of::<T>() <= n <= 2 * size_of::<T>()`, by two moves that may overlap.
///
/// # Safety
///
/// `from..from + n` is valid for reads and `to..to + n` for writes.
#[inline(always)]
unsafe fn copy_two<T: Copy>(to: *mut u8, from: *const u8, n: usize) {
    let last = n - size_of::<T>();
    // SAFETY: `n >= size_of::<T>()`. Both are read before anything is written, so overlapping
    // memory does no harm.
    let (a, b): (T, T) = unsafe { (get(from, 0), get(from, last)) };
    // SAFETY: as above.
    unsafe { (put(to, 0, a), put(to, last, b)) };
}

/// Copies up to 64 bytes between memory that may overlap.
///
/// # Safety
///
/// `from..from + n` is valid for reads and `to..to + n` for writes; `n <= 64`.
#[inline(always)]
unsafe fn copy_small(to: *mut u8, from: *const u8, n: usize) {
    // SAFETY: each arm's range is that which `copy_two` asks for; the arrays are what SSE2 moves,
    // two registers at a time.
    unsafe {
        match n {
            0 => {}
            1 => put(to, 0, get::<u8>(from, 0)),
            2..4 => copy_two::<u16>(to, from, n),
            4..8 => copy_two::<u32>(to, from, n),
            8..16 => copy_two::<u64>(to, from, n),
            16..32 => copy_two::<__m128i>(to, from, n),
            _ => copy_two::<[__m128i; 2]>(to, from, n),
        }
    }
}

/// `memcpy`, and `memmove` towards lower addresses: copies from the front.
///
/// # Safety
///
/// `from..from + n` is valid for reads and `to..to + n` for writes; where they overlap, `to` is not
/// above `from`.
#[inline(always)]
pub(crate) unsafe fn copy_forward(to: *mut u8, from: *const u8, n: usize) {
    if n <= 64 {
        // SAFETY: the caller's promise.
        unsafe { copy_small(to, from, n) }
    } else if n >= STRING && from.addr().wrapping_sub(to.addr()) >= STRING_DISTANCE {
        // SAFETY: the direction flag is clear by the calling convention, so this goes byte by byte
        // from the front, which never overwrites what it has still to read.
        unsafe {
            asm!(
                "rep movsb",
                inout("rcx") n => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                options(nostack, preserves_flags),
            );
        }
    } else {
        // SAFETY: `n > 64`. Read now, because the loop may overwrite it.
        let tail: [__m128i; 4] = unsafe { get(from, n - 64) };
        // SAFETY: 64 bytes at a time, all read before any is written, as long as more than 64 are
        // left: inside both ranges, and never ahead of what is still to be read.
        unsafe {
            asm!(
                "2:",
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]",
                "movups {d}, [{from} + 48]",
                "add {from}, 64",
                "movups [{to}], {a}",
                "movups [{to} + 16], {b}",
                "movups [{to} + 32], {c}",
                "movups [{to} + 48], {d}",
                "add {to}, 64",
                "sub {left}, 64",
                "ja 2b",
                from = inout(reg) from => _,
                to = inout(reg) to => _,
                left = inout(reg) n - 64 => _,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack),
            );
        }
        // SAFETY: `n > 64`; the loop left at most these.
        unsafe { put(to, n - 64, tail) };
    }
}

/// Whether [`copy_forward`] serves for a move of `n` bytes, which [`copy_backward`] does otherwise.
#[inline(always)]
pub(crate) fn goes_forward(to: *mut u8, from: *const u8, n: usize) -> bool {
    // Short copies may overlap as they like; otherwise `to` must not begin inside the source.
    n <= 64 || to.addr().wrapping_sub(from.addr()) >= n
}

/// `memmove` towards higher addresses: copies from the end.
///
/// # Safety
///
/// `from..from + n` is valid for reads and `to..to + n` for writes; `n > 64`; where they overlap,
/// `from` is not above `to`.
#[inline(always)]
pub(crate) unsafe fn copy_backward(to: *mut u8, from: *const u8, n: usize) {
    // SAFETY: `n > 64`. Read now, because the loop may overwrite it.
    let head: [__m128i; 4] = unsafe { get(from, 0) };
    // SAFETY: as in `copy_forward`, from the end towards the front.
    unsafe {
        asm!(
            "2:",
            "movups {a}, [{from} + {left} + 48]",
            "movups {b}, [{from} + {left} + 32]",
            "movups {c}, [{from} + {left} + 16]",
            "movups {d}, [{from} + {left}]",
            "movups [{to} + {left} + 48], {a}",
            "movups [{to} + {left} + 32], {b}",
            "movups [{to} + {left} + 16], {c}",
            "movups [{to} + {left}], {d}",
            "sub {left}, 64",
            "ja 2b",
            from = in(reg) from,
            to = in(reg) to,
            left = inout(reg) n - 64 => _,
            a = out(xmm_reg) _,
            b = out(xmm_reg) _,
            c = out(xmm_reg) _,
            d = out(xmm_reg) _,
            options(nostack),
        );
    }
    // SAFETY: `n > 64`; the loop left at most these.
    unsafe { put(to, 0, head) };
}

/// Fills `n` bytes, `size_of::<T>() <= n <= 2 * size_of::<T>()`, by two stores that may overlap.
///
/// # Safety
///
/// `to..to + n` is valid for writes.
#[inline(always)]
unsafe fn fill_two<T: Copy>(to: *mut u8, value: T, n: usize) {
    // SAFETY: `n >= size_of::<T>()`.
    unsafe { (put(to, 0, value), put(to, n - size_of::<T>(), value)) };
}

/// `memset`.
///
/// # Safety
///
/// `to..to + n` is valid for writes.
#[inline(always)]
pub(crate) unsafe fn fill(to: *mut u8, byte: u8, n: usize) {
    let word = u64::from(byte) * 0x0101_0101_0101_0101;
    // SAFETY: SSE2 is part of x86-64.
    let vector = unsafe { _mm_set1_epi8(byte as i8) };
    // SAFETY: each arm's range is that which `fill_two` asks for.
    unsafe {
        match n {
            0 => {}
            1 => put(to, 0, byte),
            2..4 => fill_two(to, word as u16, n),
            4..8 => fill_two(to, word as u32, n),
            8..16 => fill_two(to, word, n),
            16..32 => fill_two(to, vector, n),
            32..=64 => fill_two(to, [vector; 2], n),
            _ => fill_long(to, byte, vector, n),
        }
    }
}

/// `memset` of more than 64 bytes, with the byte also in every byte of `vector`.
///
/// # Safety
///
/// `to..to + n` is valid for writes; `n > 64`.
#[inline(always)]
unsafe fn fill_long(to: *mut u8, byte: u8, vector: __m128i, n: usize) {
    if n >= STRING {
        // SAFETY: the direction flag is clear by the calling convention.
        unsafe {
            asm!(
                "rep stosb",
                inout("rcx") n => _,
                inout("rdi") to => _,
                in("al") byte,
                options(nostack, preserves_flags),
            );
        }
        return;
    }
    // SAFETY: 64 bytes at a time as long as more than 64 are left.
    unsafe {
        asm!(
            "2:",
            "movups [{to}], {v}",
            "movups [{to} + 16], {v}",
            "movups [{to} + 32], {v}",
            "movups [{to} + 48], {v}",
            "add {to}, 64",
            "sub {left}, 64",
            "ja 2b",
            to = inout(reg) to => _,
            left = inout(reg) n - 64 => _,
            v = in(xmm_reg) vector,
            options(nostack),
        );
    }
    // SAFETY: `n > 64`; the loop left at most these.
    unsafe { put(to, n - 64, [vector; 4]) };
}

/// `memcmp`: less, equal or greater, as the first bytes that differ are.
///
/// # Safety
///
/// `a..a + n` and `b..b + n` are valid for reads.
#[inline(always)]
pub(crate) unsafe fn compare(a: *const u8, b: *const u8, n: usize) -> Ordering {
    /// Compares as a big-endian number, in which the first byte counts most.
    macro_rules! at {
        ($type:ty, $at:expr) => {{
            let at = $at;
            // SAFETY: by the arm below, and the caller's promise.
            let (x, y): ($type, $type) = unsafe { (get(a, at), get(b, at)) };
            x.to_be().cmp(&y.to_be())
        }};
    }
    match n {
        0 => Ordering::Equal,
        1 => at!(u8, 0),
        2..4 => at!(u16, 0).then_with(|| at!(u16, n - 2)),
        4..8 => at!(u32, 0).then_with(|| at!(u32, n - 4)),
        8..16 => at!(u64, 0).then_with(|| at!(u64, n - 8)),
        // SAFETY: `n >= 16`, and the caller's promise.
        _ => unsafe { compare_long(a, b, n) },
    }
}

/// # Safety
///
/// `a..a + n` and `b..b + n` are valid for reads; `n >= 16`.
#[inline(always)]
unsafe fn compare_long(a: *const u8, b: *const u8, n: usize) -> Ordering {
    let mut at = 0;
    loop {
        // SAFETY: `at + 16 <= n`, see below.
        let (x, y): (__m128i, __m128i) = unsafe { (get(a, at), get(b, at)) };
        // SAFETY: SSE2 is part of x86-64.
        let equal = unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) } as u32;
        if equal != 0xffff {
            let at = at + (!equal).trailing_zeros() as usize;
            // SAFETY: one of the 16 bytes that were just read.
            let (x, y): (u8, u8) = unsafe { (get(a, at), get(b, at)) };
            return x.cmp(&y);
        }
        if at == n - 16 {
            return Ordering::Equal;
        }
        // The last sixteen may overlap those before.
        at = (at + 16).min(n - 16);
    }
}

/// `strlen`.
///
/// # Safety
///
/// `start` leads to a NUL, and all bytes as far as it are valid for reads.
#[inline(always)]
pub(crate) unsafe fn length(start: *const u8) -> usize {
    let end: *const u8;
    // SAFETY: reads byte by byte as far as the NUL.
    unsafe {
        asm!(
            "jmp 3f",
            "2:",
            "inc {at}",
            "3:",
            "cmp byte ptr [{at}], 0",
            "jne 2b",
            at = inout(reg) start => end,
            options(nostack, readonly),
        );
    }
    end.addr() - start.addr()
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: ISC
//! What only the CPU can say: random numbers and the frame pointer.
//!
//! Read first: Intel SDM volume 1, section 7.3.17 (RDRAND and RDSEED).

use core::arch::{
    asm,
    x86_64::{__cpuid, __cpuid_count, _rdrand64_step, _rdseed64_step, _rdtsc},
};

/// Tries before a generator counts as broken. The manual suggests ten for RDRAND; RDSEED runs dry
/// more easily.
const TRIES: usize = 64;

/// A random number from the CPU, if it has a generator and that works.
pub(crate) fn random() -> Option<u64> {
    // RDSEED is the source, RDRAND a generator fed from it: good for when the source is drained.
    let seed = has_rdseed().then(|| {
        retry(|value| {
            // SAFETY: CPUID says that the instruction exists.
            unsafe { rdseed(value) }
        })
    });
    seed.flatten().or_else(|| {
        let rand = has_rdrand().then(|| {
            retry(|value| {
                // SAFETY: CPUID says that the instruction exists.
                unsafe { rdrand(value) }
            })
        });
        rand.flatten()
    })
}

/// Calls `step` until it succeeds. A few AMD CPUs answer all ones with success after a resume;
/// that value is never believed.
fn retry(step: impl Fn(&mut u64) -> i32) -> Option<u64> {
    let mut value = 0;
    for _ in 0..TRIES {
        if step(&mut value) == 1 && value != u64::MAX {
            return Some(value);
        }
        core::hint::spin_loop();
    }
    None
}

fn has_rdrand() -> bool {
    __cpuid(1).ecx & 1 << 30 != 0
}

fn has_rdseed() -> bool {
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & 1 << 18 != 0
}

#[target_feature(enable = "rdrand")]
fn rdrand(value: &mut u64) -> i32 {
    _rdrand64_step(value)
}

#[target_feature(enable = "rdseed")]
fn rdseed(value: &mut u64) -> i32 {
    _rdseed64_step(value)
}

/// A number that is never the same twice in a run.
pub(crate) fn ticks() -> u64 {
    // SAFETY: the instruction exists on every x86-64 CPU.
    unsafe { _rdtsc() }
}

/// The frame pointer of the caller: address of the caller's own, above which its return address
/// lies (with `-C force-frame-pointers`, which images are built with).
#[inline(always)]
pub(crate) fn frame_pointer() -> usize {
    let pointer;
    // SAFETY: copies a register, touches nothing.
    unsafe {
        asm!("mov {}, rbp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}

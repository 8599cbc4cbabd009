// SPDX-License-Identifier: ISC
//! Which features of the CPU a guest sees: what computes, keeps time and protects, by name.
//!
//! What is not listed is zero: virtualisation, power, performance counters, topology, serial numbers,
//! interfaces of hypervisors, and whatever the next CPU brings. A guest has one thread, no interrupts
//! and no use for them, and what it cannot see it will not depend on, nor learn the host from.

use kvm_bindings::{CpuId, kvm_cpuid_entry2};

/// Highest leaf, and highest extended leaf, that is kept.
const LAST: u32 = 0xd;
const LAST_EXTENDED: u32 = 0x8000_0008;
/// States that `XSAVE` keeps: x87, SSE, AVX, and the three of AVX-512.
const STATES: u32 = 0b1110_0111;
const ALL: u32 = u32::MAX;

/// Leaf and subleaf, and the bits of eax, ebx, ecx and edx that are kept.
const KEPT: [(u32, u32, [u32; 4]); 14] = [
    // Number of leaves, and the vendor.
    (0, 0, [ALL; 4]),
    // Model, as errata are by model. Size of a cache line. SSE3, PCLMULQDQ, SSSE3, FMA, CMPXCHG16B,
    // SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE and that it is enabled, AVX, F16C, RDRAND. FPU, PSE,
    // TSC, MSR, PAE, CX8, PGE, CMOV, PAT, PSE36, CLFLUSH, MMX, FXSR, SSE, SSE2.
    (1, 0, [ALL, 0xff00, 0x7ed8_3203, 0x078b_a179]),
    // Subleaves. FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, AVX-512 (F, DQ), RDSEED, ADX, SMAP, AVX-512
    // (IFMA), CLFLUSHOPT, CLWB, AVX-512 (CD), SHA, AVX-512 (BW, VL). AVX-512 (VBMI), UMIP, AVX-512
    // (VBMI2), GFNI, VAES, VPCLMULQDQ, AVX-512 (VNNI, BITALG, VPOPCNTDQ). Fast short `rep mov`.
    (7, 0, [ALL, 0xf1bf_03a9, 0x5f46, 0x10]),
    // AVX-VNNI, AVX-512 (BF16), fast `rep` of other lengths, AVX-IFMA.
    (7, 1, [0x0080_1c30, 0, 0, 0]),
    // States; the size for those enabled, which changes, and for all, computed below.
    (0xd, 0, [STATES, ALL, ALL, 0]),
    // XSAVEOPT, XSAVEC, XGETBV with 1; the size for those enabled.
    (0xd, 1, [0b111, ALL, 0, 0]),
    // Size and place of each state that is not at a fixed one.
    (0xd, 2, [ALL, ALL, ALL, 0]),
    (0xd, 5, [ALL, ALL, ALL, 0]),
    (0xd, 6, [ALL, ALL, ALL, 0]),
    (0xd, 7, [ALL, ALL, ALL, 0]),
    // Number of leaves, and the vendor.
    (0x8000_0000, 0, [ALL; 4]),
    // Model. LAHF, LZCNT, PREFETCHW. NX, 1 GiB pages, RDTSCP, long mode, and on AMD the basic ones
    // again, as far as they are there.
    (0x8000_0001, 0, [ALL, 0, 0x121, 0x2d93_a179]),
    // The time-stamp counter is constant.
    (0x8000_0007, 0, [0, 0, 0, 0x100]),
    // Widths of addresses.
    (0x8000_0008, 0, [0xffff, 0, 0, 0]),
];

/// What of `supported` a guest sees. The index of leaves without subleaves is zero there.
pub(super) fn mask(supported: &[kvm_cpuid_entry2]) -> CpuId {
    let kept = |entry: &kvm_cpuid_entry2| {
        let of = (entry.function, entry.index);
        let (.., bits) = KEPT.iter().find(|&&(leaf, sub, _)| (leaf, sub) == of)?;
        let mut kept = *entry;
        let registers = [&mut kept.eax, &mut kept.ebx, &mut kept.ecx, &mut kept.edx];
        for (register, bits) in registers.into_iter().zip(bits) {
            *register &= bits;
        }
        Some(kept)
    };
    let mut entries: Vec<_> = supported.iter().filter_map(kept).collect();
    let size = xsave_size(&entries);
    for entry in &mut entries {
        match (entry.function, entry.index) {
            (0, _) => entry.eax = entry.eax.min(LAST),
            (7, 0) => entry.eax = entry.eax.min(1),
            (0xd, 0) => entry.ecx = size,
            (0x8000_0000, _) => entry.eax = entry.eax.min(LAST_EXTENDED),
            _ => {}
        }
    }
    CpuId::from_entries(&entries).expect("no more entries than KVM has")
}

/// Bytes that `XSAVE` needs for all states that are kept: to the end of the last one.
fn xsave_size(entries: &[kvm_cpuid_entry2]) -> u32 {
    const LEGACY_AND_HEADER: u32 = 512 + 64;
    let states = entries
        .iter()
        .filter(|entry| entry.function == 0xd && entry.index >= 2);
    states.fold(LEGACY_AND_HEADER, |size, state| {
        size.max(state.eax.saturating_add(state.ebx))
    })
}

/// Whether page tables may have entries that map 1 GiB.
pub(super) fn has_gigabyte_pages(entries: &[kvm_cpuid_entry2]) -> bool {
    let mut extended = entries.iter().filter(|entry| entry.function == 0x8000_0001);
    extended.any(|entry| entry.edx & 1 << 26 != 0)
}

#[cfg(test)]
mod tests {
    use kvm_bindings::KVM_CPUID_FLAG_SIGNIFCANT_INDEX;

    use super::*;

    /// Bits by their numbers.
    fn bits<const N: usize>(numbers: [u32; N]) -> u32 {
        numbers
            .into_iter()
            .fold(0, |bits, number| bits | 1 << number)
    }

    fn entry(function: u32, index: u32) -> kvm_cpuid_entry2 {
        kvm_cpuid_entry2 {
            function,
            index,
            flags: match function {
                4 | 7 | 0xb | 0xd => KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
                _ => 0,
            },
            eax: ALL,
            ebx: ALL,
            ecx: ALL,
            edx: ALL,
            ..kvm_cpuid_entry2::default()
        }
    }

    fn find(features: &CpuId, function: u32, index: u32) -> Option<kvm_cpuid_entry2> {
        let mut entries = features.as_slice().iter();
        entries
            .find(|entry| (entry.function, entry.index) == (function, index))
            .copied()
    }

    /// A CPU that has everything.
    fn everything() -> CpuId {
        let leaves = (0..0x20).chain(0x4000_0000..0x4000_0002);
        let leaves = leaves.chain(0x8000_0000..0x8000_0022);
        let mut entries: Vec<_> = leaves.map(|leaf| entry(leaf, 0)).collect();
        entries.extend((1..4).map(|index| entry(7, index)));
        entries.extend((1..19).map(|index| entry(0xd, index)));
        let mut avx = entry(0xd, 2);
        (avx.eax, avx.ebx) = (256, 576);
        entries.retain(|entry| entry.function != 0xd || entry.index < 2);
        entries.push(avx);
        mask(&entries)
    }

    #[test]
    fn what_no_guest_needs_is_gone() {
        let seen = everything();
        let (ecx, edx) = find(&seen, 1, 0).map(|leaf| (leaf.ecx, leaf.edx)).unwrap();
        // MONITOR, VMX, x2APIC, TSC deadline, hypervisor.
        assert_eq!(ecx & bits([3, 5, 21, 24, 31]), 0);
        // APIC, machine checks, hyper-threading.
        assert_eq!(edx & bits([7, 9, 14, 28]), 0);
        // SVM.
        assert_eq!(find(&seen, 0x8000_0001, 0).unwrap().ecx & bits([2]), 0);
        for leaf in [
            4,
            5,
            6,
            0xa,
            0xb,
            0x12,
            0x15,
            0x4000_0000,
            0x8000_0002,
            0x8000_0021,
        ] {
            assert!(find(&seen, leaf, 0).is_none(), "{leaf:#x}");
        }
        assert!(find(&seen, 7, 2).is_none());
    }

    #[test]
    fn what_computes_and_protects_is_kept() {
        let seen = everything();
        let one = find(&seen, 1, 0).unwrap();
        // AES, AVX, RDRAND; SSE2.
        assert_eq!(one.ecx & bits([25, 28, 30]), bits([25, 28, 30]));
        assert_eq!(one.edx & bits([26]), bits([26]));
        let seven = find(&seen, 7, 0).unwrap();
        // FSGSBASE, SMEP, ERMS, AVX-512, RDSEED, SMAP, SHA; UMIP.
        assert_eq!(seven.ebx & 0x2015_0281, 0x2015_0281);
        assert_eq!((seven.eax, seven.ecx & bits([2])), (1, bits([2])));
        let extended = find(&seen, 0x8000_0001, 0).unwrap();
        // NX, 1 GiB pages, long mode.
        assert_eq!(extended.edx & bits([20, 26, 29]), bits([20, 26, 29]));
        assert!(has_gigabyte_pages(seen.as_slice()));
        assert_eq!(find(&seen, 0x8000_0007, 0).unwrap().edx, bits([8]));
        assert_eq!(find(&seen, 0, 0).unwrap().eax, LAST);
    }

    #[test]
    fn the_size_of_states_is_that_of_those_kept() {
        let leaf = find(&everything(), 0xd, 0).unwrap();
        assert_eq!((leaf.eax, leaf.ecx, leaf.edx), (STATES, 576 + 256, 0));
        assert_eq!(xsave_size(&[]), 576);
    }
}

// SPDX-License-Identifier: ISC
//! The last steps: the tender unmaps itself, the filter closes, the guest begins.
//!
//! No memory of the tender remains, so they are made by a few instructions in the first page of the
//! guest's memory, with their data in low memory beside the boot information:
//!
//! 1. unmap all above the guest's memory: code, heap and stack of the tender, with environment and
//!    arguments, the C library, the vDSO. What the guest never has it cannot leak or call.
//! 2. install the filter; from here on every system call is the guest's.
//! 3. wipe data and registers, and jump to the entry point.
//!
//! Should 1 or 2 fail, the process dies of SIGILL rather than run a guest outside the sandbox.
//!
//! The ABI's state at the entry: `rdi` the boot information, `rsp` 8 below the end of memory. All
//! other registers are zero, vector registers in their initial state, and `fs` has no base.

mod rseq;
mod title;

use std::{
    arch::{asm, global_asm, x86_64::__cpuid},
    slice,
};

use fata_abi::{
    solo5::LOAD_MIN,
    spt::{BOOT_INFO, MEMORY_BASE},
};
use fata_tender::{
    Error,
    elf::PAGE_SIZE,
    seccomp::bpf::{Instruction, MAX_INSTRUCTIONS},
    system,
};
use rustix::mm::MprotectFlags;

use crate::memory::GuestMemory;

/// End of the addresses that a process has, with four levels of page tables.
const TOP: u64 = 0x7fff_ffff_f000;
/// How far around the start of the vDSO its pages, and those of its data, may lie.
const VDSO_WINDOW: u64 = 64 << 10;
const AUXV_VDSO: usize = 33;
/// Legacy area and header of `XRSTOR`'s memory.
const XSAVE_SIZE: u64 = 576;
const MXCSR: usize = 24;
const MXCSR_INITIAL: u32 = 0x1f80;
const ARCH_SET_FS: u32 = 0x1002;
const ARCH_SHSTK_DISABLE: usize = 0x5002;
const SHSTK: usize = 1;

/// Data of the last steps, as words; each constant is the index of one.
const UNMAP_START: usize = 0;
const UNMAP_END: usize = 1;
const WINDOW_START: usize = 2;
const WINDOW_END: usize = 3;
/// Linux's `struct sock_fprog`: number of instructions, address.
const PROGRAM: usize = 4;
const WIPE_START: usize = 6;
const WIPE_SIZE: usize = 7;
const BOOT: usize = 8;
const STACK: usize = 9;
const HAS_XSAVE: usize = 10;
const WORDS: usize = 11;

/// Proof that all is in place for [`depart`].
pub(crate) struct Departure {
    data: u64,
}

global_asm!(
    ".pushsection .rodata.fata_spt_depart, \"a\", @progbits",
    // Whichever part of the crate is compiled with this one or apart from it refers to these.
    ".globl fata_spt_depart_start, fata_spt_depart_end",
    ".hidden fata_spt_depart_start, fata_spt_depart_end",
    "fata_spt_depart_start:",
    "    mov rbx, rdi",
    "    mov rsp, [rbx + {stack}]",
    "    mov eax, {arch_prctl}",
    "    mov edi, {set_fs}",
    "    xor esi, esi",
    "    syscall",
    // The tender goes.
    "    mov rdi, [rbx + {unmap_start}]",
    "    mov rsi, [rbx + {unmap_end}]",
    "    sub rsi, rdi",
    "    mov eax, {munmap}",
    "    syscall",
    "    test rax, rax",
    "    jz 3f",
    // The kernel has sealed its vDSO: go round it, page by page where it may be.
    "    mov rdi, [rbx + {unmap_start}]",
    "    mov rsi, [rbx + {window_start}]",
    "    sub rsi, rdi",
    "    mov eax, {munmap}",
    "    syscall",
    "    test rax, rax",
    "    jnz 9f",
    "    mov r12, [rbx + {window_start}]",
    "2:  mov rdi, r12",
    "    mov esi, 4096",
    "    mov eax, {munmap}",
    "    syscall",
    "    add r12, 4096",
    "    cmp r12, [rbx + {window_end}]",
    "    jb 2b",
    "    mov rdi, r12",
    "    mov rsi, [rbx + {unmap_end}]",
    "    sub rsi, rdi",
    "    mov eax, {munmap}",
    "    syscall",
    "    test rax, rax",
    "    jnz 9f",
    // The filter closes.
    "3:  mov eax, {seccomp}",
    "    mov edi, 1", // SECCOMP_SET_MODE_FILTER
    "    xor esi, esi",
    "    lea rdx, [rbx + {program}]",
    "    syscall",
    "    test rax, rax",
    "    jnz 9f",
    // Nothing is left behind.
    "    cmp qword ptr [rbx + {has_xsave}], 0",
    "    je 4f",
    "    mov rdi, [rbx + {wipe_start}]",
    "    mov eax, -1",
    "    mov edx, -1",
    "    xrstor64 [rdi]",
    "4:  mov r8, [rbx + {boot}]",
    "    mov rdi, [rbx + {wipe_start}]",
    "    mov rcx, [rbx + {wipe_size}]",
    "    xor eax, eax",
    "    cld",
    "    rep stosb",
    "    mov rdi, r8",
    "    xor ebx, ebx",
    "    xor edx, edx",
    "    xor esi, esi",
    "    xor ebp, ebp",
    "    xor r8d, r8d",
    "    xor r9d, r9d",
    "    xor r10d, r10d",
    "    xor r11d, r11d",
    "    xor r12d, r12d",
    "    xor r13d, r13d",
    "    xor r14d, r14d",
    "    xor r15d, r15d",
    "    jmp [rip + 5f]",
    "9:  ud2",
    "    .balign 8",
    "5:  .quad 0", // The entry point, the last word.
    "fata_spt_depart_end:",
    ".popsection",
    stack = const 8 * STACK,
    unmap_start = const 8 * UNMAP_START,
    unmap_end = const 8 * UNMAP_END,
    window_start = const 8 * WINDOW_START,
    window_end = const 8 * WINDOW_END,
    program = const 8 * PROGRAM,
    wipe_start = const 8 * WIPE_START,
    wipe_size = const 8 * WIPE_SIZE,
    boot = const 8 * BOOT,
    has_xsave = const 8 * HAS_XSAVE,
    arch_prctl = const libc::SYS_arch_prctl,
    set_fs = const ARCH_SET_FS,
    munmap = const libc::SYS_munmap,
    seccomp = const libc::SYS_seccomp,
);

unsafe extern "C" {
    static fata_spt_depart_start: u8;
    static fata_spt_depart_end: u8;
    /// The C library's; `std` is linked with one on every Linux target.
    safe fn getauxval(kind: usize) -> usize;
}

/// Where the address of the entry point stands when the filter has closed.
pub(crate) fn entry_slot() -> u64 {
    MEMORY_BASE + code().len() as u64 - 8
}

/// Puts the last steps in place: their code in the first page, their data from `free` on, the first
/// address that the boot information does not use.
pub(crate) fn prepare(
    memory: &mut GuestMemory,
    filter: &[Instruction],
    entry: u64,
    free: u64,
) -> Result<Departure, Error> {
    let free = title::keep(memory, free);
    let area = free.next_multiple_of(64);
    let data = area + XSAVE_SIZE;
    let program = data + 8 * WORDS as u64;
    let end = program + 8 * filter.len() as u64;
    let vdso = getauxval(AUXV_VDSO) as u64;
    let mut words = [0; WORDS];
    words[UNMAP_START] = memory.end();
    words[UNMAP_END] = TOP;
    words[WINDOW_START] = vdso.saturating_sub(VDSO_WINDOW).max(memory.end());
    words[WINDOW_END] = vdso + VDSO_WINDOW;
    words[PROGRAM] = filter.len() as u64;
    words[PROGRAM + 1] = program;
    words[WIPE_START] = area;
    words[WIPE_SIZE] = end - area;
    words[BOOT] = BOOT_INFO;
    words[STACK] = memory.end() - 8;
    words[HAS_XSAVE] = has_xsave().into();
    let mut bytes = vec![0; XSAVE_SIZE as usize];
    bytes[MXCSR..MXCSR + 4].copy_from_slice(&MXCSR_INITIAL.to_le_bytes());
    bytes.extend(words.into_iter().flat_map(u64::to_le_bytes));
    bytes.extend(filter.iter().flat_map(|i| encode(*i)));
    let low_memory = "low memory has room for boot information and filter";
    memory
        .bytes(area, bytes.len() as u64)
        .expect(low_memory)
        .copy_from_slice(&bytes);

    let mut code = code().to_vec();
    let slot = code.len() - 8;
    code[slot..].copy_from_slice(&entry.to_le_bytes());
    memory
        .bytes(MEMORY_BASE, code.len() as u64)
        .expect(low_memory)
        .copy_from_slice(&code);
    memory.set_rights(
        MEMORY_BASE,
        PAGE_SIZE,
        MprotectFlags::READ | MprotectFlags::EXEC,
    )?;
    // Nothing else is in low memory: a stray pointer into the rest of it shall fault.
    let rest = end.next_multiple_of(PAGE_SIZE);
    memory.set_rights(rest, LOAD_MIN - rest, MprotectFlags::empty())?;
    rseq::leave()?;
    leave_shadow_stack();
    Ok(Departure { data })
}

/// Becomes the guest. The sandbox must be entered, all but the filter.
pub(crate) fn depart(departure: Departure) -> ! {
    // JUSTIFICATION: running the guest is what this program is for.
    // SAFETY: 1. `prepare` put code at this address, readable and executable, and its data at the
    // other. 2. That code uses nothing of this process but those, and never returns.
    unsafe {
        asm!(
            "jmp rax",
            in("rax") MEMORY_BASE,
            in("rdi") departure.data,
            options(noreturn),
        );
    }
}

/// The code of the last steps; its last word is the place for the entry point.
fn code() -> &'static [u8] {
    let start = &raw const fata_spt_depart_start;
    let end = &raw const fata_spt_depart_end;
    // SAFETY: the symbols enclose the bytes that are assembled above, which nothing changes.
    unsafe { slice::from_raw_parts(start, end.addr() - start.addr()) }
}

/// The instruction as the kernel reads it.
fn encode(Instruction { code, jt, jf, k }: Instruction) -> [u8; 8] {
    let [a, b] = code.to_le_bytes();
    let [w, x, y, z] = k.to_le_bytes();
    [a, b, jt, jf, w, x, y, z]
}

/// Whether `XRSTOR` exists and is enabled. One `CPUID`, which takes long in a virtual machine, where
/// the standard library's detection of all features takes twenty.
fn has_xsave() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    __cpuid(1).ecx & OSXSAVE != 0
}

/// A shadow stack lies in memory that goes; a guest may bring none. Most processes have none.
fn leave_shadow_stack() {
    // SAFETY: without shadow stack, calls and returns work as they do with one. The kernel refuses
    // where there is none.
    let _ = unsafe { system::call(libc::SYS_arch_prctl, [ARCH_SHSTK_DISABLE, SHSTK, 0, 0, 0]) };
}

// The largest manifest, command line, title and filter fit between boot information and image.
const _: () = {
    let most = 8192 + fata_abi::solo5::COMMAND_LINE_SIZE + title::MAX_SIZE + 8 * MAX_INSTRUCTIONS;
    assert!(BOOT_INFO + most as u64 + 3 * PAGE_SIZE < LOAD_MIN);
};

// SPDX-License-Identifier: ISC
//! What a guest can do with its CPU, each in a way that no honest guest has a use for.

use core::arch::asm;

use fata::prelude::*;

use crate::{
    calls::{PUTS, Request, make},
    machine::{load, out, peek, poke, seize, store},
    places::{call, data, digest, end, outlived, place},
};

/// An address where there is no memory, which page tables lead to all the same.
const NOTHING: u64 = 0x4000_0000;
/// The page of the instructions that the tender has run first.
const PROBE: u64 = 0x1_f000;
const HLT: u8 = 0xf4;
const NO_TEXT: Request = Request {
    handle: 0,
    offset: 0,
    data: 0,
    len: 0,
};

/// Runs instructions that no program has.
macro_rules! run {
    ($($what:tt)*) => {
        // SAFETY: none of these touches memory of the image, and the image is at its end.
        unsafe { asm!($($what)*, options(nostack)) }
    };
}

/// Makes the attack with this name. Most do not return.
pub(crate) fn attack(name: &str) {
    seize();
    match name {
        "console-flood" => flood(),
        "spin" => spin(),
        "probe" => probe(),
        "unheeded" => unheeded(),
        _ => {
            instruction(name);
            println!("REACHED");
        }
    }
}

/// Writes as much as it can as fast as it can, for ever.
fn flood() -> ! {
    let len = end() - data();
    loop {
        let request = Request {
            handle: 0,
            offset: 0,
            data: data(),
            len,
        };
        make(PUTS, call(), request);
    }
}

/// Never yields again.
fn spin() -> ! {
    println!("SPINNING");
    // SAFETY: there are no interrupts to miss.
    unsafe { asm!("cli", "2: jmp 2b", options(noreturn)) };
}

/// Would have the tender believe that its own first instructions fail, which it has got beyond as the
/// tender knows.
fn probe() {
    make(PUTS, call(), NO_TEXT);
    let halts = (PROBE..PROBE + 4096).find(|&at| peek(at) == HLT);
    jump(halts.expect("an instruction that halts"));
}

/// Asks for what the CPU takes and nothing comes of.
fn unheeded() -> ! {
    let before = digest();
    // Where the controller of interrupts is, were there one.
    write_register(0x1b, NOTHING | 1 << 11);
    run!("mov cr8, {}", in(reg) 15_u64);
    for _ in 0..100 {
        make(PUTS, call(), NO_TEXT);
    }
    assert_eq!(digest(), before, "read-only memory has changed");
    outlived(2)
}

fn instruction(name: &str) {
    match name {
        "port-in" => input(0x502),
        "port-8" => out8(0x502),
        "port-16" => out16(0x502),
        "port-none" => out(0x500 + 40, call() as u32),
        "port-zero" => out(0x500, call() as u32),
        "port-reset" => out8(0xcf9),
        "port-string" => strings(0x502),
        "kick-none" => out(0x600, 7),
        "kick-8" => out8(0x600),
        "kick-string" => strings(0x600),
        "nothing-read" => drop(peek(NOTHING)),
        "nothing-write" => poke(NOTHING, 1),
        "nothing-execute" => jump(NOTHING),
        "apic" => drop(load(0xfee0_0020)),
        "hole-read" => drop(peek(place("hole"))),
        "hole-write" => poke(place("hole"), 1),
        "text-write" => poke(place("text"), 0xcc),
        "rodata-write" => poke(place("rodata"), 0xcc),
        "end-write" => store(end() - 4, u64::MAX),
        "root-nowhere" => root(NOTHING),
        "register" => write_register(0xdead, u64::MAX),
        "register-svm" => write_register(0xc000_0080, 1 << 12 | 1 << 11 | 1 << 10 | 1 << 8),
        _ => more(name),
    }
}

fn more(name: &str) {
    match name {
        "halt" => run!("cli", "hlt"),
        "reserved-bits" => run!("mov cr4, {}", in(reg) u64::MAX),
        "no-paging" => run!("mov cr0, {}", in(reg) 1_u64),
        "triple-fault" => {
            let none = [0_u8; 10];
            run!("lidt [{}]", "ud2", in(reg) none.as_ptr());
        }
        // Where the hypervisor would write, on the way in: the time at its start, the time, what it
        // took of it.
        "register-clock" => write_register(0x4b56_4d00, place("text") | 1),
        "register-time" => write_register(0x4b56_4d01, place("text") | 1),
        "register-steal" => write_register(0x4b56_4d03, place("text") | 1),
        "nested" => run!("vmrun", in("rax") data()),
        other => println!("no attack is called `{other}`"),
    }
}

fn input(port: u16) {
    // SAFETY: nothing is believed of what comes.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") _, options(nostack)) };
}

fn out8(port: u16) {
    // SAFETY: as in `machine::out`.
    unsafe { asm!("out dx, al", in("dx") port, in("al") 0xff_u8, options(nostack)) };
}

fn out16(port: u16) {
    // SAFETY: as in `machine::out`.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") 0xffff_u16, options(nostack)) };
}

/// Writes words of memory to a port, which are no addresses.
fn strings(port: u16) {
    let at = data();
    for n in 0..512 {
        store(at + 8 * n, u64::MAX);
    }
    // SAFETY: as in `machine::out`.
    unsafe {
        asm!("rep outsd", in("dx") port, inout("rcx") 1024_u64 => _, inout("rsi") at => _,
            options(nostack));
    }
}

fn root(table: u64) {
    // SAFETY: nothing runs after it.
    unsafe { asm!("mov cr3, {}", in(reg) table, options(nostack)) };
}

fn write_register(register: u32, value: u64) {
    // SAFETY: none of those that are written has to do with memory that the image uses.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") value >> 32,
            options(nostack));
    }
}

fn jump(address: u64) {
    // SAFETY: that this goes wrong is the attack.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) };
}

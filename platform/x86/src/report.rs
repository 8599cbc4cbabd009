// SPDX-License-Identifier: ISC
//! The report of an exception: what happened, the registers, and who called.
//!
//! It is written without the formatting of `core`, which would be a larger part of a small image than
//! all else here. The last line is that of a panic, so that the tool puts names to its addresses.

use core::ops::Range;

use crate::{cpu, exception::TrapFrame};

/// Return addresses printed at most.
const DEPTH: usize = 48;
/// Bytes below the stack that are taken for its guard.
const GUARD: usize = 4096;
const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;

/// Names of the exceptions, by vector.
const NAMES: &str = "\
#DE divide error
#DB debug
NMI non-maskable interrupt
#BP breakpoint
#OF overflow
#BR bound range exceeded
#UD invalid opcode
#NM device not available
#DF double fault
coprocessor segment overrun
#TS invalid TSS
#NP segment not present
#SS stack segment fault
#GP general protection fault
#PF page fault
reserved
#MF x87 floating-point error
#AC alignment check
#MC machine check
#XM SIMD floating-point error
#VE virtualization exception
#CP control protection exception
reserved
reserved
reserved
reserved
reserved
reserved
#HV hypervisor injection exception
#VC VMM communication exception
#SX security exception
reserved";

/// Names of what is printed first, and of [`TrapFrame::registers`], three bytes each.
const REGISTERS: [&str; 2] = [
    "riprspflgcr2cr3err",
    "raxrbxrcxrdxrsirdirbpr8 r9 r10r11r12r13r14r15",
];

/// Writes everything that is known of an exception. `stack` is readable memory.
pub(crate) fn full(frame: &TrapFrame, stack: &Range<usize>, write: fn(&[u8])) {
    // SAFETY: an exception is handled at the highest privilege.
    let cr3 = unsafe { cpu::cr3() };
    summary(frame, "exception", write);
    overflow(frame, stack, write);
    registers(frame, cr3, write);
    // SAFETY: so says the platform.
    unsafe { backtrace(frame, stack, write) };
}

/// Writes one line: `what`, and which exception it is.
pub(crate) fn summary(frame: &TrapFrame, what: &str, write: fn(&[u8])) {
    let mut text = Text::new(write);
    text.push(what);
    text.push(": ");
    let mut names = NAMES.as_bytes().split(|byte| *byte == b'\n');
    text.push_bytes(names.nth(frame.vector as usize).unwrap_or_default());
    if frame.vector == PAGE_FAULT {
        page_fault(frame, &mut text);
    } else if frame.vector == GENERAL_PROTECTION && frame.error & 2 != 0 {
        // The selector of the error code is the number of a gate that is none.
        text.push(", there is no gate for interrupt ");
        text.push_hex(frame.error >> 3);
    } else if frame.error != 0 {
        text.push(", error code ");
        text.push_hex(frame.error);
    }
    text.push(", at ");
    text.push_hex(frame.rip);
    text.push("\n");
}

/// What the error code of a page fault says (SDM volume 3, section 4.7).
fn page_fault(frame: &TrapFrame, text: &mut Text) {
    let has = |bit: u64| frame.error & bit != 0;
    text.push(if has(16) {
        ", executing "
    } else if has(2) {
        ", writing to "
    } else {
        ", reading from "
    });
    text.push_hex(frame.cr2);
    text.push(if has(8) {
        ", whose page table is malformed"
    } else if has(1) {
        ", which is not allowed there"
    } else {
        ", where there is no memory"
    });
}

/// Says so where the page below the stack was touched, which is how a stack overflows.
fn overflow(frame: &TrapFrame, stack: &Range<usize>, write: fn(&[u8])) {
    let below = (stack.start as u64).wrapping_sub(frame.cr2);
    if frame.vector == PAGE_FAULT && below != 0 && below <= GUARD as u64 {
        write(b"hint: the stack is used up; `--stack-size` gives more\n");
    }
}

fn registers(frame: &TrapFrame, cr3: u64, write: fn(&[u8])) {
    let special = [
        frame.rip,
        frame.rsp,
        frame.rflags,
        frame.cr2,
        cr3,
        frame.error,
    ];
    for (part, values) in [&special[..], &frame.registers].into_iter().enumerate() {
        let names = REGISTERS[part].as_bytes();
        let mut text = Text::new(write);
        for (index, (value, name)) in values.iter().zip(names.chunks_exact(3)).enumerate() {
            text.push_bytes(name);
            text.push(" ");
            text.push_digits(*value, 16);
            text.push(if index % 3 == 2 { "\n" } else { "  " });
        }
    }
}

/// Writes the address of the instruction and the return addresses, innermost first.
///
/// Whatever the words on the stack are, it reads nothing but the stack, and comes to an end.
///
/// # Safety
///
/// `stack` is readable memory.
unsafe fn backtrace(frame: &TrapFrame, stack: &Range<usize>, write: fn(&[u8])) {
    let mut text = Text::new(write);
    text.push("backtrace: ");
    // The reader takes one off each, because a return address lies behind the call.
    text.push_hex(frame.rip.wrapping_add(1));
    // Nothing was executed at the end of a call that led astray: who called is still on the stack.
    let top = frame.rsp as usize;
    if frame.vector == PAGE_FAULT && frame.rip == frame.cr2 && holds(stack, top, 8) {
        // SAFETY: the word lies on the stack, as was just checked, and is aligned.
        let caller = unsafe { (top as *const u64).read_volatile() };
        text.push(" ");
        text.push_hex(caller);
    }
    let mut pointer = frame.rbp() as usize;
    for _ in 0..DEPTH {
        // A frame begins with the saved frame pointer and the return address.
        if !holds(stack, pointer, 16) {
            break;
        }
        // SAFETY: both words lie on the stack, as was just checked, and are aligned. They are read
        // as if they could change, since nothing is known of who uses them.
        let [next, address] = unsafe { (pointer as *const [u64; 2]).read_volatile() };
        if address == 0 {
            break;
        }
        text.push(" ");
        text.push_hex(address);
        // The stack grows down, so callers lie above; anything else would not end.
        if next as usize <= pointer {
            break;
        }
        pointer = next as usize;
    }
    text.push("\n");
}

/// Whether `len` bytes from `address`, which is to be aligned, lie on the stack.
fn holds(stack: &Range<usize>, address: usize, len: usize) -> bool {
    address.is_multiple_of(8) && address >= stack.start && address <= stack.end.saturating_sub(len)
}

/// Collects text, and writes a piece when there is one, at the latest when it is dropped.
struct Text {
    write: fn(&[u8]),
    len: usize,
    buffer: [u8; Self::SIZE],
}

impl Text {
    const SIZE: usize = 256;

    const fn new(write: fn(&[u8])) -> Self {
        Self {
            write,
            len: 0,
            buffer: [0; Self::SIZE],
        }
    }

    fn push(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    #[inline(never)]
    fn push_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push_byte(*byte);
        }
    }

    fn push_hex(&mut self, value: u64) {
        let digits = (u64::BITS - value.leading_zeros()).div_ceil(4).max(1);
        self.push_digits(value, digits);
    }

    #[inline(never)]
    fn push_digits(&mut self, value: u64, digits: u32) {
        self.push("0x");
        for digit in (0..digits).rev() {
            self.push_byte(b"0123456789abcdef"[(value >> (4 * digit)) as usize & 15]);
        }
    }

    #[inline(never)]
    fn push_byte(&mut self, byte: u8) {
        self.buffer[self.len] = byte;
        self.len += 1;
        if self.len == Self::SIZE {
            self.flush();
        }
    }

    fn flush(&mut self) {
        (self.write)(&self.buffer[..self.len]);
        self.len = 0;
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if self.len != 0 {
            self.flush();
        }
    }
}

#[cfg(test)]
mod tests;

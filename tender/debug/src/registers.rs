// SPDX-License-Identifier: ISC
//! The registers of an x86-64 processor, and the orders in which Linux has them.

/// Bytes of `FXSAVE`'s memory: x87 and SSE registers (Intel SDM volume 1, 10.5.1).
pub const FX_SIZE: usize = 512;

/// The registers that a debugger shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 to r15: gdb's order.
    pub general: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// Flags.
    pub rflags: u64,
    /// cs, ss, ds, es, fs, gs: gdb's order.
    pub segments: [u16; 6],
    /// Where segment fs begins.
    pub fs_base: u64,
    /// Where segment gs begins.
    pub gs_base: u64,
    /// x87 and SSE registers as `FXSAVE` stores them.
    pub fx: [u8; FX_SIZE],
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            general: [0; 16],
            rip: 0,
            rflags: 0,
            segments: [0; 6],
            fs_base: 0,
            gs_base: 0,
            fx: [0; FX_SIZE],
        }
    }
}

/// Words of Linux's `struct user_regs_struct`.
pub const USER_WORDS: usize = 27;
const ORIG_RAX: usize = 15;
const RIP: usize = 16;
const FLAGS: usize = 18;
const FS_BASE: usize = 21;
const GS_BASE: usize = 22;
/// Where each of [`Registers::general`] stands among them.
const GENERAL: [usize; 16] = [10, 5, 11, 12, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0];
/// The same for [`Registers::segments`].
const SEGMENTS: [usize; 6] = [17, 20, 23, 24, 25, 26];

impl Registers {
    /// Which word of Linux's is the instruction pointer.
    pub const USER_RIP: usize = RIP;
    /// Which word of Linux's is the number of the system call, within one.
    pub const USER_CALL: usize = ORIG_RAX;

    /// Bytes of what an image keeps of the registers at an exception.
    pub const TRAP_FRAME_SIZE: usize = 8 * 23;
    /// Where in it the address lies that the image halts with, as Solo5 has it.
    pub const TRAP_FRAME_COOKIE: u64 = 8 * 16;

    /// Changes them to what they were at an exception: rax to rbp in gdb's order, r8 to r15 and the
    /// vector lie below the cookie; cr2, error, rip, cs, rflags, rsp and ss from there on. An image of
    /// Solo5 has the same above and its own order below.
    pub(crate) fn apply_trap_frame(&mut self, frame: &[u8; Self::TRAP_FRAME_SIZE]) {
        let word = |at: usize| {
            let word: &[u8; 8] = &frame.as_chunks().0[at];
            u64::from_le_bytes(*word)
        };
        for at in 0..15 {
            // The stack pointer is not among them.
            self.general[if at < 7 { at } else { at + 1 }] = word(at);
        }
        self.rip = word(18);
        self.segments[..2].copy_from_slice(&[word(19) as u16, word(22) as u16]);
        self.rflags = word(20);
        self.general[7] = word(21);
    }

    /// From what ptrace gets, and `FXSAVE`'s memory.
    pub fn from_user(words: &[u64; USER_WORDS], fx: [u8; FX_SIZE]) -> Self {
        Self {
            general: GENERAL.map(|at| words[at]),
            rip: words[RIP],
            rflags: words[FLAGS],
            segments: SEGMENTS.map(|at| words[at] as u16),
            fs_base: words[FS_BASE],
            gs_base: words[GS_BASE],
            fx,
        }
    }

    /// As ptrace and core files have them; not within a system call.
    pub fn to_user(&self) -> [u64; USER_WORDS] {
        let mut words = [0; USER_WORDS];
        for (at, value) in GENERAL.into_iter().zip(self.general) {
            words[at] = value;
        }
        for (at, value) in SEGMENTS.into_iter().zip(self.segments) {
            words[at] = value.into();
        }
        words[ORIG_RAX] = u64::MAX;
        words[RIP] = self.rip;
        words[FLAGS] = self.rflags;
        words[FS_BASE] = self.fs_base;
        words[GS_BASE] = self.gs_base;
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trap_frame_leaves_what_it_does_not_hold() {
        let frame: Vec<u8> = (100..123u64).flat_map(u64::to_le_bytes).collect();
        let mut registers = Registers {
            fs_base: 5,
            segments: [1, 2, 3, 4, 5, 6],
            ..Registers::default()
        };
        registers.apply_trap_frame(&frame.try_into().unwrap());
        let general = [
            100, 101, 102, 103, 104, 105, 106, 121, 107, 108, 109, 110, 111, 112, 113, 114,
        ];
        assert_eq!(registers.general, general);
        assert_eq!((registers.rip, registers.rflags), (118, 120));
        assert_eq!(registers.segments, [119, 122, 3, 4, 5, 6]);
        assert_eq!(registers.fs_base, 5);
    }

    #[test]
    fn there_and_back() {
        let mut words: [u64; USER_WORDS] = std::array::from_fn(|at| at as u64 + 1);
        words[ORIG_RAX] = u64::MAX;
        let registers = Registers::from_user(&words, [7; FX_SIZE]);
        assert_eq!(registers.to_user(), words);
        assert_eq!(registers.general[7], 20, "rsp is word 19");
        assert_eq!(registers.general[15], 1, "r15 is the first");
    }
}

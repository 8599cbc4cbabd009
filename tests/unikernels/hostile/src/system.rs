// SPDX-License-Identifier: ISC
//! The same intent on spt, where the host's own system calls are all that an image has.

use core::arch::asm;

use fata::prelude::*;

use crate::Args;

const WRITE: u64 = 1;
const EXIT_GROUP: u64 = 231;
const FAULT: i64 = -14;

fn call(number: u64, arguments: [u64; 3]) -> i64 {
    let [a, b, c] = arguments;
    let result: i64;
    // SAFETY: the attacks lead the kernel to no memory that the image uses.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") 0_u64, in("r8") 0_u64, in("r9") 0_u64,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// One call, which should kill the image: `--handle`, `--offset` and `--len` are its arguments.
pub(crate) fn attack(args: &Args) {
    let result = call(args.number, [args.handle, args.offset, args.len]);
    println!("REACHED: {result}");
}

/// Calls that are allowed, with memory that there is not.
pub(crate) fn attacks() -> ! {
    let mut count = 0;
    for at in [0, 0x1000, 1 << 46, u64::MAX - 255, 1 << 63] {
        assert_eq!(call(WRITE, [1, at, 256]), FAULT, "at {at:#x}");
        count += 1;
    }
    println!("{count} attacks");
    println!("SUCCESS");
    loop {
        call(EXIT_GROUP, [0; 3]);
    }
}

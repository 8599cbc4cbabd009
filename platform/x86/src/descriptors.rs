// SPDX-License-Identifier: ISC
//! The tables that the CPU wants before it can take an exception: segments, a task state with
//! stacks, and gates.
//!
//! 64-bit mode has little use for segments, so there are two. Exceptions run on stacks of their own
//! (IST), since the one in use may be what is broken; a double fault and an NMI, which come while
//! another exception may be on the first, have the second. Interrupts are disabled, and should one
//! come nevertheless it finds no gate, which is a general protection fault whose error code names it.
//!
//! Read first: Intel SDM volume 3, sections 3.4.5 (segments), 6.14 (64-bit exceptions), 7.7 (task
//! state).

use core::cell::UnsafeCell;

use crate::{
    cpu::{self, Table},
    exception::{self, DOUBLE_FAULT, NMI, VECTORS},
};

const CODE: u16 = 0x08;
const DATA: u16 = 0x10;
const TASK: u16 = 0x18;
/// Present, code, readable, accessed; 64 bits.
const CODE_DESCRIPTOR: u64 = 0x00af_9b00_0000_ffff;
/// Present, data, writable, accessed.
const DATA_DESCRIPTOR: u64 = 0x00cf_9300_0000_ffff;
/// Present, interrupt gate.
const GATE: u64 = 0x8e;
/// Present, task state that is not in use.
const TASK_DESCRIPTOR: u64 = 0x89;
/// Bytes of a stack for exceptions, more than the report of one takes in an image built for
/// debugging.
const STACK: usize = 8192;

/// All tables.
#[repr(C, align(16))]
struct Descriptors {
    gates: [[u64; 2]; VECTORS],
    segments: [u64; 5],
    task: TaskState,
}

/// The CPU's task state, in words of 4 bytes as it is not aligned to 8.
#[repr(C, align(8))]
struct TaskState([u32; 26]);

/// Where the stacks of IST begin in it.
const IST: usize = 9;
/// Where the map of ports begins: behind its end, there is none.
const PORTS: usize = 25;

impl TaskState {
    /// With these ends of stacks.
    fn set(&mut self, stacks: [u64; 2]) {
        for (index, stack) in stacks.into_iter().enumerate() {
            self.0[IST + 2 * index] = stack as u32;
            self.0[IST + 2 * index + 1] = (stack >> 32) as u32;
        }
        self.0[PORTS] = (size_of::<Self>() as u32) << 16;
    }
}

/// [`Descriptors`] in a static, all zero until they are used.
struct Place(UnsafeCell<Descriptors>);

// SAFETY: `load` alone refers to it, once; from then on it is the CPU's.
unsafe impl Sync for Place {}

static PLACE: Place = Place(UnsafeCell::new(Descriptors {
    gates: [[0; 2]; VECTORS],
    segments: [0; 5],
    task: TaskState([0; 26]),
}));

/// The stacks of IST.
#[repr(C, align(16))]
struct Stacks(UnsafeCell<[[u8; STACK]; 2]>);

// SAFETY: nothing refers to them; an exception finds them by the task state.
unsafe impl Sync for Stacks {}

/// Behind all that an image without an exception touches.
#[unsafe(link_section = ".bss.stacks")]
static STACKS: Stacks = Stacks(UnsafeCell::new([[0; STACK]; 2]));

/// Fills in the tables and loads them.
///
/// # Safety
///
/// The CPU is in 64-bit mode at its highest privilege with interrupts disabled, and memory is mapped
/// at its own address. Called once.
pub(crate) unsafe fn load() {
    // SAFETY: called once, and nobody else refers to it.
    let tables = unsafe { &mut *PLACE.0.get() };
    // The CPU reads and writes what these addresses lead to, hence they are exposed.
    let address = STACKS.0.get().expose_provenance() as u64;
    tables
        .task
        .set([address + STACK as u64, address + 2 * STACK as u64]);
    let task = (&raw mut tables.task).expose_provenance() as u64;
    tables.segments = segments(task);
    for (vector, gate) in tables.gates.iter_mut().enumerate() {
        let stack = if vector == DOUBLE_FAULT || vector == NMI {
            2
        } else {
            1
        };
        *gate = self::gate(exception::entry(vector) as u64, stack);
    }
    let gdt = Table {
        limit: (size_of_val(&tables.segments) - 1) as u16,
        base: (&raw mut tables.segments).expose_provenance() as u64,
    };
    let idt = Table {
        limit: (size_of_val(&tables.gates) - 1) as u16,
        base: (&raw const tables.gates).expose_provenance() as u64,
    };
    // SAFETY: the caller's promise, and the tables, just filled in, are static.
    unsafe { cpu::load_descriptors(&gdt, &idt, CODE, DATA, TASK) };
}

/// Nothing, code, data, and the task state at `task`, which takes two.
fn segments(task: u64) -> [u64; 5] {
    let limit = size_of::<TaskState>() as u64 - 1;
    let low = limit | (task & 0xff_ffff) << 16 | TASK_DESCRIPTOR << 40 | (task >> 24 & 0xff) << 56;
    [0, CODE_DESCRIPTOR, DATA_DESCRIPTOR, low, task >> 32]
}

/// A gate to `entry`, on a stack of IST.
fn gate(entry: u64, stack: u64) -> [u64; 2] {
    let low = entry & 0xffff | u64::from(CODE) << 16 | stack << 32 | GATE << 40;
    [low | (entry >> 16 & 0xffff) << 48, entry >> 32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_state_is_as_long_as_the_manual_says() {
        assert_eq!(size_of::<TaskState>(), 104);
        let mut task = TaskState([0; 26]);
        task.set([0x1_0000_2000, 0x3000]);
        // IST1 at 36, IST2 at 44, the map of ports at 102.
        assert_eq!(task.0[9..13], [0x2000, 1, 0x3000, 0]);
        assert_eq!(task.0[25] >> 16, 104);
    }

    #[test]
    fn addresses_are_spread_as_the_manual_says() {
        let [.., low, high] = segments(0x1122_3344_5566_7788);
        assert_eq!(low, 0x5500_8966_7788_0067);
        assert_eq!(high, 0x1122_3344);
        assert_eq!(
            gate(0x1122_3344_5566_7788, 2),
            [0x5566_8e02_0008_7788, 0x1122_3344]
        );
    }
}

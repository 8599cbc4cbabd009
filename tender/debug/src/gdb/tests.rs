// SPDX-License-Identifier: ISC
//! The server, with a guest that is an array, and a debugger that is whatever sends bytes.

use std::{
    io::{Read, Write},
    os::fd::BorrowedFd,
    thread,
};

use super::*;
use crate::{
    Registers, Stop,
    watch::{Point, SLOTS},
};

/// Runs one byte an instruction: `int3`, or on to the next.
struct Toy {
    memory: Vec<u8>,
    registers: Registers,
    stop: Stop,
}

impl Toy {
    fn new() -> Self {
        Self {
            memory: vec![0x90; 64],
            registers: Registers::default(),
            stop: Stop::Interrupt,
        }
    }
}

impl Debuggee for Toy {
    const BREAKPOINT: u8 = 0xcc;

    fn attach(&mut self, _: bool) {}

    fn registers(&mut self) -> io::Result<Registers> {
        Ok(self.registers)
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        self.registers = *registers;
        Ok(())
    }

    fn read(&mut self, address: u64, into: &mut [u8]) -> usize {
        let start = (address as usize).min(self.memory.len());
        let len = into.len().min(self.memory.len() - start);
        into[..len].copy_from_slice(&self.memory[start..start + len]);
        len
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let place = usize::try_from(address).ok();
        let place = place.and_then(|at| self.memory.get_mut(at..at.checked_add(bytes.len())?));
        place
            .ok_or(io::ErrorKind::InvalidInput)?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn watch(&mut self, _: &[Option<Point>; SLOTS]) -> io::Result<()> {
        Ok(())
    }

    fn resume(&mut self, step: bool, _: Option<u8>) -> io::Result<()> {
        loop {
            let at = self.registers.rip;
            self.stop = match self.memory.get(at as usize) {
                None => Stop::Exited(3),
                Some(0xcc) => {
                    self.registers.rip += 1;
                    Stop::Breakpoint(at)
                }
                Some(_) => {
                    self.registers.rip += 1;
                    if !step {
                        continue;
                    }
                    Stop::Step
                }
            };
            return Ok(());
        }
    }

    fn wait(&mut self, _: Option<BorrowedFd<'_>>) -> io::Result<Event> {
        Ok(Event::Stopped(self.stop))
    }

    fn interrupt(&mut self) -> io::Result<Stop> {
        Ok(self.stop)
    }

    fn own_breakpoint(&mut self) -> io::Result<Stop> {
        Ok(Stop::Signal(5))
    }

    fn kill(&mut self) -> io::Result<Stop> {
        Ok(Stop::Killed(9))
    }
}

fn packet(content: &str) -> Vec<u8> {
    let sum = content.bytes().fold(0u8, u8::wrapping_add);
    format!("${content}#{sum:02x}").into_bytes()
}

/// Serves what sends `bytes`, and returns what it was told and what is left of the guest.
fn told(bytes: &[u8]) -> (Outcome, String, Toy) {
    let listener = Listener::open(0).unwrap();
    let address = listener.socket.local_addr().unwrap();
    let mut debugger = TcpStream::connect(address).unwrap();
    debugger.write_all(bytes).unwrap();
    debugger.shutdown(std::net::Shutdown::Write).unwrap();
    let reader = thread::spawn(move || {
        let mut answer = Vec::new();
        // It may be reset, if the server has not read all.
        let _ = debugger.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    let mut toy = Toy::new();
    let outcome = serve(&listener.accept().unwrap(), &mut toy, true).unwrap();
    (outcome, reader.join().unwrap(), toy)
}

fn said(packets: &[&str]) -> (Outcome, String, Toy) {
    told(
        &packets
            .iter()
            .flat_map(|content| packet(content))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn a_breakpoint_stops_is_not_seen_and_goes_with_the_debugger() {
    let (outcome, answer, toy) = said(&["Z0,5,1", "vCont;c", "m4,3"]);
    assert_eq!(outcome, Outcome::Detached);
    assert!(answer.contains("$T05"), "{answer}");
    assert!(
        answer.contains("$909090#"),
        "the guest's own bytes: {answer}"
    );
    assert_eq!(toy.registers.rip, 5);
    assert_eq!(toy.memory, [0x90; 64], "nothing is left in the guest");
}

#[test]
fn what_is_written_over_a_breakpoint_is_there_when_it_goes() {
    let (_, answer, toy) = said(&["Z0,5,1", "M4,3:010203", "vCont;c", "m4,3", "z0,5,1"]);
    assert!(answer.contains("$010203#"), "{answer}");
    assert_eq!(toy.registers.rip, 5, "it still stops");
    assert_eq!(toy.memory[4..7], [1, 2, 3]);
}

#[test]
fn an_int3_of_the_guest_is_behind_it() {
    let (_, answer, toy) = said(&["M7,1:cc", "vCont;c", "vCont;s"]);
    assert!(answer.contains("$S05"), "{answer}");
    assert_eq!(toy.registers.rip, 9, "over it, and one step");
}

#[test]
fn the_end_is_told() {
    let (outcome, answer, _) = said(&["vCont;c"]);
    assert_eq!(outcome, Outcome::Ended(Stop::Exited(3)));
    assert!(answer.contains("$W03#"), "{answer}");
    assert_eq!(said(&["k"]).0, Outcome::Kill);
}

#[test]
fn memory_that_is_not_there_is_an_error_to_gdb_only() {
    let (outcome, answer, _) = said(&["m40,4", "M40,1:00", "Z0,40,1", "mffffffffffffffff,8", "D"]);
    assert_eq!(outcome, Outcome::Detached);
    assert_eq!(answer.matches("$E").count(), 4, "{answer}");
}

#[test]
fn symbols_are_beside_the_image_or_where_the_tool_keeps_them() {
    let name = format!("fata-symbols-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let (dist, kept) = (folder.join("dist"), folder.join(KEPT));
    for folder in [&dist, &kept] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let image = dist.join("x.hvt");
    let found = [None, Some(&kept), Some(&dist)].map(|place| {
        if let Some(place) = place {
            std::fs::write(place.join("x.hvt.debug"), "").unwrap();
        }
        symbols(&image)
    });
    std::fs::remove_dir_all(&folder).unwrap();
    let beside = image.with_file_name("x.hvt.debug");
    assert_eq!(found, [image, kept.join("x.hvt.debug"), beside]);
}

#[test]
fn a_port_that_is_taken() {
    let first = Listener::open(0).unwrap();
    let port = first.socket.local_addr().unwrap().port();
    let message = Listener::open(port).unwrap_err().to_string();
    assert!(message.contains(&format!("port {port}")), "{message}");
    assert!(
        message.contains("\nhint: ") && message.contains("--gdb-port="),
        "{message}"
    );
}

#[test]
fn signals_have_numbers_of_their_own() {
    for number in 1..=15 {
        assert_eq!(signal_from_gdb(signal_to_gdb(number)), Some(number));
    }
    assert_eq!(signal_to_gdb(31), Signal::SIGSYS);
    assert_eq!(signal_to_gdb(7), Signal::SIGBUS);
    assert_eq!(signal_from_gdb(Signal::UNKNOWN), None);
}

/// A debugger is trusted with the guest, not with this process.
#[test]
fn mutated_packets_never_panic() {
    let packets = [
        "?",
        "g",
        "m4,3",
        "M4,3:010203",
        "X4,1:a",
        "Z0,5,1",
        "Z1,6,1",
        "Z2,8,8",
        "z0,5,1",
        "vCont?",
        "vCont;s",
        "p10",
        "P10=0100000000000000",
        "qSupported:multiprocess+",
        "qXfer:features:read:target.xml:0,ffb",
        "Hg0",
        "vCont;c",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..200 {
        let mut bytes = Vec::new();
        for _ in 0..8 {
            let mut content = packets[random(packets.len())].as_bytes().to_vec();
            for _ in 0..random(3) {
                let at = random(content.len());
                content[at] = b"0123456789abcdef,;:-*$#}\xff"[random(25)];
            }
            let sum = content
                .iter()
                .fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            bytes.push(b'$');
            bytes.extend(content);
            bytes.extend(format!("#{sum:02x}").into_bytes());
        }
        told(&bytes);
    }
}

// SPDX-License-Identifier: ISC
//! Linux's hypervisor. Read first: Linux `Documentation/virt/kvm/api.rst`.

mod cpuid;
mod state;

use std::{
    mem::ManuallyDrop,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, RawFd},
};

use fata_tender::Error;
use fata_tender_debug::{
    Registers,
    watch::{Point, SLOTS},
};
use kvm_bindings::{
    KVM_API_VERSION, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, KVM_MAX_CPUID_ENTRIES, kvm_enable_cap,
    kvm_userspace_memory_region,
};
use kvm_ioctls::{IoEventAddress, VcpuExit, VcpuFd, VmFd};
use rustix::io::Errno;
use vmm_sys_util::eventfd::EventFd;

use crate::{
    hypervisor::{Exit, Failure, Hypervisor},
    memory::Memory,
};

const KVM_RUN: u64 = 0xae80;
const KVM_GET_REGS: u64 = 0x8090_ae81;
/// For a debugger: to get and set registers (general, system, vectors), to go through page tables,
/// to stop at debug registers and after an instruction.
const DEBUG: [u64; 9] = [
    KVM_RUN,
    KVM_GET_REGS,
    0x4090_ae82,
    0x8138_ae83,
    0x4138_ae84,
    0x9000_aea4,
    0x5000_aea5,
    0xc018_ae85,
    0x4048_ae9b,
];

/// A virtual machine of KVM.
#[derive(Debug)]
pub struct Kvm {
    vm: VmFd,
    vcpu: VcpuFd,
    gigabyte: bool,
}

impl Kvm {
    /// Opens `/dev/kvm` and makes a virtual machine without memory.
    ///
    /// # Errors
    ///
    /// This machine has no KVM, this user may not use it, or it cannot do what is needed.
    pub fn open() -> Result<Self, Error> {
        let kvm = kvm_ioctls::Kvm::new().map_err(cannot_open)?;
        let version = kvm.get_api_version();
        if version != KVM_API_VERSION as i32 {
            let message = format!("`/dev/kvm` has version {version}, not {KVM_API_VERSION}");
            return Err(Error::new(message).hint(without()));
        }
        let vm = loop {
            match kvm.create_vm() {
                Err(error) if error.errno() == libc::EINTR => {}
                result => break result.map_err(cannot("make a virtual machine"))?,
            }
        };
        let vcpu = vm.create_vcpu(0).map_err(cannot("make a virtual CPU"))?;
        let supported = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES);
        let supported = supported.map_err(cannot("list the features of the CPU"))?;
        let features = cpuid::mask(supported.as_slice());
        let gigabyte = cpuid::has_gigabyte_pages(features.as_slice());
        let mut only_listed = kvm_enable_cap {
            cap: KVM_CAP_ENFORCE_PV_FEATURE_CPUID,
            ..kvm_enable_cap::default()
        };
        only_listed.args[0] = 1;
        // Registers by which a guest has KVM write to its memory are not among them. A kernel before
        // 5.10 has them all the same.
        let _ = vcpu.enable_cap(&only_listed);
        vcpu.set_cpuid2(&features)
            .map_err(cannot("choose the features of the CPU"))?;
        Ok(Self { vm, vcpu, gigabyte })
    }
}

impl Hypervisor for Kvm {
    fn map(&mut self, memory: &'static Memory) -> Result<(), Error> {
        // A second slot would take milliseconds, in which the kernel waits for all readers of the
        // first: so there is one for all, holes too. The host has nothing in those.
        let slot = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: memory.end(),
            userspace_addr: memory.host(0).addr() as u64,
        };
        // SAFETY: the range is memory that `Memory` mapped for the guest, or reserved for nobody, and
        // that stays so, as this one is never dropped.
        unsafe { self.vm.set_user_memory_region(slot) }.map_err(cannot("give the guest its memory"))
    }

    fn tsc_frequency(&self) -> Result<u64, Error> {
        let khz = self.vcpu.get_tsc_khz().unwrap_or(0);
        if khz == 0 {
            let what = "time-stamp counter of this machine is not constant, or of unknown speed";
            return Err(Error::new(format!("the {what}")).hint(without()));
        }
        Ok(u64::from(khz) * 1000)
    }

    fn has_gigabyte_pages(&self) -> bool {
        self.gigabyte
    }

    fn start(&mut self, entry: u64, stack: u64) -> Result<(), Error> {
        let cannot = cannot("set the state of the CPU");
        let fresh = self.vcpu.get_sregs().map_err(&cannot)?;
        let (system, general) = state::initial(entry, stack, fresh);
        self.vcpu.set_sregs(&system).map_err(&cannot)?;
        self.vcpu.set_regs(&general).map_err(&cannot)
    }

    fn kick(&mut self, port: u16, value: u32, event: BorrowedFd<'_>) -> Result<(), Error> {
        // SAFETY: the descriptor is an open eventfd, and remains its owner's: nothing closes it here.
        let event = ManuallyDrop::new(unsafe { EventFd::from_raw_fd(event.as_raw_fd()) });
        self.vm
            .register_ioevent(&event, &IoEventAddress::Pio(port.into()), value)
            .map_err(cannot("connect a port to an eventfd"))
    }

    fn descriptors(&self) -> Vec<RawFd> {
        vec![self.vcpu.as_raw_fd()]
    }

    fn requests(&self) -> &'static [u64] {
        &[KVM_RUN, KVM_GET_REGS]
    }

    fn debug_requests(&self) -> &'static [u64] {
        &DEBUG
    }

    fn run(&mut self) -> Exit {
        let failure = match self.vcpu.run() {
            Ok(VcpuExit::IoOut(port, &[a, b, c, d])) => {
                let value = u32::from_le_bytes([a, b, c, d]);
                return Exit::Out { port, value };
            }
            Ok(VcpuExit::Debug(debug)) => return Exit::Debug(debug.dr6),
            Ok(VcpuExit::Intr) => return Exit::Interrupted,
            Err(error) if [libc::EINTR, libc::EAGAIN].contains(&error.errno()) => {
                return Exit::Interrupted;
            }
            Ok(VcpuExit::IoOut(port, data)) => Failure::Out(port, data.len()),
            Ok(VcpuExit::IoIn(port, data)) => Failure::In(port, data.len()),
            Ok(VcpuExit::MmioRead(address, _)) => Failure::Read(address),
            Ok(VcpuExit::MmioWrite(address, _)) => Failure::Write(address),
            Ok(VcpuExit::MemoryFault { .. }) => Failure::Fault,
            Err(error) if error.errno() == libc::EFAULT => Failure::Fault,
            Err(error) => Failure::Other(-i64::from(error.errno())),
            Ok(VcpuExit::Hlt) => Failure::Halted,
            Ok(VcpuExit::Shutdown) => Failure::TripleFault,
            Ok(VcpuExit::FailEntry(reason, _)) => Failure::Entry(reason),
            Ok(VcpuExit::InternalError) => state::internal_error(self.vcpu.get_kvm_run()),
            Ok(_) => Failure::Other(self.vcpu.get_kvm_run().exit_reason.into()),
        };
        Exit::Failed(failure)
    }

    fn instruction(&self) -> u64 {
        self.vcpu.get_regs().map_or(0, |registers| registers.rip)
    }

    fn registers(&self) -> Result<Registers, Error> {
        let cannot = cannot("read the registers");
        let general = self.vcpu.get_regs().map_err(&cannot)?;
        let system = self.vcpu.get_sregs().map_err(&cannot)?;
        let vectors = self.vcpu.get_xsave().map_err(&cannot)?;
        Ok(state::registers(general, &system, &vectors))
    }

    fn set_registers(&mut self, registers: &Registers) -> Result<(), Error> {
        let cannot = cannot("set the registers");
        let mut system = self.vcpu.get_sregs().map_err(&cannot)?;
        let mut vectors = self.vcpu.get_xsave().map_err(&cannot)?;
        let general = state::change(registers, &mut system, &mut vectors);
        self.vcpu.set_sregs(&system).map_err(&cannot)?;
        // SAFETY: no state that would need more than this structure has was ever enabled.
        unsafe { self.vcpu.set_xsave(&vectors) }.map_err(&cannot)?;
        self.vcpu.set_regs(&general).map_err(&cannot)
    }

    fn translate(&self, address: u64) -> Option<u64> {
        let found = self.vcpu.translate_gva(address).ok()?;
        (found.valid != 0).then_some(found.physical_address)
    }

    fn debug(&mut self, step: bool, points: &[Option<Point>; SLOTS]) -> Result<(), Error> {
        let debug = state::guest_debug(step, points);
        let set = self.vcpu.set_guest_debug(&debug);
        set.map_err(cannot("debug the guest"))
    }
}

/// What leads on for those who cannot use KVM here.
pub(crate) fn without() -> &'static str {
    "the same program runs without KVM as a process: build it with `cargo fata build -t spt` and \
     start it with `fata-spt`, or do both with `cargo fata run -t spt`"
}

fn cannot_open(error: kvm_ioctls::Error) -> Error {
    let errno = Errno::from_raw_os_error(error.errno());
    let message = format!("cannot open `/dev/kvm`: {errno}");
    let way = match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => {
            "this machine has no KVM: load `kvm-intel` or `kvm-amd`, and allow virtualisation in its \
             firmware, or in the machine that it is a guest of"
        }
        Errno::ACCESS | Errno::PERM => {
            "this user may not use KVM: join its group, with `sudo usermod -aG kvm $USER` and a new \
             login"
        }
        _ => "something else may have taken the CPU's virtualisation: look at `dmesg`",
    };
    Error::new(message).hint(format!("{way}; or: {}", without()))
}

/// An error for what KVM could not do.
fn cannot(what: &'static str) -> impl Fn(kvm_ioctls::Error) -> Error {
    move |error| {
        let errno = Errno::from_raw_os_error(error.errno());
        Error::new(format!("KVM cannot {what}: {errno}")).hint(format!(
            "its kernel may be too old, or its KVM an emulation: {}",
            without()
        ))
    }
}

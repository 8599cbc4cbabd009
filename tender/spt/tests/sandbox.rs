// SPDX-License-Identifier: ISC
//! What guests can and cannot do, with the kernel as the judge: system calls, memory, descriptors.

use fata_abi::manifest::{Device, DeviceKind};

mod common;

use common::{Code, DATA, End, MEMORY, SIGSEGV, SIGSYS, Scratch, TEXT, end, end_of, run};

const EPOLL: u64 = 3;
const BLOCK: Device<'static> = Device {
    name: "storage",
    kind: DeviceKind::Block,
};

#[test]
fn the_exit_status_is_the_guests() {
    for status in [0, 1, 42, 255] {
        assert_eq!(
            end_of(&Code::new().exit(status)),
            End::Status(status as i32)
        );
    }
    // An image that runs into nothing.
    assert_eq!(end_of(&Code::new().raw(&[0x0f, 0x0b])), End::Signal(4));
}

#[test]
fn calls_without_devices() {
    let after = |number, arguments: &[u64]| end_of(&Code::new().syscall(number, arguments).exit(0));
    // Standard output, clocks, the thread pointer, a wait of no time.
    for (number, arguments) in [
        (1, &[1, TEXT, 1][..]),
        (228, &[0, DATA]),
        (228, &[1, DATA]),
        (158, &[0x1002, DATA]),
        (281, &[EPOLL, DATA, 1, 0, 0, 0]),
        (286, &[4, 1, DATA, 0]),
    ] {
        assert_eq!(
            after(number, arguments),
            End::Status(0),
            "{number} {arguments:?}"
        );
    }
    for (number, arguments, what) in [
        (0, &[0, DATA, 1][..], "read standard input"),
        (0, &[EPOLL, DATA, 1], "read the epoll set"),
        (1, &[2, TEXT, 1], "write standard error"),
        (1, &[(1 << 32) | 1, TEXT, 1], "write with an odd upper half"),
        (2, &[TEXT, 0, 0], "open"),
        (3, &[1], "close"),
        (9, &[0, 4096, 7, 0x22, u64::MAX, 0], "mmap"),
        (10, &[DATA, 4096, 7], "mprotect"),
        (10, &[DATA, 4096, 0], "mprotect that was not offered"),
        (17, &[0, DATA, 512, 0], "pread64"),
        (32, &[1], "dup"),
        (39, &[], "getpid"),
        (41, &[2, 1, 0], "socket"),
        (56, &[0x100, 0, 0, 0, 0], "clone"),
        (59, &[TEXT, 0, 0], "execve"),
        (62, &[1, 9], "kill"),
        (75, &[1], "fdatasync"),
        (101, &[0, 0, 0, 0], "ptrace"),
        (157, &[22, 0, 0, 0, 0], "prctl"),
        (
            158,
            &[0x1003, DATA],
            "read the thread pointer by arch_prctl",
        ),
        (228, &[2, DATA], "another clock"),
        (
            281,
            &[EPOLL, DATA, 1, 0, DATA, 8],
            "wait with a signal mask",
        ),
        (
            281,
            &[4, DATA, 1, 0, 0, 0],
            "wait for the timer as if it were an epoll set",
        ),
        (317, &[1, 0, 0], "seccomp"),
        (0x4000_0001, &[1, TEXT, 1], "an x32 call"),
        (425, &[1, DATA], "io_uring_setup"),
    ] {
        assert_eq!(after(number, arguments), End::Signal(SIGSYS), "{what}");
    }
    // A 32-bit call: mov ebx, 1; mov eax, 1; int 0x80. Without the check of the architecture it would
    // pass for a write to standard output, and be an exit.
    let compat = [0xbb, 1, 0, 0, 0, 0xb8, 1, 0, 0, 0, 0xcd, 0x80];
    let compat = Code::new().raw(&compat).exit(0);
    assert_eq!(end_of(&compat), End::Signal(SIGSYS));
}

#[test]
fn memory_has_the_rights_that_the_image_asks_for_and_no_more() {
    let load = |address| end_of(&Code::new().load(address).exit(0));
    let store = |address| end_of(&Code::new().store(address).exit(0));
    let jump = |address| end_of(&Code::new().jump(address).exit(0));
    for address in [TEXT, DATA, DATA + 0x1000, MEMORY - 8, 0x11000] {
        assert_eq!(load(address), End::Status(0), "{address:#x}");
    }
    for address in [DATA, DATA + 0x1000, MEMORY - 8] {
        assert_eq!(store(address), End::Status(0), "{address:#x}");
    }
    for address in [
        0,
        8,
        0xfff8,
        0x20000,
        0xf_f000,
        MEMORY,
        MEMORY + 0x1000,
        1 << 40,
    ] {
        assert_eq!(load(address), End::Signal(SIGSEGV), "{address:#x}");
        assert_eq!(store(address), End::Signal(SIGSEGV), "{address:#x}");
    }
    assert_eq!(store(TEXT), End::Signal(SIGSEGV), "text is not writable");
    assert_eq!(
        store(0x10000),
        End::Signal(SIGSEGV),
        "the first page is not writable"
    );
    for address in [DATA, DATA + 0x1000, MEMORY - 0x1000, 0x11000] {
        assert_eq!(
            jump(address),
            End::Signal(SIGSEGV),
            "{address:#x} is not executable"
        );
    }
}

#[test]
fn memory_of_an_image_that_knows_of_offers_is_all_of_its_size() {
    let end_with = |code: Code, size: &str| {
        let image = code.exit(0).image().offer(DATA);
        end(&run(&image, &[&format!("--mem={size}")], &[]))
    };
    // What is not memory: from 0x20000 to the image.
    let memory = (2 << 20) + 0xe_0000;
    for address in [0x11000, TEXT, DATA, memory - 8] {
        let code = Code::new().load(address);
        assert_eq!(end_with(code, "2M"), End::Status(0), "{address:#x}");
    }
    for address in [0x2_8000, 0xf_f000, memory] {
        let code = Code::new().load(address);
        assert_eq!(end_with(code, "2M"), End::Signal(SIGSEGV), "{address:#x}");
    }
    // Up to the data's page, and four for stack and heap; less is refused.
    assert_eq!(end_with(Code::new(), "1172K"), End::Status(0));
    assert_eq!(end_with(Code::new(), "1168K"), End::Status(1));
    // The boot information says where memory ends.
    let show = Code::new().syscall(1, &[1, 0x11000, 8]).exit(0);
    let output = run(&show.image().offer(DATA), &["--mem=2M"], &[]);
    assert_eq!(output.stdout, memory.to_le_bytes());
}

#[test]
fn nothing_of_the_tender_is_left() {
    // The registers that could hold an address of it: rbx rcx rdx rsi rbp r8..r15, or-ed together.
    let mut code = Code::new().raw(&[0x48, 0x89, 0xd8]); // mov rax, rbx
    for or in [0xc8u8, 0xd0, 0xf0, 0xe8] {
        code = code.raw(&[0x48, 0x09, or]); // or rax, rcx rdx rsi rbp
    }
    for register in 0..8u8 {
        code = code.raw(&[0x4c, 0x09, 0xc0 | register << 3]); // or rax, r8..r15
    }
    // setnz al, so that a bit anywhere shows.
    assert_eq!(
        end_of(&code.raw(&[0x0f, 0x95, 0xc0]).exit_rax()),
        End::Status(0)
    );
    // movq rax, xmm0..xmm15 or-ed: por xmm0, xmmN; then both halves.
    let mut code = Code::new();
    for register in 1..16u8 {
        let rex: &[u8] = if register > 7 { &[0x66, 0x41] } else { &[0x66] };
        code = code.raw(rex).raw(&[0x0f, 0xeb, 0xc0 | register & 7]);
    }
    let code = code
        .raw(&[0x66, 0x48, 0x0f, 0x7e, 0xc0]) // movq rax, xmm0
        .raw(&[0x66, 0x0f, 0x70, 0xc0, 0xee]) // pshufd xmm0, xmm0, high half
        .raw(&[0x66, 0x48, 0x0f, 0x7e, 0xc1]) // movq rcx, xmm0
        .raw(&[0x48, 0x09, 0xc8, 0x0f, 0x95, 0xc0]); // or rax, rcx; setnz al
    assert_eq!(end_of(&code.exit_rax()), End::Status(0));
    // The thread pointer leads nowhere: mov rax, fs:0.
    let code = Code::new()
        .raw(&[0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0])
        .exit(0);
    assert_eq!(end_of(&code), End::Signal(SIGSEGV));
}

#[test]
fn the_state_at_the_entry_is_the_abis() {
    // rdi - 0x11000 | rsp - (MEMORY - 8)
    let code = Code::new()
        .raw(&[0x48, 0x81, 0xef, 0x00, 0x10, 0x01, 0x00]) // sub rdi, 0x11000
        .raw(&[0x48, 0x81, 0xec])
        .raw(&(MEMORY as u32 - 8).to_le_bytes()) // sub rsp, MEMORY - 8
        .raw(&[0x48, 0x89, 0xf8, 0x48, 0x09, 0xe0]) // mov rax, rdi; or rax, rsp
        .raw(&[0x0f, 0x95, 0xc0]) // setnz al
        .exit_rax();
    assert_eq!(end_of(&code), End::Status(0));
}

#[test]
fn boot_information_manifest_and_command_line() {
    let code = Code::new()
        .syscall(1, &[1, 0x11000, 40 + 8 + 2 * 104 + 64])
        .exit(0);
    let disk = Scratch::new(&[0; 8192]);
    let option = format!("--block:storage={}", disk.path().display());
    let options = [&option[..], "--block-sector-size:storage=4096"];
    let output = run(
        &code.image().devices(&[BLOCK]),
        &options,
        &["--a=b", "c  d"],
    );
    assert_eq!(end(&output), End::Status(0), "{output:?}");
    let info = output.stdout;
    let word = |at: usize| u64::from_le_bytes(info[at..at + 8].try_into().unwrap());
    let manifest = 0x11000 + 40;
    let command_line = manifest + 8 + 2 * 104;
    assert_eq!([word(0), word(8)], [MEMORY, DATA + 4096]);
    assert_eq!([word(16), word(24)], [command_line, manifest]);
    let manifest = fata_abi::manifest::Manifest::from_tender(&info[40..40 + 8 + 2 * 104]);
    assert_eq!(manifest.device(1), Some(BLOCK));
    let properties = fata_abi::manifest::Properties::Block {
        capacity: 8192,
        block_size: 4096,
    };
    assert_eq!(manifest.attachment(1).unwrap().properties, properties);
    let text = &info[(command_line - 0x11000) as usize..];
    assert!(text.starts_with(b"--a=b c  d\0"), "{text:?}");
}

#[test]
fn an_offer_is_filled_in_and_its_calls_are_allowed() {
    let offered = |code: &Code| run(&code.image().offer(DATA), &[], &[]);
    let show = Code::new().syscall(1, &[1, DATA, 72]).exit(0);
    let (first, second) = (offered(&show).stdout, offered(&show).stdout);
    assert_eq!(first[..8], [31, 0, 0, 0, 0, 0, 2, 0]);
    assert_ne!(first[8..], second[8..], "seeds of two runs");
    assert!(first[8..].iter().any(|&byte| byte != 0));
    // Without the note, nothing is written.
    assert_eq!(run(&show.image(), &[], &[]).stdout, [0; 72]);

    // As much of it as the image has a place for, and nothing behind.
    let whole = |size: u32| {
        let show = Code::new().syscall(1, &[1, DATA, 112]).exit(0);
        let image = show.image().offer_of(DATA, size | 3 << 16);
        run(&image, &[], &[]).stdout
    };
    for (size, features) in [(72, 31), (80, 31), (96, 127), (112, 127)] {
        let offer = whole(size);
        assert_eq!(offer[..4], [features, 0, 0, 0], "{size}");
        assert_eq!(offer[72..], [0; 40], "no devices, and nothing unknown");
    }

    // All 4 MB are memory that the image can use.
    let memory = MEMORY + 0xe_0000;
    let guard = |address, len, rights| {
        let code = Code::new().syscall(10, &[address, len, rights]).exit_rax();
        end(&offered(&code))
    };
    assert_eq!(guard(DATA + 0x1000, 4096, 0), End::Status(0));
    assert_eq!(guard(DATA + 0x1000, 4096, 1), End::Signal(SIGSYS));
    assert_eq!(guard(DATA + 0x1000, 4096, 5), End::Signal(SIGSYS));
    assert_eq!(guard(memory, 4096, 0), End::Signal(SIGSYS));
    assert_eq!(guard(memory - 4096, 8192, 0), End::Signal(SIGSYS));
    let fault = Code::new()
        .syscall(10, &[DATA + 0x1000, 4096, 0])
        .load(DATA + 0x1000)
        .exit(0);
    assert_eq!(
        end(&offered(&fault)),
        End::Signal(SIGSEGV),
        "the page is gone"
    );
}

#[test]
fn block_requests_within_the_device_only() {
    const SIZE: u64 = 1 << 20;
    let content: Vec<u8> = (0..SIZE).map(|at| (at >> 9) as u8).collect();
    let request = |number, len, offset, offer: bool| {
        let disk = Scratch::new(&content);
        let option = format!("--block:storage={}", disk.path().display());
        // The device's descriptor is in the manifest's second entry.
        let fd = 0x11000 + 40 + 8 + 104 + 88;
        let arguments = [0, DATA + 0x1000, len, offset];
        let mut code = Code::new().syscall(number, &arguments);
        // mov eax, number; syscall: before them, mov edi, [fd].
        let tail = code.0.split_off(code.0.len() - 7);
        code = code
            .raw(&[0x8b, 0x3c, 0x25])
            .raw(&(fd as u32).to_le_bytes())
            .raw(&tail);
        // A length in pages of 512 fits a status: shr eax, 9.
        let code = code.raw(&[0xc1, 0xe8, 9]).exit_rax();
        let mut image = code.image().devices(&[BLOCK]);
        if offer {
            image = image.offer(DATA);
        }
        let output = run(&image, &[&option], &[]);
        assert_eq!(
            std::fs::metadata(disk.path()).unwrap().len(),
            SIZE,
            "the file does not grow"
        );
        end(&output)
    };
    for number in [17, 18] {
        for (len, offset, stock, offered) in [
            (512, 0, End::Status(1), End::Status(1)),
            (512, SIZE - 512, End::Status(1), End::Status(1)),
            (512, SIZE, End::Signal(SIGSYS), End::Signal(SIGSYS)),
            (512, SIZE - 511, End::Signal(SIGSYS), End::Signal(SIGSYS)),
            (4096, 512, End::Signal(SIGSYS), End::Status(8)),
            (128 << 10, 0, End::Signal(SIGSYS), End::Status(0)),
            (4096, SIZE - 4096, End::Signal(SIGSYS), End::Signal(SIGSYS)),
            (
                (128 << 10) + 512,
                0,
                End::Signal(SIGSYS),
                End::Signal(SIGSYS),
            ),
        ] {
            assert_eq!(
                request(number, len, offset, false),
                stock,
                "{number} {len} {offset}"
            );
            assert_eq!(
                request(number, len, offset, true),
                offered,
                "{number} {len} {offset}"
            );
        }
    }
    assert_eq!(request(75, 0, 0, true), End::Status(0));
    assert_eq!(request(75, 0, 0, false), End::Signal(SIGSYS));
}

#[test]
fn the_kernel_takes_the_filter_of_63_devices() {
    let names: Vec<_> = (0..63).map(|index| format!("disk{index}")).collect();
    let devices: Vec<_> = names.iter().map(|name| Device { name, ..BLOCK }).collect();
    // So large that an offset has an upper half, which takes the most instructions.
    let disks: Vec<_> = devices.iter().map(|_| Scratch::new(&[])).collect();
    let option = |(name, disk): (&String, &Scratch)| {
        let file = std::fs::File::options()
            .write(true)
            .open(disk.path())
            .unwrap();
        file.set_len(6 << 30).unwrap();
        format!("--block:{name}={}", disk.path().display())
    };
    let options: Vec<_> = names.iter().zip(&disks).map(option).collect();
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let image = Code::new().exit(7).image().devices(&devices).offer(DATA);
    let output = run(&image, &options, &[]);
    assert_eq!(end(&output), End::Status(7), "{output:?}");
}

// SPDX-License-Identifier: ISC
//! What a newcomer's mistakes look like.

use fata_abi::{hvt, note::Target, spt};
use fata_tender::elf::Abi;

#[path = "../../core/tests/shared/messages.rs"]
mod messages;

use messages::Tender;

const TENDER: Tender = Tender {
    program: env!("CARGO_BIN_EXE_fata-spt"),
    name: "fata-spt",
    abi: Abi {
        target: Target::Spt,
        version: spt::ABI_VERSION,
    },
    other: Abi {
        target: Target::Hvt,
        version: hvt::ABI_VERSION,
    },
};

#[test]
fn files_that_are_no_images() {
    TENDER.of_files_that_are_no_images();
}

#[test]
fn options_and_devices() {
    TENDER.of_options_and_devices();
}

#[test]
fn too_much_memory() {
    TENDER.of_too_much_memory();
}

#[test]
fn a_long_command_line() {
    TENDER.of_a_long_command_line();
}

#[test]
fn help_and_version_are_data() {
    TENDER.help_and_version_as_data();
}

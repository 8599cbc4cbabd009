// SPDX-License-Identifier: ISC
//! What a newcomer's mistakes look like.

use fata_abi::{hvt, note::Target, spt};
use fata_tender::elf::Abi;

#[path = "../../core/tests/shared/messages.rs"]
mod messages;

use messages::Tender;

const TENDER: Tender = Tender {
    program: env!("CARGO_BIN_EXE_fata-hvt"),
    name: "fata-hvt",
    abi: Abi {
        target: Target::Hvt,
        version: hvt::ABI_VERSION,
    },
    other: Abi {
        target: Target::Spt,
        version: spt::ABI_VERSION,
    },
};

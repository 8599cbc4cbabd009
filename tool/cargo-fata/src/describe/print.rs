// SPDX-License-Identifier: ISC
//! A description for people.

use std::fmt::Display;

use super::{Description, Kind, Part};
use crate::{
    image::about::AboutArgument,
    output::{HEADING, bytes},
};

/// Most crates that are listed one by one.
const CRATES: usize = 16;

/// Prints `description` on stdout.
pub fn print(description: &Description) {
    identity(description);
    devices(description);
    if let Some(about) = &description.about {
        arguments(&about.arguments);
    }
    sizes("Segments in memory", &description.segments);
    sizes("Sections", &description.sections);
    crates(&description.crates);
    sizes("Notes", &description.notes);
}

fn heading(text: &str) {
    anstream::println!("\n{HEADING}{text}{HEADING:#}");
}

fn row(key: &str, value: impl Display) {
    anstream::println!("{HEADING}{key:<12}{HEADING:#} {value}");
}

fn identity(description: &Description) {
    row(
        "image",
        format_args!("{} ({})", description.file, bytes(description.size)),
    );
    match &description.about {
        Some(about) => {
            row("program", format_args!("{} {}", about.name, about.version));
            if !about.about.is_empty() {
                row("", &about.about);
            }
        }
        None => row(
            "program",
            "not one of Fata's: an image for Solo5, such as MirageOS makes",
        ),
    }
    let Description {
        platform,
        abi_version,
        ..
    } = description;
    row(
        "platform",
        format_args!("{platform}, ABI version {abi_version}"),
    );
    row(
        "memory",
        format_args!("{} before heap and stack", bytes(description.memory)),
    );
    if let Some(about) = &description.about {
        let given = match about.boot_arguments.as_str() {
            "" => "none",
            arguments => arguments,
        };
        let sealed = if about.sealed {
            " (final: no command line changes them)"
        } else {
            ""
        };
        row("compiled in", format_args!("{given}{sealed}"));
    }
    debug_assert!((description.kind == Kind::Fata) == description.about.is_some());
}

fn devices(description: &Description) {
    heading("Devices that it must be given");
    if description.devices.is_empty() {
        anstream::println!("  none");
    }
    for device in &description.devices {
        let example = match device.kind {
            "net" => format!("--net:{}=user", device.name),
            _ => format!("--block:{}=FILE", device.name),
        };
        anstream::println!("  {:<5} {:<16} {example}", device.kind, device.name);
    }
}

fn arguments(arguments: &[AboutArgument]) {
    heading("Boot arguments");
    if arguments.is_empty() {
        anstream::println!("  none");
    }
    let mut sorted: Vec<&AboutArgument> = arguments.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    for argument in sorted {
        anstream::println!("  {}", synopsis(argument));
        for line in argument.help.lines() {
            anstream::println!("      {line}");
        }
    }
}

/// The argument as it is typed, and whether it must or may be.
fn synopsis(argument: &AboutArgument) -> String {
    let mut text = format!("--{}", argument.name);
    if !argument.value.is_empty() {
        text.push_str(&format!("={}", argument.value));
    }
    if argument.repeated {
        text.push_str(" ...");
    }
    if !argument.default.is_empty() {
        text.push_str(&format!(" [default: {}]", argument.default));
    } else if argument.required {
        text.push_str(" (required)");
    }
    text
}

fn sizes(title: &str, parts: &[Part]) {
    if parts.is_empty() {
        return;
    }
    heading(title);
    for part in parts {
        anstream::println!("  {:>10}  {}", bytes(part.size), part.name);
    }
}

fn crates(parts: &[Part]) {
    if parts.is_empty() {
        heading("Size by crate");
        anstream::println!(
            "  unknown: the symbols of this image are not here; rebuild it with `cargo fata build`"
        );
        return;
    }
    let mut shown: Vec<Part> = parts.iter().take(CRATES).cloned().collect();
    if let Some(rest) = parts.get(CRATES..).filter(|rest| !rest.is_empty()) {
        shown.push(Part {
            name: format!("in {} more", rest.len()),
            size: rest.iter().map(|part| part.size).sum(),
        });
    }
    sizes("Size by crate (inlined code counts where it went)", &shown);
}

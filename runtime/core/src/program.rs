// SPDX-License-Identifier: ISC
//! The life of a program: from the command line to its exit status.
//!
//! `#[fata::main]` defines the function that a platform calls; it does nothing but call
//! [`launch`].
//!
//! # Exit statuses
//!
//! | status | meaning |
//! |---|---|
//! | 0 | success |
//! | 1 | `main` returned an error, which was printed |
//! | 63 | `--help` or `--version` was printed |
//! | 64 | the boot arguments are wrong |
//! | 125 | something of the program's own is wrong, such as a compiled-in boot argument |
//! | 255 | panic or abort |
//!
//! They are those of MirageOS, on which schedulers of unikernels rely.

use alloc::boxed::Box;
use core::fmt;

use fata_abi::{
    image::{ArgumentTree, Image},
    manifest::Device,
    platform,
};

use crate::{
    Error,
    args::{self, ArgError, Arguments, Stop, Values},
    console::Line,
    logging, panic,
    settings::Settings,
    single::Single,
    stack, task, time,
};

/// `main` returned an error.
pub const STATUS_ERROR: u8 = 1;
/// Help or version was asked for.
pub const STATUS_HELP: u8 = 63;
/// The boot arguments are wrong.
pub const STATUS_ARGUMENTS: u8 = 64;
/// The image itself is wrong.
pub const STATUS_INTERNAL: u8 = 125;

/// The boot arguments that every unikernel understands, beside `--help` and `--version`.
pub const ARGUMENTS: &ArgumentTree = &Settings::TREE;

/// A type that `main` can take: arguments, devices, or both.
///
/// `#[derive(Args)]` and `#[derive(Devices)]` implement it.
pub trait Parameter: Sized {
    /// Devices that it needs, for the manifest.
    const DEVICES: &'static [Device<'static>];
    /// Boot arguments that it understands.
    const ARGUMENTS: &'static ArgumentTree;
    /// What is known before anything was connected.
    type Parsed;

    /// Takes its values from the boot arguments. Called for all parameters before any is
    /// connected, so that a wrong argument has no effect but its message.
    ///
    /// # Errors
    ///
    /// The first value that is missing or wrong.
    fn parse(values: &Values) -> Result<Self::Parsed, ArgError>;

    /// Makes the parameter, connecting what needs it.
    ///
    /// # Errors
    ///
    /// Whatever kept a device from working.
    #[expect(
        async_fn_in_trait,
        reason = "an image has one thread, so nobody needs these futures to be `Send`"
    )]
    async fn resolve(parsed: Self::Parsed) -> Result<Self, Error>;
}

/// What `main` can return.
pub trait Termination {
    /// The exit status; an error is printed.
    fn report(self) -> u8;
}

impl Termination for () {
    fn report(self) -> u8 {
        0
    }
}

impl Termination for u8 {
    fn report(self) -> u8 {
        self
    }
}

impl Termination for core::convert::Infallible {
    fn report(self) -> u8 {
        match self {}
    }
}

impl<T: Termination, E: Into<Error>> Termination for Result<T, E> {
    fn report(self) -> u8 {
        match self {
            Ok(value) => value.report(),
            Err(error) => {
                say(&error.into());
                STATUS_ERROR
            }
        }
    }
}

/// Runs a program and returns its exit status.
///
/// In this order: the stack is fenced off; the boot arguments are read (help, version and mistakes
/// end here); logging starts; `parse` takes the program's own arguments; `main` and the tasks that
/// it spawns run until it returns.
pub fn launch<P, R: Termination>(
    image: &'static Image,
    parse: fn(&Values) -> Result<P, ArgError>,
    main: impl AsyncFnOnce(P) -> R,
) -> u8 {
    stack::divide();
    let (values, settings) = match prepare(image) {
        Ok(prepared) => prepared,
        Err(status) => return status,
    };
    let parsed = match parse(&values) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    drop(values);
    task::block_on(async {
        if !settings.delay.is_zero() {
            time::sleep(settings.delay).await;
        }
        main(parsed).await.report()
    })
}

/// Reads the boot arguments and sets up what they govern, or says why the program does not start.
#[inline(never)]
fn prepare(image: &'static Image) -> Result<(Values, Settings), u8> {
    let own = ARGUMENTS;
    let stop = |stop| match stop {
        Stop::Help => {
            args::print_help(image, own);
            STATUS_HELP
        }
        Stop::Version => {
            args::print_version(image);
            STATUS_HELP
        }
        Stop::Error(error) => refuse(&error),
    };
    let values = Values::read(image, own, platform::command_line()).map_err(stop)?;
    let mut settings = <Settings as Arguments>::parse(&values).map_err(|error| refuse(&error))?;
    panic::set_backtrace(settings.backtrace);
    logging::start(core::mem::take(&mut settings.logs));
    let name = match settings.name.take() {
        // Lives as long as the program.
        Some(name) => Box::leak(name.into_boxed_str()),
        None => image.name.get(),
    };
    NAME.with(|n| *n = name);
    Ok((values, settings))
}

fn refuse(error: &ArgError) -> u8 {
    say(error);
    STATUS_ARGUMENTS
}

fn say(error: &dyn fmt::Display) {
    use fmt::Write;

    let mut line = Line::new();
    line.push("error: ");
    // An error that fails to print itself cannot be told any better.
    let _ = writeln!(line, "{error}");
}

static NAME: Single<&'static str> = Single::new("");

/// Name of this instance: `--name` if it was given, else the name of the program.
pub fn name() -> &'static str {
    NAME.with(|name| *name)
}

/// Ends the image with `status`, without dropping anything.
pub fn exit(status: u8) -> ! {
    platform::exit(status)
}

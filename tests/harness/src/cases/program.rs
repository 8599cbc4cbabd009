// SPDX-License-Identifier: ISC
//! Rows about programs that do what they should.

use std::{fmt::Write, time::Duration};

use super::Lab;
use crate::{outcome::Check, pace, platform::Platform};

pub(super) fn succeeds(lab: &Lab) -> Check {
    lab.launch().run()?.success()
}

/// The command line reaches the program as it was given.
pub(super) fn hello(lab: &Lab) -> Check {
    let greeting = "Hello, \"Fata\" 'Morgana' \\o/";
    let outcome = lab
        .launch()
        .argument("--hello")
        .argument(lab.word(greeting))
        .run()?;
    outcome.success()?;
    outcome.says(&format!("[{greeting}]\n"))
}

/// A megabyte is enough, with all that there is of the tender in it.
pub(super) fn hello_small(lab: &Lab) -> Check {
    lab.not_on(Platform::Unix, "a process has the memory that it asks for")?;
    lab.not_on_stock("the stock tender leaves the first megabyte out")?;
    let launch = lab.platform.launch(&lab.image).option("--mem=1");
    launch.argument("--hello=small").run()?.success()
}

/// Nothing but the program prints, asked for or not; the flag of Solo5 is taken.
pub(super) fn quiet(lab: &Lab) -> Check {
    for flag in [None, Some("--solo5:quiet")] {
        let mut launch = lab.launch();
        if let Some(flag) = flag {
            launch = launch.argument(flag);
        }
        let outcome = launch.run()?;
        outcome.success()?;
        if outcome.output != "SUCCESS\n" {
            return outcome.fails("no other line than `SUCCESS`");
        }
    }
    Ok(())
}

/// Values of every kind arrive, from either way of writing them.
pub(super) fn args(lab: &Lab) -> Check {
    let mut launch = lab.launch();
    let text = lab.word("two words");
    for argument in [
        "--number=7",
        "--text",
        &text,
        "--flag",
        "--address=192.0.2.1",
        "--many=1,2",
        "--many",
        "3",
        "--pause=1500ms",
    ] {
        launch = launch.argument(argument);
    }
    launch.run()?.success()
}

/// Help and version come from inside the image, which then does nothing else.
pub(super) fn args_help(lab: &Lab) -> Check {
    let outcome = lab.launch().argument("--help").run()?;
    outcome.exits(63)?;
    for text in ["--number", "How many.", "--logs"] {
        outcome.says(text)?;
    }
    let outcome = lab.launch().argument("--version").run()?;
    outcome.exits(63)?;
    outcome.says("test-args")?;
    if outcome.output.contains("SUCCESS") {
        return outcome.fails("`main` not to run");
    }
    Ok(())
}

/// A wrong argument is refused before anything runs, and the nearest right one named.
pub(super) fn args_wrong(lab: &Lab) -> Check {
    let outcome = lab.launch().argument("--numbre=7").run()?;
    outcome.exits(64)?;
    outcome.says("--numbre")?;
    outcome.says("--number")?;
    let outcome = lab.launch().argument("--number=many").run()?;
    outcome.exits(64)?;
    outcome.says("many")?;
    lab.launch().run()?.exits(64)
}

/// Long output arrives whole and in order.
pub(super) fn output(lab: &Lab) -> Check {
    let outcome = lab.launch().run()?;
    outcome.success()?;
    let mut expected = String::new();
    for n in 0..20_000 {
        let _ = writeln!(expected, "line {n} of many");
    }
    expected.extend(std::iter::repeat_n("0123456789abcdef", 8192));
    expected.push_str("\nSUCCESS\n");
    if outcome.output != expected {
        let same = outcome
            .output
            .bytes()
            .zip(expected.bytes())
            .take_while(|(a, b)| a == b);
        let (at, length) = (same.count(), outcome.output.len());
        return outcome.fails(&format!("the same output; byte {at} of {length} differs"));
    }
    Ok(())
}

/// The unikernel judges its own clocks, and we the time that it says it slept.
pub(super) fn time(lab: &Lab) -> Check {
    let outcome = lab.launch().run()?;
    outcome.success()?;
    let slept = Duration::from_millis(5 * 200);
    if outcome.duration < slept || outcome.duration > slept + pace::limit(Duration::from_secs(4)) {
        return outcome.fails(&format!(
            "{slept:?} of sleep to take so, not {:?}",
            outcome.duration
        ));
    }
    Ok(())
}

/// Two runs see different random numbers.
pub(super) fn entropy(lab: &Lab) -> Check {
    let first = lab.launch().run()?;
    first.success()?;
    let second = lab.launch().run()?;
    second.success()?;
    if first.output == second.output {
        return second.fails("other numbers than in the first run");
    }
    Ok(())
}

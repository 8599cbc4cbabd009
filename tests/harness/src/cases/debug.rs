// SPDX-License-Identifier: ISC
//! Rows about looking into an image: with a debugger, by its core file, by a trace.

use std::{fs, path::PathBuf, thread, time::Duration};

use super::Lab;
use crate::{
    launch::{Launch, Running},
    outcome::{Check, Ending, Outcome},
    pace,
    platform::{Platform, Target},
    remote::{Remote, free_port},
};

/// What stands before the places in the image.
const MARK: &[u8; 16] = b"places to debug:";
/// What the image is told to end with.
const STATUS: u64 = 7;
const RDI: usize = 5;
pub(super) const SEGMENTATION_FAULT: u16 = 11;
const ABORT: u16 = 6;

/// Places in the image.
struct Places {
    entry: u64,
    work: u64,
    count: u64,
    status: u64,
}

fn applies(lab: &Lab) -> Check {
    lab.not_on(Platform::Unix, "a plain process is debugged as any other")?;
    lab.not_on_stock("Solo5's tenders have this in programs of their own, or not at all")
}

/// The image, waiting for its first instruction, with a debugger.
fn debugged(lab: &Lab) -> Result<(Running, Remote, Places), Ending> {
    applies(lab)?;
    let image = read(&lab.image)?;
    let at = image.windows(16).position(|bytes| bytes == MARK);
    let at = at.ok_or_else(|| Ending::Failed("no places in the image".to_owned()))?;
    let places = Places {
        entry: word(&image, 24),
        work: word(&image, at + 16),
        count: word(&image, at + 24),
        status: word(&image, at + 32),
    };
    let port = free_port()?;
    let launch = lab.launch().option(format!("--gdb-port={port}"));
    let running = launch.start(None)?;
    match Remote::connect(port) {
        Ok(remote) => Ok((running, remote, places)),
        Err(_) => running.stop()?.fails("it to wait for gdb"),
    }
}

/// Both must be right; what the tender said is told with what the debugger found.
fn conclude(image: Running, debugged: Check) -> Result<Outcome, Ending> {
    match debugged {
        Ok(()) => image.wait(),
        Err(Ending::Failed(how)) => image.stop()?.fails(&format!("no complaint: {how}")),
        Err(other) => Err(other),
    }
}

/// Registers and memory are seen and changed, one instruction executed, the image stopped and let go.
pub(super) fn gdb(lab: &Lab) -> Check {
    let (image, mut gdb, places) = debugged(lab)?;
    let file = read(&lab.image)?;
    let check = look_around(lab, &mut gdb, &places, &file);
    let outcome = conclude(image, check)?;
    outcome.exits(STATUS as i32)?;
    outcome.says("worked ")
}

fn look_around(lab: &Lab, gdb: &mut Remote, places: &Places, file: &[u8]) -> Check {
    let registers = gdb.registers()?;
    equal("first instruction", registers[16], places.entry)?;
    let argument = match lab.platform.target() {
        Target::Hvt => 0x10000,
        _ => 0x11000,
    };
    equal("argument", registers[RDI], argument)?;
    let code = in_image(file, places.entry, 16)?;
    if gdb.read(places.entry, 16)? != code {
        return Err(Ending::Failed("other code than in the file".to_owned()));
    }
    gdb.expect("vCont;s", "")?;
    if gdb.instruction()? == places.entry {
        return Err(Ending::Failed("no step was made".to_owned()));
    }
    // Below the stack, where nothing is yet.
    let free = registers[7] - 256;
    gdb.set_word(free, 0x0123_4567_89ab_cdef)?;
    equal("what was written", gdb.word(free)?, 0x0123_4567_89ab_cdef)?;
    gdb.expect("m0,8", "E")?;
    // Also while it sleeps, and after a while in which it works.
    gdb.go_on()?;
    thread::sleep(pace::limit(Duration::from_millis(300)));
    let reason = gdb.interrupt()?;
    if !reason.starts_with("S02") && !reason.starts_with("T02") {
        return Err(Ending::Failed(format!("interrupted, but told `{reason}`")));
    }
    if gdb.word(places.count)? == 0 {
        return Err(Ending::Failed("it has not worked".to_owned()));
    }
    gdb.set_word(places.status, STATUS)?;
    gdb.expect("vCont;c", "W07").map(drop)
}

/// Breakpoints stop the image each time, are not seen, and go.
pub(super) fn breakpoints(lab: &Lab) -> Check {
    let (image, mut gdb, places) = debugged(lab)?;
    let file = read(&lab.image)?;
    let check = stop_at_work(&mut gdb, &places, &file);
    conclude(image, check)?.exits(STATUS as i32)
}

fn stop_at_work(gdb: &mut Remote, places: &Places, file: &[u8]) -> Check {
    let (set, remove) = (
        format!("Z0,{:x},1", places.work),
        format!("z0,{:x},1", places.work),
    );
    for times in 0..3 {
        gdb.tell(&set)?;
        gdb.expect("vCont;c", "T05")?;
        equal("where it stopped", gdb.instruction()?, places.work)?;
        equal("times it has worked", gdb.word(places.count)?, times)?;
        if gdb.read(places.work, 16)? != in_image(file, places.work, 16)? {
            return Err(Ending::Failed("the breakpoint is seen".to_owned()));
        }
        gdb.tell(&remove)?;
        gdb.expect("vCont;s", "")?;
    }
    gdb.set_word(places.status, STATUS)?;
    gdb.expect("vCont;c", "W07").map(drop)
}

/// The processor's own debug registers stop the image, where it is executed and where it writes; one
/// that has none refuses.
pub(super) fn watchpoints(lab: &Lab) -> Check {
    let (image, mut gdb, places) = debugged(lab)?;
    let mut watched = 0;
    let check = watch_work(&mut gdb, &places, &mut watched);
    let outcome = conclude(image, check)?;
    outcome.exits(STATUS as i32)?;
    if watched > 0 {
        return Ok(());
    }
    outcome.says("set can-use-hw-watchpoints 0")?;
    if lab.platform == Platform::Hvt && pace::slowness() > 1 {
        let reason = "the emulated SVM of the nested machine does not load its guest's debug \
                      registers, and the tender says so";
        return Err(Ending::DoesNotApply(reason.into()));
    }
    outcome.fails("watchpoints")
}

fn watch_work(gdb: &mut Remote, places: &Places, watched: &mut u64) -> Check {
    let (work, count) = (places.work, places.count);
    gdb.tell(&format!("Z1,{work:x},1"))?;
    gdb.expect("vCont;c", "T05")?;
    equal("where it stopped", gdb.instruction()?, work)?;
    gdb.tell(&format!("z1,{work:x},1"))?;
    if !gdb.ask(&format!("Z2,{count:x},8"))?.starts_with('E') {
        for times in 1..4 {
            let reason = gdb.expect("vCont;c", "T05")?;
            if !reason.contains("watch") {
                return Err(Ending::Failed(format!("watched, but told `{reason}`")));
            }
            equal("times it has worked", gdb.word(count)?, times)?;
            *watched = times;
        }
        gdb.tell(&format!("z2,{count:x},8"))?;
    }
    gdb.set_word(places.status, STATUS)?;
    gdb.expect("vCont;c", "W07").map(drop)
}

/// A debugger that goes leaves an image that runs; one that kills it does not.
pub(super) fn gdb_goes(lab: &Lab) -> Check {
    let (image, mut gdb, places) = debugged(lab)?;
    let check = (|| {
        gdb.tell(&format!("Z0,{:x},1", places.work))?;
        gdb.set_word(places.status, STATUS)?;
        gdb.tell("D")
    })();
    drop(gdb);
    conclude(image, check)?.exits(STATUS as i32)?;

    let (image, mut gdb, _) = debugged(lab)?;
    let _ = gdb.ask("k");
    let outcome = image.wait()?;
    match outcome.output.contains("worked") {
        true => outcome.fails("it to be ended"),
        false => Ok(()),
    }
}

/// An image that fails leaves a core file, with its registers and memory.
pub(super) fn core_file(lab: &Lab) -> Check {
    applies(lab)?;
    let (outcome, core) = dumped(lab, lab.launch(), Launch::run)?;
    let rip = judge(lab, core, SEGMENTATION_FAULT)?;
    match lab.platform {
        Platform::Hvt => outcome.says(&format!("rip {rip:#018x}")),
        _ => outcome.faults(),
    }
}

/// One that gives up leaves one too.
pub(super) fn core_file_of_panic(lab: &Lab) -> Check {
    applies(lab)?;
    aborted(lab, lab.launch())
}

/// The same of any image, which `launch` runs.
pub(super) fn aborted(lab: &Lab, launch: Launch) -> Check {
    let (outcome, core) = dumped(lab, launch, Launch::run)?;
    outcome.aborts()?;
    judge(lab, core, ABORT).map(drop)
}

/// The instruction pointer in a core file that has this signal, and the image's code there.
pub(super) fn judge(lab: &Lab, core: Option<Vec<u8>>, expected: u16) -> Result<u64, Ending> {
    let core = core.ok_or_else(|| Ending::Failed("no core file".to_owned()))?;
    let (signal, rip) = state(&core)?;
    equal("signal", signal.into(), expected.into())?;
    if in_image(&core, rip, 8)? != in_image(&read(&lab.image)?, rip, 8)? {
        return Err(Ending::Failed("other code in the core file".to_owned()));
    }
    Ok(rip)
}

/// One that does not fail leaves nothing.
pub(super) fn core_file_of_none(lab: &Lab) -> Check {
    applies(lab)?;
    let (outcome, core) = dumped(lab, lab.launch(), Launch::run)?;
    outcome.success()?;
    match core {
        None => Ok(()),
        Some(_) => outcome.fails("no core file"),
    }
}

/// Runs an image to its end, by `run`, and returns what it left.
pub(super) fn dumped(
    lab: &Lab,
    launch: Launch,
    run: impl FnOnce(Launch) -> Result<Outcome, Ending>,
) -> Result<(Outcome, Option<Vec<u8>>), Ending> {
    let folder = lab.scratch.join("cores");
    let _ = fs::remove_dir_all(&folder);
    let made = fs::create_dir_all(&folder);
    made.map_err(|error| Ending::Failed(format!("cannot make {folder:?}: {error}")))?;
    let outcome = run(launch.option(format!("--dumpcore={}", folder.display())))?;
    let files = || -> Vec<PathBuf> {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    // A place that was kept for it is removed after the end.
    let is_place = |file: &PathBuf| fs::metadata(file).is_ok_and(|about| about.len() == 0);
    for _ in 0..100 {
        if !files().iter().any(is_place) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    match &files()[..] {
        [] => Ok((outcome, None)),
        [one] => Ok((outcome, Some(read(one)?))),
        some => Err(Ending::Failed(format!("several core files: {some:?}"))),
    }
}

/// Signal and instruction pointer in a core file.
fn state(core: &[u8]) -> Result<(u16, u64), Ending> {
    let no = || Ending::Failed("the core file has no state of a processor".to_owned());
    let notes = segments(core)
        .find(|segment| segment.kind == 4)
        .ok_or_else(no)?;
    // The first note: sizes, kind, a name of 8 bytes; then Linux's `struct elf_prstatus`.
    let status = core.get(notes.offset + 20..).ok_or_else(no)?;
    if core[16] != 4 || status.len() < 112 + 27 * 8 {
        return Err(no());
    }
    let signal = u16::from_le_bytes([status[12], status[13]]);
    Ok((signal, word(status, 112 + 16 * 8)))
}

struct Segment {
    kind: u8,
    offset: usize,
    address: u64,
    size: u64,
}

fn segments(elf: &[u8]) -> impl Iterator<Item = Segment> {
    let (start, count) = (word(elf, 32) as usize, usize::from(elf[56]));
    (0..count).map(move |n| {
        let at = start + 56 * n;
        Segment {
            kind: elf[at],
            offset: word(elf, at + 8) as usize,
            address: word(elf, at + 16),
            size: word(elf, at + 32),
        }
    })
}

/// What an ELF file holds for these addresses.
fn in_image(elf: &[u8], address: u64, len: usize) -> Result<&[u8], Ending> {
    let found = segments(elf).find_map(|segment| {
        let within = address.checked_sub(segment.address)?;
        let fits = segment.kind == 1 && within + len as u64 <= segment.size;
        let at = segment.offset + within as usize;
        fits.then(|| elf.get(at..at + len)).flatten()
    });
    found.ok_or_else(|| Ending::Failed(format!("the file has nothing at {address:#x}")))
}

/// What the image asked of its host is written down, whole and in order.
pub(super) fn trace(lab: &Lab) -> Check {
    applies(lab)?;
    let file = lab.scratch.join("trace.txt");
    let _ = fs::remove_file(&file);
    let option = format!("--trace={}", file.display());
    let outcome = lab.launch().option(option).run()?;
    outcome.success()?;
    let text = String::from_utf8_lossy(&read(&file)?).into_owned();
    let hvt = lab.platform.target() == Target::Hvt;
    let (written, end) = match hvt {
        true => ("puts 0x", "halt 0 0x0 = ?"),
        false => ("write 1 0x", "exit_group 0 = ?"),
    };
    let calls: Vec<&str> = text
        .lines()
        .filter_map(|line| line.splitn(3, ' ').nth(2))
        .collect();
    if !calls.iter().any(|call| call.starts_with(written)) || calls.last() != Some(&end) {
        return outcome.fails(&format!(
            "`{written}...` and then `{end}` in its trace:\n{text}"
        ));
    }
    Ok(())
}

fn equal(what: &str, is: u64, should: u64) -> Check {
    match is == should {
        true => Ok(()),
        false => Err(Ending::Failed(format!("{what}: {is:#x}, not {should:#x}"))),
    }
}

fn read(file: &std::path::Path) -> Result<Vec<u8>, Ending> {
    fs::read(file).map_err(|error| Ending::Failed(format!("cannot read {file:?}: {error}")))
}

/// A word of 64 bits; zero behind the end.
fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    word.copied().map_or(0, u64::from_le_bytes)
}

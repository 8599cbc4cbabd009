// SPDX-License-Identifier: ISC
//! Boots a payload in the emulator, and brings back what came of it.

use std::{
    error::Error,
    fmt,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    kernel::Kernel,
    payload::{Payload, on_path},
};

const EMULATOR: &str = "qemu-system-x86_64";
/// Programs without which there is no bed, and the Debian packages that have them.
const NEEDED: [(&str, &str); 4] = [
    (EMULATOR, "qemu-system-x86"),
    ("busybox", "busybox"),
    ("ldd", "libc-bin"),
    ("setpriv", "util-linux"),
];
/// KVM, taps and switches for guests, the port for results.
const MODULES: [&str; 6] = [
    "kvm_amd",
    "tun",
    "bridge",
    "veth",
    "virtio_pci",
    "virtio_console",
];
/// Nothing is waited for that does not come, and a panic ends the emulator. One is a minute in which
/// a CPU does nothing but wait: a busy host makes it wait for long, but not for so long.
const COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off tsc=reliable \
    nokaslr random.trust_cpu=on audit=0 watchdog_thresh=30 softlockup_panic=1 \
    rcupdate.rcu_cpu_stall_timeout=60 sysctl.kernel.panic_on_rcu_stall=1";
/// What the kernel then says, among other words.
const STALLS: [&str; 3] = ["soft lockup", "self-detected stall", "detected stalls"];
/// How often the emulator is looked at.
const PAUSE: Duration = Duration::from_millis(20);
/// Lines of the console that are shown with a failure.
const SHOWN: usize = 30;

/// A machine to be.
#[derive(Clone, Debug)]
pub struct Bed {
    kernel: Kernel,
    /// CPUs of the machine: 1, unless it is about what runs at the same time. More have been seen
    /// to wait for each other for ever, where this machine had less time than they.
    pub cpus: u32,
    /// Whether its clock counts instructions, one a nanosecond, and no time passes while it waits:
    /// figures repeat then, however busy this machine is. There is one CPU in any case.
    pub counts: bool,
    /// MB of memory, of which the payload takes its part twice while it is unpacked.
    pub memory: u32,
    /// The time after which the machine is turned off, as failed.
    pub limit: Duration,
    /// The time after which it is taken for stalled if its job says nothing meanwhile.
    pub silence: Duration,
}

/// What came out of a job that ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The exit status of the job.
    pub status: i32,
    /// What it left in `/out`.
    pub results: PathBuf,
    /// All that the kernel and the first process said.
    pub console: String,
    /// How long the machine was on.
    pub duration: Duration,
}

/// A CPU of the machine waited in its kernel, and for too long, or nothing was heard of it: most
/// likely the machine is at fault, and not what ran in it. Another boot may do.
#[derive(Clone, Debug)]
pub struct Stall(String);

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the nested machine stalled: {}", self.0)
    }
}

impl Error for Stall {}

impl Bed {
    /// Looks for all that a bed needs; the kernel is downloaded into `cache` if it is not there.
    ///
    /// # Errors
    ///
    /// What is missing, and where it comes from.
    pub fn find(cache: &Path) -> Result<Self> {
        ensure!(
            cfg!(all(target_os = "linux", target_arch = "x86_64")),
            "the nested machine is x86-64, on Linux"
        );
        for (program, package) in NEEDED {
            ensure!(
                on_path(program).is_some(),
                "`{program}` is not installed (Debian: apt install {package})"
            );
        }
        Ok(Self {
            kernel: Kernel::get(cache)?,
            cpus: 1,
            counts: false,
            memory: 1024,
            limit: Duration::from_secs(300),
            silence: Duration::MAX,
        })
    }

    /// Boots `payload` and waits until its job has ended and the machine is off. What the job says
    /// goes to `each`, line by line as it comes. Files of the run are made in `folder`, whose
    /// `results` are then the report's.
    ///
    /// # Errors
    ///
    /// If the emulator cannot be started, or the job did not come to its end in time; the end of
    /// the console is in the message. It is a [`Stall`] if the kernel says so, or nobody says
    /// anything.
    pub fn run(
        &self,
        payload: &mut Payload,
        folder: &Path,
        each: impl FnMut(&str) + Send,
    ) -> Result<Report> {
        payload.modules(self.kernel.modules(&MODULES)?);
        let files = Files::new(folder)?;
        files.write(payload)?;
        let start = Instant::now();
        let mut machine = self.start(&files)?;
        let ended = machine.wait(self, &files, each)?;
        let duration = start.elapsed();
        drop(machine);
        let status = files.unpack()?;
        if status.is_none() {
            files.check_for_stall()?;
        }
        if !ended {
            bail!(
                "the nested machine did not end within {:?}\n{}",
                self.limit,
                files.last_words()
            );
        }
        let Some(status) = status else {
            bail!(
                "the nested machine ended before its job did\n{}",
                files.last_words()
            );
        };
        Ok(Report {
            status,
            results: files.results.join("out"),
            console: read(&files.console),
            duration,
        })
    }

    fn start(&self, files: &Files) -> Result<Machine> {
        // It shall not outlive us, however we end.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", EMULATOR]);
        command.args(["-machine", "q35", "-cpu", "EPYC"]);
        if self.counts {
            command.args(["-accel", "tcg,thread=single", "-smp", "1"]);
            command.args(["-icount", "shift=0,sleep=off"]);
        } else {
            command.args(["-accel", "tcg", "-smp", &self.cpus.to_string()]);
        }
        command.args(["-m", &self.memory.to_string()]);
        command.args(["-nodefaults", "-no-user-config", "-nic", "none"]);
        command.args(["-display", "none", "-no-reboot"]);
        command
            .arg("-serial")
            .arg(chardev("file:", &files.console))
            .args(["-serial", "stdio", "-device", "virtio-serial-pci"])
            .arg("-chardev")
            .arg(chardev("file,id=results,path=", &files.archive))
            .args(["-device", "virtserialport,nr=1,chardev=results"])
            .arg("-kernel")
            .arg(self.kernel.image())
            .arg("-initrd")
            .arg(&files.initramfs)
            .args(["-append", COMMAND_LINE]);
        let said = File::create(&files.emulator);
        let said = said.with_context(|| format!("cannot make {:?}", files.emulator))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(said);
        let mut emulator = command.spawn().context("cannot start the emulator")?;
        let output = emulator.stdout.take().context("no output")?;
        Ok(Machine {
            emulator,
            output: Some(output),
        })
    }
}

fn chardev(kind: &str, file: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(kind);
    text.push(file);
    text
}

/// A machine that is on. Dropping it turns it off.
struct Machine {
    emulator: Child,
    output: Option<ChildStdout>,
}

impl Machine {
    /// Waits until it is off, for at most the time that it has, and says whether it is.
    fn wait(
        &mut self,
        bed: &Bed,
        files: &Files,
        mut each: impl FnMut(&str) + Send,
    ) -> Result<bool> {
        let mut log = File::create(&files.job)?;
        let output = self.output.take().context("its output is gone")?;
        let start = Instant::now();
        // Seconds from the start to the last line.
        let heard = &AtomicU64::new(0);
        thread::scope(|scope| {
            let reader = scope.spawn(move || {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line);
                    // Only the end of it is shown, if anything fails.
                    let _ = writeln!(log, "{line}");
                    each(&line);
                    heard.store(start.elapsed().as_secs(), Ordering::Relaxed);
                }
            });
            let ended = loop {
                if let Some(status) = self.emulator.try_wait()? {
                    let said = || read(&files.emulator);
                    ensure!(status.success(), "the emulator failed: {}", said());
                    break true;
                }
                let passed = start.elapsed();
                let heard = Duration::from_secs(heard.load(Ordering::Relaxed));
                if passed.saturating_sub(heard) > bed.silence {
                    self.off();
                    let silence = bed.silence;
                    bail!(Stall(format!("nothing was heard of it for {silence:?}")));
                }
                if passed > bed.limit {
                    self.off();
                    break false;
                }
                thread::sleep(PAUSE);
            };
            // Its pipe is closed now; a reader that panicked has been heard of.
            let _ = reader.join();
            Ok(ended)
        })
    }

    fn off(&mut self) {
        // Our own child, not waited for yet, so the id is still its own.
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.off();
    }
}

/// The files of a run. The large ones go with it.
struct Files {
    initramfs: PathBuf,
    console: PathBuf,
    emulator: PathBuf,
    job: PathBuf,
    archive: PathBuf,
    results: PathBuf,
}

impl Files {
    fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {folder:?}"))?;
        let files = Self {
            initramfs: folder.join("initramfs"),
            console: folder.join("console.log"),
            emulator: folder.join("emulator.log"),
            job: folder.join("job.log"),
            archive: folder.join("results.tar"),
            results: folder.join("results"),
        };
        // Nothing of an earlier run shall be taken for this one's.
        for old in [&files.console, &files.archive] {
            let _ = fs::remove_file(old);
        }
        let _ = fs::remove_dir_all(&files.results);
        fs::create_dir_all(&files.results)?;
        Ok(files)
    }

    /// Without compression: the emulator hands it over at once, and unpacking would be emulated.
    fn write(&self, payload: &Payload) -> Result<()> {
        let failed = || format!("cannot write {:?}", self.initramfs);
        let file = File::create(&self.initramfs).with_context(failed)?;
        let mut output = BufWriter::new(file);
        payload.archive().write(&mut output).with_context(failed)?;
        output.flush().with_context(failed)
    }

    /// How the console ended, and the job.
    fn last_words(&self) -> String {
        let (console, job) = (tail(&read(&self.console)), tail(&read(&self.job)));
        format!("  console:\n{console}  job:\n{job}")
    }

    /// The kernel did not say that it stalled.
    fn check_for_stall(&self) -> Result<(), Stall> {
        match stall(&read(&self.console)) {
            Some(line) => Err(Stall(line.to_owned())),
            None => Ok(()),
        }
    }

    /// Unpacks the results and returns the status of the job, if they came.
    fn unpack(&self) -> Result<Option<i32>> {
        let mut tar = Command::new("tar");
        tar.arg("-xf")
            .arg(&self.archive)
            .arg("-C")
            .arg(&self.results);
        let output = tar.output().context("cannot run `tar`")?;
        let Ok(status) = fs::read_to_string(self.results.join("status")) else {
            return Ok(None);
        };
        ensure!(
            output.status.success(),
            "the results are not whole: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(status.trim().parse().ok())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.initramfs);
        let _ = fs::remove_file(&self.archive);
    }
}

/// The text of a log. The emulator's own says at length which features of the CPU it lacks.
fn read(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace('\r', "");
    let lines = text.lines().filter(|line| !line.contains("TCG doesn't"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The line in which the kernel says that it stalled.
fn stall(console: &str) -> Option<&str> {
    let says = |line: &&str| STALLS.iter().any(|words| line.contains(words));
    console.lines().map(str::trim).find(says)
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(SHOWN);
    let shown = lines[from..].iter().map(|line| format!("    {line}\n"));
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_stalls_says_so() {
        let lines = [
            "[   72.1] watchdog: BUG: soft lockup - CPU#0 stuck for 67s! [fata-hvt:99]",
            "[  332.5] rcu: INFO: rcu_preempt self-detected stall on CPU",
            "[  332.5] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        ];
        for line in lines {
            assert_eq!(stall(&format!("[  1.0] hello\n{line}\n")), Some(line));
        }
        // What the tests themselves bring about is not of this kind.
        assert_eq!(
            stall("[ 1.0] fata-hvt[9]: segfault at 0\n[ 2.0] Kernel panic\n"),
            None
        );
    }
}

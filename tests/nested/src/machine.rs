// SPDX-License-Identifier: ISC
//! Boots a payload in the emulator, and brings back what came of it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
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
/// Nothing is waited for that does not come, and a panic ends the emulator.
const COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off tsc=reliable \
    nokaslr random.trust_cpu=on audit=0";
/// How often the emulator is looked at.
const PAUSE: Duration = Duration::from_millis(20);
/// Lines of the console that are shown with a failure.
const SHOWN: usize = 30;

/// A machine to be.
#[derive(Clone, Debug)]
pub struct Bed {
    kernel: Kernel,
    /// MB of memory, of which the payload takes its part twice while it is unpacked.
    pub memory: u32,
    /// The time after which the machine is turned off, as failed.
    pub limit: Duration,
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
            memory: 1024,
            limit: Duration::from_secs(300),
        })
    }

    /// Boots `payload` and waits until its job has ended and the machine is off. What the job says
    /// goes to `each`, line by line as it comes. Files of the run are made in `folder`, whose
    /// `results` are then the report's.
    ///
    /// # Errors
    ///
    /// If the emulator cannot be started, or the job did not come to its end in time; the end of
    /// the console is in the message.
    pub fn run(
        &self,
        payload: &mut Payload,
        folder: &Path,
        each: impl FnMut(&str) + Send,
    ) -> Result<Report> {
        payload.modules(&self.kernel.modules(&MODULES)?);
        let files = Files::new(folder)?;
        files.write(payload)?;
        let start = Instant::now();
        let mut machine = self.start(&files)?;
        let ended = machine.wait(self.limit, &files, each)?;
        let duration = start.elapsed();
        drop(machine);
        if !ended {
            bail!(
                "the nested machine did not end within {:?}\n{}",
                self.limit,
                files.last_words()
            );
        }
        let Some(status) = files.unpack()? else {
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
        command.args(["-accel", "tcg", "-machine", "q35", "-cpu", "EPYC"]);
        // With one CPU a thread that spins keeps the one that it waits for from running.
        command
            .args(["-smp", "2", "-m"])
            .arg(self.memory.to_string());
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
    /// Waits until it is off, for at most `limit`, and says whether it is.
    fn wait(
        &mut self,
        limit: Duration,
        files: &Files,
        mut each: impl FnMut(&str) + Send,
    ) -> Result<bool> {
        let mut log = File::create(&files.job)?;
        let output = self.output.take().context("its output is gone")?;
        let start = Instant::now();
        thread::scope(|scope| {
            let reader = scope.spawn(move || {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line);
                    // Only the end of it is shown, if anything fails.
                    let _ = writeln!(log, "{line}");
                    each(&line);
                }
            });
            let ended = loop {
                if let Some(status) = self.emulator.try_wait()? {
                    let said = || read(&files.emulator);
                    ensure!(status.success(), "the emulator failed: {}", said());
                    break true;
                }
                if start.elapsed() > limit {
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

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(SHOWN);
    let shown = lines[from..].iter().map(|line| format!("    {line}\n"));
    shown.collect()
}

// SPDX-License-Identifier: ISC
//! Starts a program, catches what it prints, and waits for it no longer than it may take.

use std::{
    ffi::{OsStr, OsString},
    io::{self, PipeReader, PipeWriter, Read},
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    namespace::Namespace,
    outcome::{Ending, Outcome, Status},
    pace,
};

/// How long a unikernel may take where nothing else is said.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a process is looked at.
const PAUSE: Duration = Duration::from_millis(2);

/// A unikernel to start: by its tender, or by itself.
#[derive(Debug)]
pub struct Launch {
    program: PathBuf,
    image: Option<PathBuf>,
    options: Vec<OsString>,
    arguments: Vec<OsString>,
    variable: Option<(&'static str, &'static str)>,
    output: Option<PipeWriter>,
    descriptor: Option<OwnedFd>,
    limit: Duration,
}

impl Launch {
    /// Starts `program` on `image`; without an image the program is its own tender.
    pub fn new(program: &Path, image: Option<&Path>) -> Self {
        Self {
            program: program.to_owned(),
            image: image.map(Path::to_owned),
            options: Vec::new(),
            arguments: Vec::new(),
            variable: None,
            output: None,
            descriptor: None,
            limit: LIMIT,
        }
    }

    /// Adds an option of the tender.
    pub fn option(mut self, option: impl AsRef<OsStr>) -> Self {
        self.options.push(option.as_ref().to_owned());
        self
    }

    /// Adds a boot argument.
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets a variable of its environment.
    pub fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variable = Some((name, value));
        self
    }

    /// Has its output go to `writer`, whose reader may be slow, rather than be caught.
    pub fn output(mut self, writer: PipeWriter) -> Self {
        self.output = Some(writer);
        self
    }

    /// Attaches a file as block device.
    pub fn block(self, name: &str, file: &Path) -> Self {
        let mut option = OsString::from(format!("--block:{name}="));
        option.push(file);
        self.option(option)
    }

    /// Attaches a tap as network device.
    pub fn net(self, name: &str, interface: &str) -> Self {
        self.option(format!("--net:{name}={interface}"))
    }

    /// Hands it `descriptor`, as number 3.
    pub fn descriptor(mut self, descriptor: OwnedFd) -> Self {
        self.descriptor = Some(descriptor);
        self
    }

    /// Ends it after `limit`, as failed.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// If it cannot be started or takes too long.
    pub fn run(self) -> Result<Outcome, Ending> {
        self.start(None)?.wait()
    }

    /// Starts it, in `namespace` if one is given.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(self, namespace: Option<&Namespace>) -> Result<Running, Ending> {
        let mut words = vec![self.program.clone().into_os_string()];
        words.extend(self.options.iter().cloned());
        words.push("--".into());
        words.extend(self.image.iter().map(OsString::from));
        words.extend(self.arguments.iter().cloned());
        if let Some(namespace) = namespace {
            words.splice(0..0, namespace.prefix());
        }
        let mut input = Stdio::null();
        if let Some(descriptor) = self.descriptor {
            let shell = ["bash", "-c", "exec \"$0\" \"$@\" 3<&0 0</dev/null"];
            words.splice(0..0, shell.map(OsString::from));
            input = descriptor.into();
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.envs(self.variable);
        command.stdin(input);
        Running::begin(command, self.output, self.limit)
    }
}

/// A process that was started. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    reader: Option<JoinHandle<Vec<u8>>>,
    line: String,
    start: Instant,
    limit: Duration,
}

impl Running {
    /// Starts `command` with both its outputs caught together.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(mut command: Command, limit: Duration) -> Result<Self, Ending> {
        command.stdin(Stdio::null());
        Self::begin(command, None, limit)
    }

    /// Starts `command`, whose input is set, with its output going elsewhere, or caught as its errors
    /// are.
    fn begin(
        mut command: Command,
        output: Option<PipeWriter>,
        limit: Duration,
    ) -> Result<Self, Ending> {
        let line = format!("{command:?}");
        let start = || -> io::Result<(Child, PipeReader)> {
            let (reader, writer) = io::pipe()?;
            let output = output.map_or_else(|| writer.try_clone(), Ok)?;
            command.stdout(output).stderr(writer);
            let child = command.spawn()?;
            // The command holds the pipe open as long as it lives.
            drop(command);
            Ok((child, reader))
        };
        let (child, mut reader) =
            start().map_err(|error| Ending::Failed(format!("cannot start {line}: {error}")))?;
        let reader = thread::spawn(move || {
            let mut output = Vec::new();
            // What was read until an error is all that there is to judge.
            let _ = reader.read_to_end(&mut output);
            output
        });
        Ok(Self {
            child,
            reader: Some(reader),
            line,
            start: Instant::now(),
            limit: pace::limit(limit),
        })
    }

    /// The number of the process, for `/proc`.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// If it takes too long; it is ended then.
    pub fn wait(mut self) -> Result<Outcome, Ending> {
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status_of(status),
                Ok(None) if self.start.elapsed() < self.limit => thread::sleep(PAUSE),
                Ok(None) => {
                    self.end();
                    break Status::TooLate(self.limit);
                }
                Err(error) => return Err(Ending::Failed(format!("{}: {error}", self.line))),
            }
        };
        let output = self.reader.take().map(JoinHandle::join);
        let output = output.and_then(Result::ok).unwrap_or_default();
        let outcome = Outcome {
            line: self.line.clone(),
            status,
            output: String::from_utf8_lossy(&output).into_owned(),
            duration: self.start.elapsed(),
        };
        match status {
            Status::TooLate(_) => outcome.fails("it to end"),
            _ => Ok(outcome),
        }
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it, for its output.
    ///
    /// # Errors
    ///
    /// If its end cannot be told.
    pub fn stop(mut self) -> Result<Outcome, Ending> {
        self.end();
        self.wait()
    }

    fn end(&mut self) {
        // It is our own child and was not waited for, so the id is still its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            self.end();
        }
    }
}

fn status_of(status: ExitStatus) -> Status {
    match (status.code(), status.signal()) {
        (Some(code), _) => Status::Exited(code),
        (None, signal) => Status::Killed(signal.unwrap_or_default()),
    }
}

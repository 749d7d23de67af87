/*!
libfaiss in a process of its own: starting it, feeding it, asking it, and saying what ended it.

The program is part of this library's file, so that whoever trusts the file's digest trusts it too. It is written to a
private temporary file for as long as starting takes. It inherits nothing: no environment (there may be secrets in it),
no folder, no terminal's signals.
*/

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use vecferry_faiss_protocol::{About, Answer, BLOCK, Request, receive, send};
use vecferry_sdk::{Error, Host, Result};

use crate::words;

/// The helper program.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/faiss-reader"));
/// How often a wait looks whether the user asked to stop.
const GLANCE: Duration = Duration::from_millis(100);
/// Bytes of the helper's last words.
const MAX_WORDS: usize = 2048;
/// What the system's loader exits with when a library is missing.
const NOT_LOADED: i32 = 127;

type Answered = io::Result<Option<(Answer, Vec<u8>)>>;

/// A helper that has read an index. It ends when dropped.
pub(crate) struct Helper {
    host: Host,
    file: String,
    process: Process,
    about: About,
}

impl Helper {
    /// Starts a helper and gives it an index.
    ///
    /// # Errors
    /// `unsupported` and `corrupt`, in libfaiss' words; `corrupt` too where the index ended the helper; `transient`
    /// when the user asked to stop; `internal` where no helper can be started.
    pub(crate) fn open(host: &Host, file: &str) -> Result<Helper> {
        let index = host.open_file(file)?;
        let mut process = Process::start()?;
        process.ask(&Request::Open { bytes: index.size() }, &[]);
        let mut offset = 0u64;
        let about = loop {
            match process.answer(host, file)? {
                (Answer::More, _) => {
                    let block = index.read_at(offset, BLOCK)?;
                    offset = offset.saturating_add(block.len() as u64);
                    process.ask(&Request::Bytes, &block);
                }
                (Answer::Opened(about), _) => break about,
                (Answer::Failed(message), _) => return Err(words::refused(file, &message)),
                (Answer::Rows, _) => return Err(misunderstood(file)),
            }
        };
        Ok(Helper { host: host.clone(), file: file.to_owned(), process, about })
    }

    /// What libfaiss says about the index.
    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// Ids and values (rows × dimension) of up to `count` records from the `first` on; at least one, where there is
    /// one.
    ///
    /// # Errors
    /// As [`Helper::open`].
    pub(crate) fn rows(&mut self, first: u64, count: u32) -> Result<(Vec<i64>, Vec<f32>)> {
        self.process.ask(&Request::Rows { first, count }, &[]);
        let body = match self.process.answer(&self.host, &self.file)? {
            (Answer::Rows, body) => body,
            (Answer::Failed(message), _) => return Err(words::refused(&self.file, &message)),
            (Answer::More | Answer::Opened(_), _) => return Err(misunderstood(&self.file)),
        };
        let row = (self.about.dimension as usize).saturating_mul(4).saturating_add(8);
        let rows = body.len() / row;
        if rows == 0 || rows > count as usize || !body.len().is_multiple_of(row) {
            return Err(misunderstood(&self.file));
        }
        let (ids, values) = body.split_at(rows * 8);
        let ids = ids.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        let values = values.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok((ids, values))
    }
}

/// A running helper and the pipes to it.
struct Process {
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<Answered>,
    last_words: Receiver<String>,
}

impl Process {
    fn start() -> Result<Process> {
        let failed = |error: io::Error| {
            Error::internal("faiss-native/helper", format!("cannot start the process that reads the index: {error}"))
                .hint("the folder for temporary files (TMPDIR) must be one from which programs may be run")
        };
        let mut child = spawn().map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(requests), Some(answers), Some(words)) = pipes else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        let (answers, last_words) = (listen(answers), gather(words));
        Ok(Process { child, requests: Some(requests), answers, last_words })
    }

    /// A pipe that broke is not reported here: the answer will tell why.
    fn ask(&mut self, request: &Request, body: &[u8]) {
        if let Some(requests) = &mut self.requests
            && send(requests, request, body).is_err()
        {
            self.requests = None;
        }
    }

    fn answer(&mut self, host: &Host, file: &str) -> Result<(Answer, Vec<u8>)> {
        loop {
            if host.cancelled() {
                return Err(Error::transient("faiss-native/stopped", "reading was stopped").at("file", file));
            }
            match self.answers.recv_timeout(GLANCE) {
                Ok(Ok(Some(answer))) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Ok(None) | Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(self.ended(file)),
            }
        }
    }

    /// Why there is no answer.
    fn ended(&mut self, file: &str) -> Error {
        // If it only closed its pipe, it ends now.
        self.requests = None;
        let _ = self.child.kill();
        let status = self.child.wait();
        let words = self.last_words.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        let words = if words.is_empty() { String::new() } else { format!(": {words}") };
        if status.as_ref().is_ok_and(|status| status.code() == Some(NOT_LOADED)) {
            let message = format!("the process that reads the index cannot be loaded{words}");
            return Error::not_found("faiss-native/libraries", message).hint(
                "install OpenBLAS, LAPACK and OpenMP; on Debian: apt-get install libopenblas0 liblapack3 libgomp1",
            );
        }
        let how = match status {
            Ok(status) => match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => status.to_string(),
            },
            Err(error) => error.to_string(),
        };
        Error::corrupt("faiss-native/crashed", format!("the index made libfaiss end its process ({how}){words}"))
            .hint("the index is damaged, or needs more memory than there is")
            .at("file", file)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It holds nothing worth a farewell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn() -> io::Result<Child> {
    let mut program = tempfile::Builder::new()
        .prefix("vecferry-faiss-reader-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempfile()?;
    program.write_all(PROGRAM)?;
    // Closed: what is open for writing cannot be run. Deleted when this function returns.
    let program = program.into_temp_path();
    let mut command = Command::new(&program);
    command
        .env_clear()
        // One vector at a time leaves nothing to do for more threads.
        .envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1")])
        .envs(std::env::vars_os().filter(|(name, _)| name == "LD_LIBRARY_PATH"))
        .current_dir("/")
        // A Ctrl-C is for the host, which ends what it has begun.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut tries = 0;
    loop {
        match command.spawn() {
            // Another thread started a process while the file was open here: for a moment, it has it open too.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < 100 => {
                tries += 1;
                thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

/// Answers as they come, until the pipe closes. Nobody waits for the thread: it ends with the helper.
fn listen(mut pipe: ChildStdout) -> Receiver<Answered> {
    let (to, answers) = sync_channel(1);
    thread::spawn(move || {
        loop {
            let answer = receive(&mut pipe);
            let last = !matches!(answer, Ok(Some(_)));
            if to.send(answer).is_err() || last {
                return;
            }
        }
    });
    answers
}

/// What stands last on the helper's standard error when it has ended.
fn gather(mut pipe: ChildStderr) -> Receiver<String> {
    let (to, words) = sync_channel(1);
    thread::spawn(move || {
        let (mut last, mut block) = (Vec::new(), [0; 1024]);
        while let Ok(read @ 1..) = pipe.read(&mut block) {
            last.extend_from_slice(&block[..read]);
            last.drain(..last.len().saturating_sub(MAX_WORDS));
        }
        let _ = to.send(String::from_utf8_lossy(&last).trim().to_owned());
    });
    words
}

fn misunderstood(file: &str) -> Error {
    Error::corrupt("faiss-native/answer", "the process that reads the index answered with something else")
        .at("file", file)
}

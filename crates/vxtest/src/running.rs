//! Programs that run beside the test.

use std::io::{self, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::command;
use crate::wait::{PATIENCE, wait_until};

/// A process whose output is read as it comes. It is killed when it is dropped.
pub struct Running {
    child: Child,
    command: String,
    begin: Instant,
    out: Heard,
    err: Heard,
}

impl Running {
    /// Starts a command.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let out = Heard::read(child.stdout.take().expect("stdout is piped"));
        let err = Heard::read(child.stderr.take().expect("stderr is piped"));
        Self { child, command: format!("{command:?}"), begin: Instant::now(), out, err }
    }

    /// Does it still run?
    ///
    /// # Panics
    ///
    /// Where it runs longer than [`PATIENCE`].
    pub fn is_running(&mut self) -> bool {
        let runs = !self.has_ended();
        assert!(!runs || self.begin.elapsed() < PATIENCE, "{}", self.told("it does not end"));
        runs
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the process can be asked").is_some()
    }

    /// Writes to its stdin, which must be piped, and closes it. It does so in a thread of its own,
    /// as the process may read slowly; an error ends that thread, as the process may have ended.
    ///
    /// # Panics
    ///
    /// Where stdin is not piped.
    #[must_use]
    pub fn fed(
        mut self,
        write: impl FnOnce(&mut ChildStdin) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let mut stdin = self.child.stdin.take().expect("stdin is piped");
        thread::spawn(move || write(&mut stdin));
        self
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until stderr is as it should be, and gives it.
    ///
    /// # Panics
    ///
    /// Where it is not within [`PATIENCE`], or the process closes it before.
    pub fn says(&self, what: &str, is_said: impl Fn(&str) -> bool) -> String {
        self.expect(&self.err, what, is_said)
    }

    /// Waits until stdout is as it should be, and gives it.
    ///
    /// # Panics
    ///
    /// Where it is not within [`PATIENCE`], or the process closes it before.
    pub fn prints(&self, what: &str, is_printed: impl Fn(&str) -> bool) -> String {
        self.expect(&self.out, what, is_printed)
    }

    /// Waits until a capture program says so many times that it listens, and then until it does.
    ///
    /// # Panics
    ///
    /// Where it does not say so within [`PATIENCE`].
    #[must_use]
    pub fn listening(self, times: usize) -> Self {
        self.says("listening on", |said| said.matches("listening on").count() >= times);
        // between the message and the first look at the devices
        thread::sleep(Duration::from_millis(300));
        self
    }

    /// Sends a signal: `INT`, `TERM`, `HUP` …
    ///
    /// # Panics
    ///
    /// Where the process has ended.
    pub fn signal(&mut self, name: &str) {
        assert!(!self.has_ended(), "{}", self.told("it ended before the signal"));
        let sent = Self::start(command("kill").args(["-s", name, &self.id().to_string()])).output();
        assert!(sent.status.success(), "SIG{name}: {}", String::from_utf8_lossy(&sent.stderr));
    }

    /// Waits for the end: status, stdout and stderr.
    ///
    /// # Panics
    ///
    /// Where the process does not end within [`PATIENCE`], or prints no text.
    pub fn ended(self) -> (ExitStatus, String, String) {
        let command = self.command.clone();
        let output = self.output();
        let text = |bytes| {
            String::from_utf8(bytes).unwrap_or_else(|e| panic!("{command} prints no text: {e}"))
        };
        (output.status, text(output.stdout), text(output.stderr))
    }

    /// Waits for the end, whatever it prints.
    ///
    /// # Panics
    ///
    /// Where the process does not end within [`PATIENCE`].
    pub fn output(mut self) -> Output {
        let begin = Instant::now();
        let closed = self.out.wait(begin, |_| false) && self.err.wait(begin, |_| false);
        assert!(closed, "{}", self.told("it does not end"));
        let status = wait_until("the end of a process", || {
            let status = self.child.try_wait().expect("the process can be asked");
            status.ok_or_else(|| self.told("it does not end"))
        });
        Output { status, stdout: self.out.take(), stderr: self.err.take() }
    }

    fn expect(&self, heard: &Heard, what: &str, is_right: impl Fn(&str) -> bool) -> String {
        let is_right = |bytes: &[u8]| is_right(&String::from_utf8_lossy(bytes));
        heard.wait(Instant::now(), is_right);
        let bytes = heard.state().bytes.clone();
        assert!(is_right(&bytes), "{}", self.told(&format!("waited for {what}")));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A message about the process, with its output so far.
    fn told(&self, what: &str) -> String {
        let [out, err] = [&self.out, &self.err]
            .map(|heard| String::from_utf8_lossy(&heard.state().bytes).into_owned());
        format!("{}: {what}\nstdout:\n{out}\nstderr:\n{err}", self.command)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What came from a stream so far.
#[derive(Clone, Default)]
struct Heard(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    is_closed: bool,
}

impl Heard {
    /// Reads a stream to its end, in a thread of its own.
    fn read(mut stream: impl Read + Send + 'static) -> Self {
        let heard = Self::default();
        let told = heard.clone();
        thread::spawn(move || {
            let mut block = vec![0; 65536];
            loop {
                let len = stream.read(&mut block).unwrap_or(0);
                let mut state = told.state();
                state.bytes.extend(&block[..len]);
                state.is_closed = len == 0;
                told.0.1.notify_all();
                if len == 0 {
                    return;
                }
            }
        });
        heard
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the bytes are right or the stream is closed; `false` after [`PATIENCE`].
    fn wait(&self, begin: Instant, is_right: impl Fn(&[u8]) -> bool) -> bool {
        let mut state = self.state();
        while !is_right(&state.bytes) && !state.is_closed {
            let Some(left) = PATIENCE.checked_sub(begin.elapsed()) else { return false };
            let waited = self.0.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.state().bytes)
    }
}

//! flannel's topology in network namespaces, and captures that run in it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("a process has a status");
    let root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    if !root {
        eprintln!("skipped: live capture is tested in network namespaces, which needs root");
    }
    root
}

pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}{}-{}", std::process::id() % 10_000, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// flannel's topology, removed at the end; and a folder for files.
pub(crate) struct Lab {
    prefix: String,
    pub(crate) folder: PathBuf,
}

impl Lab {
    pub(crate) fn up(options: &[&str]) -> Self {
        let prefix = unique("vd");
        let folder = std::env::temp_dir().join(&prefix);
        fs::create_dir_all(&folder).expect("a folder for files");
        let lab = Self { prefix, folder };
        lab.command(&[&["up"], options].concat());
        lab
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/lab/flannel-lab");
        let output = Command::new(script)
            .args(["--prefix", &self.prefix])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the lab's script");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn netns(&self, place: &str) -> String {
        format!("{}-{place}", self.prefix)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// What vxdump prints, and ends.
    pub(crate) fn listing(&self, place: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vxdump"));
        command.args(["--netns", &self.netns(place)]).args(arguments);
        let output = command.stdin(Stdio::null()).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts vxdump on a device of a node or pod, and waits until it listens.
    pub(crate) fn vxdump(&self, place: &str, arguments: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vxdump"));
        command.args(["--netns", &self.netns(place)]).args(arguments);
        let devices = arguments.iter().filter(|argument| **argument == "-i").count();
        Running::start(command, devices)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.command(&["down"]);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A capture that runs; ended by its id.
pub(crate) struct Running {
    pub(crate) child: Child,
    said: BufReader<std::process::ChildStderr>,
    /// What it prints, read as it comes: one that waits for its reader loses frames.
    out: Option<JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(mut command: Command, devices: usize) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut stdout = child.stdout.take().expect("it is piped");
        let out = thread::spawn(move || {
            let mut out = String::new();
            stdout.read_to_string(&mut out).expect("text");
            out
        });
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut heard = String::new();
        for _ in 0..devices {
            let before = heard.len();
            said.read_line(&mut heard).expect("stderr is text");
            assert!(heard[before..].contains("listening on"), "{heard}");
        }
        // what stands between listening and the first look at the devices
        thread::sleep(Duration::from_millis(300));
        Self { child, said, out: Some(out) }
    }

    /// Sends a signal, after what came has had time to come through. Gives status, stdout, stderr.
    pub(crate) fn end(mut self, signal: &str) -> (ExitStatus, String, String) {
        thread::sleep(Duration::from_millis(1300));
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill");
        assert!(sent.success(), "it has ended before");
        self.ended()
    }

    pub(crate) fn ended(&mut self) -> (ExitStatus, String, String) {
        let out = self.out.take().expect("it ends once").join().expect("it was read");
        let mut err = String::new();
        self.said.read_to_string(&mut err).expect("text");
        (self.child.wait().expect("a status"), out, err)
    }
}

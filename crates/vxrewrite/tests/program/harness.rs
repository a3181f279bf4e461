//! Runs the program in-process, and the judges as programs.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use vxrewrite::program::{self, Terminal};

/// What a run gave.
pub(crate) struct Outcome {
    pub(crate) status: u8,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `vxrewrite ARGS`.
pub(crate) fn vxrewrite<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Outcome {
    let (out, err) = (Shared::default(), Shared::default());
    let mut terminal = Terminal::of_streams("vxrewrite", out.clone(), err.clone());
    let args = std::iter::once("vxrewrite".into()).chain(args.into_iter().map(Into::into));
    let status = program::run(args, &mut terminal);
    Outcome {
        status,
        stdout: out.0.take(),
        stderr: String::from_utf8_lossy(&err.0.take()).into_owned(),
    }
}

/// A folder of its own for a test, taken away at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vxrewrite-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of all files in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The reference captures; `None`, and told, where they are absent.
pub(crate) fn captures() -> Option<PathBuf> {
    let folder = std::env::var_os("VXDUMP_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no reference captures at {} (VXDUMP_CAPTURES)", folder.display());
    None
}

/// All files below a folder, in order.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Runs a judge, which must be installed; it must end well and warn of nothing.
pub(crate) fn judge(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| {
        panic!("{program} is needed for this test, and does not run: {error}")
    });
    let stderr: String = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| !line.starts_with("Running as user"))
        .collect();
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    assert!(stderr.is_empty(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fields of each packet by tshark: one line a packet, the fields with `;` between.
pub(crate) fn tshark(file: &Path, options: &[&str], fields: &[&str]) -> Vec<String> {
    let file = file.to_str().unwrap();
    let mut args = vec!["-n", "-r", file, "-T", "fields", "-E", "separator=;"];
    args.extend(options);
    for field in fields {
        args.extend(["-e", field]);
    }
    judge("tshark", &args).lines().map(str::to_owned).collect()
}

/// Time in nanoseconds, original length and bytes of each packet of a capture.
pub(crate) fn packets(path: &Path) -> Vec<(i64, u32, Vec<u8>)> {
    let mut reader = vxcap::file::Reader::open(path).unwrap();
    let mut packets = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        packets.push((frame.time.nanos(), frame.orig_len, frame.data.to_vec()));
    }
    packets
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

//! Network namespaces, to capture in a pod's from outside of the pod.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::thread;

use super::{Error, sys};

/// The folders of the names of `ip netns` (ip-netns(8)), which are different on systems where
/// `/var/run` is not `/run`.
pub(super) const NAMED_FOLDERS: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// An open network namespace. It stays usable if its name is removed.
#[derive(Debug)]
pub struct Netns {
    name: String,
    file: File,
}

impl Netns {
    /// Opens a namespace. `pid:N` is that of a process; a text with a `/` is a path, as
    /// `/proc/N/ns/net` or one that a container runtime made; other texts are names of `ip netns`.
    ///
    /// # Errors
    ///
    /// [`Error::Netns`] where it does not exist, or where the process may not open it.
    pub fn open(wanted: &str) -> Result<Self, Error> {
        let opened = match wanted.strip_prefix("pid:") {
            Some(pid) if !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) => {
                File::open(format!("/proc/{pid}/ns/net"))
            }
            Some(_) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "pid: needs the number of a process after it",
            )),
            None => open_first(&candidates(wanted)),
        };
        let name = wanted.to_owned();
        match opened {
            Ok(file) => Ok(Self { name, file }),
            Err(source) => Err(Error::Netns { name, source }),
        }
    }

    /// The name that it was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` in a new thread inside the namespace, and gives its result. Sockets that it
    /// opens stay in the namespace, whichever thread uses them. The calling thread does not change
    /// its namespace.
    ///
    /// # Errors
    ///
    /// [`Error::Netns`] where the namespace cannot be entered, and the error of `work`.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
        let failed = |source| Error::Netns { name: self.name.clone(), source };
        thread::scope(|scope| {
            let inside =
                thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, || {
                    sys::enter_netns(self.file.as_fd()).map_err(failed)?;
                    work()
                });
            match inside.map_err(failed)?.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Runs `work` inside a namespace, or in that of the caller.
pub(super) fn run_in<T: Send>(
    netns: Option<&Netns>,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    match netns {
        Some(netns) => netns.run(work),
        None => work(),
    }
}

fn candidates(wanted: &str) -> Vec<PathBuf> {
    if wanted.contains('/') {
        return vec![PathBuf::from(wanted)];
    }
    // an empty name, `.` and `..` would name the folder or its parent
    let is_name = !wanted.trim_matches('.').is_empty();
    let folders = NAMED_FOLDERS.iter().filter(|_| is_name);
    folders.map(|folder| Path::new(folder).join(wanted)).collect()
}

/// Opens the first file that exists. If there is none, the error is that of the first one.
fn open_first(paths: &[PathBuf]) -> io::Result<File> {
    let mut first = None;
    for path in paths {
        match File::open(path) {
            Ok(file) => return Ok(file),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_namespace_is_refused() {
        for wanted in ["", "..", "no-such-namespace", "pid:", "pid:1x", "pid:999999999", "/nowhere"]
        {
            let error = Netns::open(wanted).unwrap_err();
            let Error::Netns { name, source } = &error else { panic!("{wanted}: {error}") };
            assert_eq!((name.as_str(), source.kind()), (wanted, io::ErrorKind::NotFound));
        }
        let file = Netns::open("/proc/self/exe").unwrap();
        let error = file.run(|| Ok(())).unwrap_err().to_string();
        assert!(error.starts_with("network namespace /proc/self/exe: "), "{error}");
    }
}

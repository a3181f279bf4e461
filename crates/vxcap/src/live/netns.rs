//! Network namespaces: a capture in a pod's, from outside of the pod.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::thread;

use super::{Error, sys};

/// Where `ip netns` keeps its names (ip-netns(8)), and the same place on systems where `/run` is not what
/// `/var/run` is.
pub(super) const NAMED_FOLDERS: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// A network namespace, held open: it stays what it is, even where its name is removed.
#[derive(Debug)]
pub struct Netns {
    name: String,
    file: File,
}

impl Netns {
    /// Opens the namespace that `wanted` says: `pid:N` is that of a process, what has a `/` in it a path
    /// (`/proc/N/ns/net`, or what a container runtime bound it to), and all else a name of `ip netns`.
    ///
    /// # Errors
    ///
    /// [`Error::Netns`] where there is no such thing, or where it may not be opened.
    pub fn open(wanted: &str) -> Result<Self, Error> {
        let opened = match wanted.strip_prefix("pid:") {
            Some(pid) if !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) => {
                File::open(format!("/proc/{pid}/ns/net"))
            }
            Some(_) => Err(io::Error::new(io::ErrorKind::NotFound, "pid: wants a number after it")),
            None => open_first(&candidates(wanted)),
        };
        let name = wanted.to_owned();
        match opened {
            Ok(file) => Ok(Self { name, file }),
            Err(source) => Err(Error::Netns { name, source }),
        }
    }

    /// As it was asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` in a thread of its own inside the namespace, and gives what it makes: sockets opened there
    /// stay there, whichever thread uses them later. The calling thread stays where it is.
    ///
    /// # Errors
    ///
    /// [`Error::Netns`] where the namespace cannot be entered, else the error of `work`.
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

/// Runs `work` inside a namespace, or where the caller is.
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

/// The first that is there; else the first one's error.
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
    fn what_is_no_namespace_is_refused_with_a_hint() {
        for wanted in ["", "..", "no-such-namespace", "pid:", "pid:1x", "pid:999999999", "/nowhere"]
        {
            let error = Netns::open(wanted).unwrap_err().to_string();
            assert!(error.contains("ip netns"), "{wanted}: {error}");
        }
        let file = Netns::open("/proc/self/exe").unwrap();
        let error = file.run(|| Ok(())).unwrap_err().to_string();
        assert!(error.starts_with("network namespace /proc/self/exe: "), "{error}");
    }
}

//! flannel's topology in network namespaces: `testdata/lab/flannel-lab`.

use crate::captures::testdata;
use crate::ended::tool;
use crate::folder::{Folder, unique};
use crate::skip::{has_tools, is_root};

/// flannel's topology, removed when it is dropped; and a folder for files.
pub struct Lab {
    prefix: String,
    /// For the files of the test.
    pub folder: Folder,
}

impl Lab {
    /// Builds it; `flannel-lab --help` lists the options. `None` without root, or what the lab is
    /// made with; the test is then recorded as skipped.
    ///
    /// # Panics
    ///
    /// Where it cannot be built.
    pub fn up(options: &[&str]) -> Option<Self> {
        if !is_root() || !has_tools(&["ip", "bridge", "ping", "python3"]) {
            return None;
        }
        let lab = Self { prefix: unique("vx"), folder: Folder::new() };
        lab.command(&[&["up"], options].concat());
        Some(lab)
    }

    /// What a command of `flannel-lab` prints: `["traffic", "ping"]`, `["exec", "n1", …]`.
    ///
    /// # Panics
    ///
    /// Where it fails.
    pub fn command(&self, arguments: &[&str]) -> String {
        let script = testdata("lab/flannel-lab");
        tool(script, [&["--prefix", &self.prefix], arguments].concat())
    }

    /// The network namespace of a node or pod: `n1`, `n1p1`.
    pub fn netns(&self, place: &str) -> String {
        format!("{}-{place}", self.prefix)
    }

    /// The path of a file in its folder, as an argument.
    pub fn file(&self, name: &str) -> String {
        self.folder.file(name).display().to_string()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = || self.command(&["down"]);
        // a second panic would end the whole program
        if std::thread::panicking() {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(down));
        } else {
            down();
        }
    }
}

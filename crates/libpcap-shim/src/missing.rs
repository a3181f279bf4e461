//! The error for a libpcap that cannot be loaded.

use std::{error::Error, fmt};

/// libpcap could not be loaded.
///
/// Its `Display` form tells the user what is missing, what to install, and what was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Each name that was tried, in order, with the reason why it failed.
    pub tried: Vec<(String, String)>,
}

/// How to install the library on common systems.
const HOW_TO_INSTALL: &str = "`apt install libpcap0.8` on Debian and Ubuntu (libpcap0.8t64 in their newer releases), \
     `dnf install libpcap` on Fedora and RHEL, `apk add libpcap` on Alpine";

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "libpcap cannot be loaded; install libpcap: {HOW_TO_INSTALL} (tried ")?;
        if self.tried.is_empty() {
            f.write_str("no name: VXDUMP_LIBPCAP is empty")?;
        }
        for (index, (name, reason)) in self.tried.iter().enumerate() {
            // The loader's reason mostly begins with the name: once is enough.
            let separator = if index == 0 { "" } else { "; " };
            if reason.starts_with(name.as_str()) {
                write!(f, "{separator}{reason}")?;
            } else {
                write!(f, "{separator}{name}: {reason}")?;
            }
        }
        f.write_str(")")
    }
}

impl Error for Missing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_what_to_install_and_what_was_tried() {
        let missing = Missing {
            tried: vec![
                ("libpcap.so.1".into(), "libpcap.so.1: cannot open shared object file".into()),
                ("/x/libpcap.so".into(), "wrong ELF class".into()),
            ],
        };
        let words = missing.to_string();
        for part in
            ["apt install libpcap0.8", "libpcap0.8t64", "dnf install libpcap", "apk add libpcap"]
        {
            assert!(words.contains(part), "{part} is not in {words}");
        }
        assert!(words.ends_with(
            "(tried libpcap.so.1: cannot open shared object file; /x/libpcap.so: wrong ELF class)"
        ));
    }
}

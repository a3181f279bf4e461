//! The host that captures.

/// The kernel's name and release: `Linux 6.18.44`.
pub(crate) fn operating_system() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(format!("Linux {}", release.trim()))
}

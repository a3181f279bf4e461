//! Puts an empty `libpcap.a` on the link search path, so that the `-lpcap` of the `pcap` crate is
//! satisfied where libpcap's development package is not installed. The functions themselves are
//! in this crate's library.

use std::{env, error::Error, fs, path::PathBuf};

/// An archive with no members: only the magic string (`ARMAG` of ar.h).
const EMPTY_ARCHIVE: &[u8] = b"!<arch>\n";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    // macOS has libpcap in every SDK, and its linker refuses an archive without members; Windows
    // links wpcap, which this crate does not stand in for.
    let os = env::var("CARGO_CFG_TARGET_OS")?;
    let unix = env::var_os("CARGO_CFG_UNIX").is_some();
    if unix && os != "macos" && os != "ios" {
        let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
        fs::write(out.join("libpcap.a"), EMPTY_ARCHIVE)?;
        println!("cargo:rustc-link-search=native={}", out.display());
    }
    Ok(())
}

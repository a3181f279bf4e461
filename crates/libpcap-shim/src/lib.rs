//! libpcap's functions, forwarded at run time to the installed libpcap, so that nothing is needed
//! to build.
//!
//! The [`pcap`](https://docs.rs/pcap) crate links `-lpcap`, which fails where libpcap's development
//! package is absent, and makes a program that does not start where libpcap itself is absent. A
//! program that depends on this crate too needs neither:
//!
//! - the build script puts an empty `libpcap.a` on the link search path, which satisfies `-lpcap`;
//! - the library exports every `pcap_*` function that the `pcap` crate calls. Each forwards to the
//!   installed libpcap, which is loaded at the first call.
//!
//! Nothing needs to be called for this to work, but a program should ask [`available`] before it
//! uses the `pcap` crate, for the sake of its words: they say what to install. Where libpcap is
//! absent all the same, each function fails as libpcap's own would (a null pointer, `PCAP_ERROR`),
//! with the reason in the error buffer where there is one. None crashes.
//!
//! ```
//! match libpcap_shim::available() {
//!     Ok(()) => assert!(libpcap_shim::version().unwrap().starts_with("libpcap")),
//!     Err(missing) => assert!(missing.to_string().contains("install libpcap")),
//! }
//! ```
//!
//! # Which library is loaded
//!
//! The first of `libpcap.so.1`, `libpcap.so.0.8` (Debian's name for it) and `libpcap.so` that can
//! be loaded; on macOS `libpcap.A.dylib`, then `libpcap.dylib`. The environment variable
//! `VXDUMP_LIBPCAP` replaces the list: one name or path, or several with `:` between them. It is
//! ignored in a program that runs with privileges that its user does not have (file capabilities,
//! set-user-ID), just as the loader ignores `LD_LIBRARY_PATH` there.
//!
//! A program that is linked statically (musl with `crt-static`) cannot load libraries, and is told
//! so.
//!
//! # Where libpcap's development package is installed
//!
//! Nothing changes: the empty archive comes first on the search path. Should the real library be
//! linked too (`LIBPCAP_LIBDIR`), the program's own functions win, and forward to the library that
//! was loaded by name.
//!
//! On Windows this crate is empty: the `pcap` crate links Npcap there.

#[cfg(unix)]
mod forward;
#[cfg(unix)]
mod library;
mod missing;

pub use missing::Missing;

/// Loads libpcap, if that has not been done yet, and says whether it is there.
///
/// The answer does not change while the program runs: what was not found at the first call is not
/// looked for again.
///
/// # Errors
///
/// [`Missing`] says which names were tried, why each failed, and what to install.
pub fn available() -> Result<(), &'static Missing> {
    #[cfg(unix)]
    return library::loaded().map(|_| ());
    #[cfg(not(unix))]
    return Ok(());
}

/// What libpcap says of itself, as `libpcap version 1.10.3 (with TPACKET_V3)`; `None` where it is
/// absent.
pub fn version() -> Option<String> {
    #[cfg(unix)]
    return forward::version();
    #[cfg(not(unix))]
    return None;
}

//! Lets a program that uses the [`pcap`](https://docs.rs/pcap) crate build without libpcap, and
//! start without it.
//!
//! The `pcap` crate links `-lpcap`. That fails where libpcap's development package is not
//! installed, and the program does not start where libpcap itself is not. A program that also
//! depends on this crate needs neither:
//!
//! - The build script puts an empty `libpcap.a` on the link search path, which satisfies `-lpcap`.
//! - The library exports every `pcap_*` function that the `pcap` crate calls. Each forwards to the
//!   installed libpcap, which is loaded at the first call.
//!
//! It works without a call. But a program should call [`available`] before it uses the `pcap`
//! crate, since the error of that function says what to install. Where libpcap is absent, each
//! function fails as libpcap's own would: with a null pointer or `PCAP_ERROR`, and with the reason
//! in the error buffer if there is one. None crashes.
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
//! A program that is linked statically (musl with `crt-static`) cannot load libraries: there
//! [`available`] always fails.
//!
//! # Where libpcap's development package is installed
//!
//! Nothing changes: the empty archive comes first on the search path. If the real library is linked
//! too (`LIBPCAP_LIBDIR`), the functions of this crate are used, and forward to the library that
//! was loaded by name.
//!
//! On Windows this crate is empty: the `pcap` crate links Npcap there.

#[cfg(unix)]
mod forward;
#[cfg(unix)]
mod library;
mod missing;

pub use missing::Missing;

/// Loads libpcap at the first call, and tells whether that succeeded.
///
/// The answer does not change while the program runs: a libpcap that was not found at the first
/// call is not looked for again.
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

/// libpcap's name and version, as `libpcap version 1.10.3 (with TPACKET_V3)`. `None` where it is
/// absent.
pub fn version() -> Option<String> {
    #[cfg(unix)]
    return forward::version();
    #[cfg(not(unix))]
    return None;
}

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Finding and loading the installed libpcap, once.

use std::{env, error::Error, sync::OnceLock};

use libloading::Library;

use crate::{Missing, forward::Functions};

/// The environment variable that replaces the list of names.
const VARIABLE: &str = "VXDUMP_LIBPCAP";

/// The names under which systems install libpcap at run time. The plain name comes last: it belongs
/// to the development package.
#[cfg(not(target_os = "macos"))]
const NAMES: &str = "libpcap.so.1:libpcap.so.0.8:libpcap.so";
/// The names under which systems install libpcap at run time.
#[cfg(target_os = "macos")]
const NAMES: &str = "libpcap.A.dylib:libpcap.dylib";

/// The functions of the installed libpcap.
pub(crate) fn loaded() -> Result<&'static Functions, &'static Missing> {
    static LOADED: OnceLock<Result<Functions, Missing>> = OnceLock::new();
    LOADED.get_or_init(load).as_ref()
}

fn load() -> Result<Functions, Missing> {
    let chosen = if privileged() { None } else { env::var(VARIABLE).ok() };
    let mut tried = Vec::new();
    for name in chosen.as_deref().unwrap_or(NAMES).split(':').filter(|name| !name.is_empty()) {
        // SAFETY: loading a library runs its initialisers; libpcap has none that could break
        // anything, and the names come from this file or from a user who could as well start
        // another program.
        match unsafe { Library::new(name) } {
            Ok(library) => match Functions::of(&library) {
                Ok(functions) => {
                    // The functions are used until the end: the library must never be unloaded.
                    std::mem::forget(library);
                    return Ok(functions);
                }
                Err(function) => {
                    tried.push((name.to_owned(), format!("it has no function {function}")));
                }
            },
            Err(error) => tried.push((name.to_owned(), reason(&error))),
        }
    }
    Err(Missing { tried })
}

/// The loader's message, without what libloading puts before it.
fn reason(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Whether the program has privileges that its user does not have, so that the environment must not
/// be trusted.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn privileged() -> bool {
    // SAFETY: getauxval reads a value that the kernel gave the process at its start.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Whether the program has privileges that its user does not have, so that the environment must not
/// be trusted.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn privileged() -> bool {
    // SAFETY: these four only return a number and cannot fail.
    unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() }
}

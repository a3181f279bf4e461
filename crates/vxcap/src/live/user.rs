//! Becoming another user for good, once everything that needs root's rights is open.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use super::Error;

/// The longest entry of a user database that is read, in bytes. It is far above
/// `_SC_GETPW_R_SIZE_MAX` of any system.
const MAX_ENTRY: usize = 1 << 20;

/// A user of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: CString,
    id: u32,
    group: u32,
}

impl User {
    /// The user with this name.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where there is none, or the user database cannot be read.
    pub fn named(name: &str) -> Result<Self, Error> {
        let failed = |source| Error::System {
            device: format!("user {name}"),
            doing: "find the user",
            source,
        };
        let absent = || failed(io::Error::new(io::ErrorKind::NotFound, "there is no such user"));
        let name = CString::new(name).map_err(|_| absent())?;
        let mut buffer = vec![0; 1024];
        loop {
            let mut entry = MaybeUninit::<libc::passwd>::uninit();
            let mut found = ptr::null_mut();
            // SAFETY: the name ends in a zero, the buffer has the length that is passed, and both
            // pointers are to places that the call fills.
            let error = unsafe {
                libc::getpwnam_r(
                    name.as_ptr(),
                    entry.as_mut_ptr(),
                    buffer.as_mut_ptr(),
                    buffer.len(),
                    &raw mut found,
                )
            };
            match error {
                libc::ERANGE if buffer.len() < MAX_ENTRY => buffer.resize(buffer.len() * 2, 0),
                0 if found.is_null() => return Err(absent()),
                0 => {
                    // SAFETY: the call succeeded and found a user: it filled the entry.
                    let entry = unsafe { entry.assume_init() };
                    return Ok(Self { name, id: entry.pw_uid, group: entry.pw_gid });
                }
                error => return Err(failed(io::Error::from_raw_os_error(error))),
            }
        }
    }

    /// The user's number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Makes the process run as this user, with the user's groups. It cannot go back, and loses its
    /// capabilities. Open devices stay open.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the process may not do it, or where the system did not do all of it.
    pub fn assume(&self) -> Result<(), Error> {
        let name = self.name.to_string_lossy();
        let step = |doing, result: libc::c_int| {
            if result == 0 {
                return Ok(());
            }
            let source = io::Error::last_os_error();
            Err(Error::System { device: format!("user {name}"), doing, source })
        };
        // SAFETY: the name ends in a zero; no other pointers. The order is that of what needs root:
        // groups first.
        unsafe {
            step("take the user's groups", libc::initgroups(self.name.as_ptr(), self.group as _))?;
            step("take the user's group", libc::setgid(self.group))?;
            step("become the user", libc::setuid(self.id))?;
        }
        // SAFETY: no pointers.
        let now = unsafe { (libc::getuid(), libc::geteuid(), libc::getgid(), libc::getegid()) };
        if now == (self.id, self.id, self.group, self.group) {
            return Ok(());
        }
        let source = io::Error::other("the system did not do it, without an error");
        Err(Error::System { device: format!("user {name}"), doing: "become the user", source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name() {
        assert_eq!(User::named("root").unwrap().id(), 0);
        for absent in ["no-such-user-here", "", "a\0b"] {
            let error = User::named(absent).unwrap_err().to_string();
            assert!(error.contains("no such user"), "{error}");
        }
    }
}

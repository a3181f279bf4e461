//! Waiting for descriptors: poll(2) behind safe functions.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// Waits until one of the descriptors is readable or has an error, at most for `timeout`. The
/// result has the state of each. A signal ends the wait early, with no descriptor ready.
pub(super) fn wait_for<const N: usize>(
    fds: [BorrowedFd<'_>; N],
    timeout: Duration,
) -> io::Result<[Readiness; N]> {
    let mut list = fds.map(poll_entry);
    poll_list(&mut list, timeout)?;
    Ok(list.map(Readiness::of))
}

/// Waits until one of many descriptors is readable or has an error, at most for `timeout`.
pub(super) fn wait_for_any<'f>(
    fds: impl Iterator<Item = BorrowedFd<'f>>,
    timeout: Duration,
) -> io::Result<()> {
    let mut list: Vec<libc::pollfd> = fds.map(poll_entry).collect();
    poll_list(&mut list, timeout)
}

/// The descriptor of a value that keeps it open as long as it lives.
pub(super) fn borrowed<T>(fd: RawFd, _owner: &T) -> BorrowedFd<'_> {
    // SAFETY: the owner, which is borrowed as long as the descriptor, closes it when it is dropped.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// The state of a descriptor, from poll(2).
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only the ring asks what is ready"))]
pub(super) struct Readiness {
    pub(super) readable: bool,
    pub(super) failed: bool,
}

impl Readiness {
    fn of(entry: libc::pollfd) -> Self {
        Self {
            readable: entry.revents & libc::POLLIN != 0,
            failed: entry.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0,
        }
    }
}

fn poll_entry(fd: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

fn poll_list(list: &mut [libc::pollfd], timeout: Duration) -> io::Result<()> {
    // rounded up, so that a wait of less than a millisecond is not a busy loop
    let millis = timeout.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as c_int;
    // SAFETY: the pointer and the count are those of one slice, which outlives the call.
    let result = unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, millis) };
    if result >= 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.kind() != io::ErrorKind::Interrupted {
        return Err(error);
    }
    for entry in list {
        entry.revents = 0;
    }
    Ok(())
}

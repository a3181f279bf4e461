//! Linux's system calls for packet sockets and namespaces, each behind a safe function.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::filter::Instruction;

/// Turns the -1 of a system call into its error.
fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A socket that receives nothing until it is bound: `kind` is `SOCK_RAW` or `SOCK_DGRAM`.
pub(super) fn packet_socket(kind: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = check(unsafe { libc::socket(libc::AF_PACKET, kind | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the call succeeded, and nobody else has the descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The type of a socket option's value. It has only integers, so that any bytes are a value.
///
/// # Safety
///
/// Every bit pattern must be a value of the type, and it must have no padding.
pub(super) unsafe trait SocketOption: Copy {}
// SAFETY: an integer.
unsafe impl SocketOption for c_int {}
// SAFETY: seven 32-bit integers.
unsafe impl SocketOption for libc::tpacket_req3 {}
// SAFETY: three 32-bit integers.
unsafe impl SocketOption for libc::tpacket_stats_v3 {}
// SAFETY: two integers of 32, two of 16 bits... and eight bytes: 4 + 2 + 2 + 8, without padding.
unsafe impl SocketOption for libc::packet_mreq {}

pub(super) fn set_option<T: SocketOption>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: the pointer is to a value of the size that is passed.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            mem::size_of::<T>() as libc::socklen_t,
        )
    })
    .map(drop)
}

pub(super) fn option<T: SocketOption>(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
) -> io::Result<T> {
    // SAFETY: zeros are a value of every `SocketOption`.
    let mut value: T = unsafe { mem::zeroed() };
    let mut length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer is to a value of the size that is passed, and of any bytes.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            std::ptr::from_mut(&mut value).cast(),
            &raw mut length,
        )
    })?;
    Ok(value)
}

/// Attaches a program in classic BPF to a socket, instead of the one that it may have.
pub(super) fn attach_filter(fd: BorrowedFd<'_>, instructions: &[Instruction]) -> io::Result<()> {
    set_program(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, instructions)
}

/// Sets a socket option whose value is a program in classic BPF.
pub(super) fn set_program(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    instructions: &[Instruction],
) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> = instructions
        .iter()
        .map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k })
        .collect();
    let Ok(len) = u16::try_from(filter.len()) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel copies `len` instructions from a vector that has as many, and does not
    // write to them.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const program).cast(),
            mem::size_of_val(&program) as libc::socklen_t,
        )
    })
    .map(drop)
}

/// `ETH_P_ALL` of `linux/if_ether.h` as `sockaddr_ll` wants it, in network byte order.
const ALL_PROTOCOLS: u16 = (libc::ETH_P_ALL as u16).to_be();

/// Binds a packet socket to a device, from which it receives frames from now on. 0 is every device.
pub(super) fn bind_to_device(fd: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    // SAFETY: zeros are a `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ALL_PROTOCOLS;
    address.sll_ifindex = index.cast_signed();
    // SAFETY: the pointer is to an address of the size that is passed.
    check(unsafe {
        libc::bind(
            fd.as_raw_fd(),
            (&raw const address).cast(),
            mem::size_of_val(&address) as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Moves the calling thread to a network namespace.
pub(super) fn enter_netns(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::setns(fd.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

//! An `AF_PACKET` socket that sends batches of frames with one system call each. packet(7),
//! sendmmsg(2)
//!
//! The only unsafe code of the generator is here: calls of libc, which the standard library does
//! not offer.

use std::ffi::CString;
use std::io::{Error, Result};
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A socket bound to one device, for sending only.
pub(crate) struct PacketSocket(OwnedFd);

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Frames that the device took.
    pub(crate) sent: u64,
    /// Frames that the device had no room for.
    pub(crate) refused: u64,
}

impl PacketSocket {
    /// Opens a socket on the device of that name, past its queueing discipline
    /// (`PACKET_QDISC_BYPASS`).
    ///
    /// # Errors
    ///
    /// The kernel's: no such device, or no `CAP_NET_RAW`.
    pub(crate) fn open(device: &str) -> Result<Self> {
        let name = CString::new(device)?;
        // SAFETY: the pointer is to a string that ends with NUL and lives across the call.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        let index = i32::try_from(index)
            .ok()
            .filter(|index| *index > 0)
            .ok_or_else(Error::last_os_error)?;

        // Protocol 0: nothing is ever received on it.
        // SAFETY: no pointers are passed.
        let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if raw < 0 {
            return Err(Error::last_os_error());
        }
        // SAFETY: `raw` was just opened, and nothing else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };

        let on: libc::c_int = 1;
        // SAFETY: the pointer and the length are those of one `c_int` that lives across the call.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_QDISC_BYPASS,
                (&raw const on).cast(),
                mem::size_of_val(&on) as libc::socklen_t,
            )
        };
        if set != 0 {
            return Err(Error::last_os_error());
        }

        // SAFETY: all zeroes is a valid `sockaddr_ll`, which has integers only.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as libc::c_ushort;
        address.sll_ifindex = index;
        // SAFETY: the pointer and the length are those of one `sockaddr_ll` that lives across the
        // call.
        let bound = unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                mem::size_of_val(&address) as libc::socklen_t,
            )
        };
        if bound != 0 {
            return Err(Error::last_os_error());
        }
        Ok(Self(socket))
    }
}

/// Frames in turn, laid out for sendmmsg once, so that sending costs nothing but the call.
pub(crate) struct Batches<'a> {
    messages: Vec<libc::mmsghdr>,
    /// Start of the next batch.
    next: usize,
    batch: usize,
    /// The vectors that `messages` points to.
    _vectors: Box<[libc::iovec]>,
    /// The bytes that the vectors point to.
    _frames: &'a [Vec<u8>],
}

impl<'a> Batches<'a> {
    /// Lays out batches of at most `batch` frames, so many that every frame has its turn equally
    /// often.
    ///
    /// # Panics
    ///
    /// Where there is no frame, or `batch` is 0.
    pub(crate) fn new(frames: &'a [Vec<u8>], batch: usize) -> Self {
        assert!(!frames.is_empty() && batch > 0, "nothing to send");
        // A whole number of rounds over the frames and of batches.
        let length = frames.len() * batch;
        let mut vectors: Box<[libc::iovec]> = (0..length)
            .map(|turn| &frames[turn % frames.len()])
            // The kernel only reads what it sends, in spite of the pointer's type.
            .map(|frame| libc::iovec {
                iov_base: frame.as_ptr().cast_mut().cast(),
                iov_len: frame.len(),
            })
            .collect();
        let messages = vectors
            .iter_mut()
            .map(|vector| {
                // SAFETY: all zeroes is a valid `mmsghdr`: null pointers with lengths of 0.
                let mut message: libc::mmsghdr = unsafe { mem::zeroed() };
                message.msg_hdr.msg_iov = &raw mut *vector;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        Self { messages, next: 0, batch, _vectors: vectors, _frames: frames }
    }

    /// Sends the next batch, of at most `most` frames.
    ///
    /// # Errors
    ///
    /// The kernel's, but for a full device, which the outcome tells.
    pub(crate) fn send(&mut self, socket: &PacketSocket, most: usize) -> Result<Outcome> {
        let end = (self.next + self.batch.min(most)).min(self.messages.len());
        let batch = &mut self.messages[self.next..end];
        let length = batch.len() as libc::c_uint;
        // SAFETY: `batch` holds `length` headers; each points to one vector of a box that `self`
        // owns and does not move, and that to a frame borrowed for as long as `self` lives. The
        // kernel writes `msg_len` only.
        let sent = unsafe { libc::sendmmsg(socket.0.as_raw_fd(), batch.as_mut_ptr(), length, 0) };
        if let Ok(sent) = usize::try_from(sent) {
            // What was not sent of the batch has the next turn.
            self.next = (self.next + sent) % self.messages.len();
            return Ok(Outcome { sent: sent as u64, refused: 0 });
        }
        let error = Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ENOBUFS | libc::EAGAIN) => {
                self.next = (self.next + 1) % self.messages.len();
                Ok(Outcome { sent: 0, refused: 1 })
            }
            Some(libc::EINTR) => Ok(Outcome { sent: 0, refused: 0 }),
            _ => Err(error),
        }
    }
}

//! The memory that a packet socket shares with its reader: blocks that the kernel fills and the
//! reader gives back (`Documentation/networking/packet_mmap.rst` of the kernel, `TPACKET_V3`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

/// `offsetof(struct tpacket_block_desc, hdr.bh1.block_status)` of `linux/if_packet.h`.
const BLOCK_STATUS: usize = 8;

/// `offsetof(struct tpacket_block_desc, hdr.bh1.num_pkts)`.
const BLOCK_PACKETS: usize = 12;

/// The blocks of a ring, of which the reader holds one at most.
///
/// A block belongs to the kernel or to the reader, as its status word says. The kernel writes only
/// to its own blocks. Its last write to a filled block makes it the reader's.
#[derive(Debug)]
pub(super) struct Blocks {
    start: NonNull<u8>,
    block_len: usize,
    count: usize,
    /// The number of the block that is, or will next be, the reader's.
    current: usize,
    /// Whether the current block was seen to be the reader's and was not given back.
    held: bool,
}

// SAFETY: the mapping belongs to this value alone, and is tied to no thread.
unsafe impl Send for Blocks {}

impl Blocks {
    /// Maps the ring that was set up on a packet socket.
    pub(super) fn map(fd: BorrowedFd<'_>, block_len: usize, count: usize) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice replaces no other.
        // `MAP_LOCKED` is left out: the kernel's ring is never swapped out anyway.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                block_len * count,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("the ring was mapped at address 0"))?;
        Ok(Self { start, block_len, count, current: 0, held: false })
    }

    /// Whether the current block is the reader's. If so, the kernel does not write to it until
    /// [`Self::give_back`].
    pub(super) fn hold(&mut self) -> bool {
        self.held = self.held || self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        self.held
    }

    /// Whether the kernel may have put packets into the next block, which it has not passed on yet.
    /// `false` is true at this moment. `true` may also be the answer for a block that the kernel
    /// has not begun.
    pub(super) fn is_begun(&self) -> bool {
        self.word(0, BLOCK_PACKETS).load(Ordering::Acquire) != 0
    }

    /// Whether three quarters of the blocks wait for the reader.
    pub(super) fn are_mostly_full(&self) -> bool {
        let word = self.word(self.count * 3 / 4, BLOCK_STATUS);
        word.load(Ordering::Relaxed) & libc::TP_STATUS_USER != 0
    }

    /// The current block. It is empty if the reader does not hold it.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        if !self.held {
            return &[];
        }
        // SAFETY: the block lies inside of the mapping, and the reader holds it: its status was
        // read with acquire ordering, so what the kernel wrote before is seen, and it writes no
        // more. Only `bytes_mut` and `give_back` write to it, which take `&mut self`.
        unsafe { slice::from_raw_parts(self.block().as_ptr(), self.block_len) }
    }

    /// The current block. It is empty if the reader does not hold it.
    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        if !self.held {
            return &mut [];
        }
        // SAFETY: as for `bytes`, and `&mut self` makes this the only borrow.
        unsafe { slice::from_raw_parts_mut(self.block().as_ptr(), self.block_len) }
    }

    /// Gives the current block back to the kernel. The next one becomes the current one.
    pub(super) fn give_back(&mut self) {
        if self.held {
            // after everything that was read from the block
            self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.held = false;
            self.current = (self.current + 1) % self.count;
        }
    }

    fn block(&self) -> NonNull<u8> {
        // SAFETY: `current` is below `count`: the address is inside of the mapping.
        unsafe { self.start.add(self.current * self.block_len) }
    }

    fn status(&self) -> &AtomicU32 {
        self.word(0, BLOCK_STATUS)
    }

    /// A word of the description of the block that is `after` blocks behind the current one. The
    /// kernel writes it as one word too.
    fn word(&self, after: usize, offset: usize) -> &AtomicU32 {
        debug_assert!(offset.is_multiple_of(4) && offset < 48);
        let number = (self.current + after) % self.count;
        // SAFETY: the number is below `count`, blocks are aligned to pages, and the offset is a
        // multiple of 4 in the first 48 bytes of a block, its description: the word is inside of
        // the mapping, and aligned. No slice of the block that can be written is borrowed at the
        // time of a call: they borrow `self` mutably.
        unsafe {
            AtomicU32::from_ptr(self.start.add(number * self.block_len + offset).cast().as_ptr())
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and no borrow of it is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.block_len * self.count) };
    }
}

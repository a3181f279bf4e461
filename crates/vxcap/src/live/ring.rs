//! Frames out of a ring that the kernel shares.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libc::{SOL_PACKET, SOL_SOCKET, c_int};
use vxlan::LinkType;

use super::blocks::Blocks;
use super::departure::{Departure, Destination};
use super::header::{Header, packets_of_block};
use super::headroom::{Sender, VlanTag, cook, cooked_len, put_tag_back};
use super::netlink::Netlink;
use super::netns::run_in;
use super::setup::Remaining;
use super::statistics::Backlog;
use super::{
    CaptureOptions, Device, Directions, Error, Statistics, devices, link, poll, setup, sys,
};
use crate::filter::Program;
use crate::{Frame, FrameFlags, Timestamp};

/// How long a frame may be on its way into the ring, after the kernel has stamped its time: it
/// waits in a queue for its CPU (`net.core.netdev_tstamp_prequeue`), usually for some microseconds.
const LONGEST_QUEUE: Duration = Duration::from_millis(10);

/// A packet socket whose frames are read in place.
#[derive(Debug)]
pub(super) struct Ring {
    device: Device,
    link_type: LinkType,
    /// Whether frames get a cooked header here.
    is_cooked: bool,
    options: CaptureOptions,
    /// Which frames user space decides about, since the kernel cannot.
    remaining: Remaining,
    socket: OwnedFd,
    blocks: Blocks,
    /// The offset of the next packet in the current block, and how many packets are left.
    next: usize,
    left: u32,
    /// A frame of the current block whose time was asked for, and that was not given yet.
    ahead: Option<Place>,
    /// The end of the device, once it is known. The frames in the ring are given first.
    loss: Option<Loss>,
    counters: Counters,
}

/// How the device was lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Down,
    Removed,
    Moved,
}

/// What is counted for [`Statistics`].
#[derive(Debug)]
struct Counters {
    captured: u64,
    received: u64,
    dropped: u64,
    /// `None` for all devices together.
    departure: Option<Departure>,
    netlink: Netlink,
    interface_at_start: u64,
    /// The count that was read last.
    interface_dropped: Option<u64>,
    backlog: Option<Backlog>,
}

/// The place of a frame in the current block, and what is known of it.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    end: usize,
    orig_len: u32,
    time: Timestamp,
    flags: FrameFlags,
}

impl Ring {
    pub(super) fn open(options: &CaptureOptions) -> Result<Self, Error> {
        run_in(options.netns.as_deref(), || {
            let device = devices::find(&options.device)?;
            let link_type = devices::link_type_of(&device, options)?;
            let counters = Counters::open(&device)?;
            let (socket, blocks) = setup::open(&device, link_type, options)?;
            let options = options.clone();
            let (_, remaining) = setup::kernel_program(link_type, &options);
            Ok(Self {
                device,
                link_type,
                is_cooked: cooked_len(link_type) > 0,
                options,
                remaining,
                socket,
                blocks,
                next: 0,
                left: 0,
                ahead: None,
                loss: None,
                counters,
            })
        })
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// The next frame. `None` if none came within `wait`.
    ///
    /// It is inlined down to [`Self::step`]: otherwise each function would copy the frame's
    /// description.
    #[inline]
    pub(super) fn next_frame(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, Error> {
        let place = match self.ahead {
            None => match self.next_place(wait)? {
                Some(place) => place,
                None => return Ok(None),
            },
            Some(place) => {
                self.ahead = None;
                place
            }
        };
        self.counters.captured += 1;
        Ok(Some(Frame {
            time: place.time,
            link_type: self.link_type,
            interface: self.options.interface,
            orig_len: place.orig_len,
            data: self.blocks.bytes().get(place.start..place.end).unwrap_or_default(),
            flags: place.flags,
        }))
    }

    /// The time of the next frame, which is given later.
    pub(super) fn next_time(&mut self) -> Result<Option<Timestamp>, Error> {
        if self.ahead.is_none() {
            self.ahead = self.next_place(Duration::ZERO)?;
        }
        Ok(self.ahead.map(|place| place.time))
    }

    #[inline]
    fn next_place(&mut self, wait: Duration) -> Result<Option<Place>, Error> {
        let mut may_wait = true;
        loop {
            if self.left > 0 {
                if let Some(place) = self.step()? {
                    return Ok(Some(place));
                }
            } else if !self.next_block(wait, &mut may_wait)? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next block, and may wait for it once. `false` if there is none.
    fn next_block(&mut self, wait: Duration, may_wait: &mut bool) -> Result<bool, Error> {
        self.blocks.give_back();
        loop {
            if self.blocks.hold() || self.loss.is_some() && self.hold_last() {
                let first = packets_of_block(self.blocks.bytes());
                (self.left, self.next) = first.ok_or_else(|| self.damaged())?;
                return Ok(true);
            } else if let Some(loss) = self.loss {
                return Err(self.lost(loss));
            } else if *may_wait {
                *may_wait = false;
                self.wait(wait)?;
            } else {
                // callers can check whether to stop, even if none of many frames was wanted
                return Ok(false);
            }
        }
    }

    /// Waits for the block that was not full when the device went away, if there is one: the kernel
    /// passes it on after the latency. It does not use poll(2), which may report the device's end
    /// again.
    #[cold]
    fn hold_last(&mut self) -> bool {
        let deadline = Instant::now() + self.last_block();
        while self.blocks.is_begun() && Instant::now() < deadline {
            if self.blocks.hold() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.blocks.hold()
    }

    /// Takes one packet. `None` if it is not wanted.
    #[inline]
    fn step(&mut self) -> Result<Option<Place>, Error> {
        let offset = self.next;
        let Some(header) = Header::at(self.blocks.bytes(), offset) else {
            return Err(self.damaged());
        };
        self.left -= 1;
        self.next = offset + header.next_offset();
        let outgoing = header.is_outgoing();
        let wanted = match self.options.directions {
            Directions::Both => true,
            Directions::In => !outgoing,
            Directions::Out => outgoing,
        };
        if !wanted || header.is_sent_on_loopback() {
            return Ok(None);
        }
        let mut start = offset + header.data_offset();
        let end = start + header.captured_len();
        let mut place = Place {
            start,
            end,
            orig_len: header.original_len(),
            time: header.time(),
            flags: header.flags(),
        };
        let tag = header.vlan_tag();
        let is_open = match self.remaining {
            Remaining::Nothing => false,
            Remaining::Tagged => tag.is_some() || is_tagged(header.sender().protocol),
            Remaining::All => true,
        };
        if self.is_cooked || tag.is_some() {
            let sender = header.sender();
            start = self.restore(start..end, sender, tag)?;
        }
        place.orig_len = place.orig_len.saturating_add((place.start - start) as u32);
        place.start = start;
        // the tag counts too
        place.end = end.min(start + self.options.effective_snaplen() as usize);
        let Some(data) = self.blocks.bytes().get(place.start..place.end) else {
            return Err(self.damaged());
        };
        match &self.options.program {
            Some(program) if is_open && !program.matches(data, place.orig_len) => Ok(None),
            _ => Ok(Some(place)),
        }
    }

    /// Puts the VLAN tag or a cooked header before the bytes of a frame. Returns where the frame
    /// begins then.
    #[inline(never)]
    fn restore(
        &mut self,
        data: Range<usize>,
        sender: Sender,
        tag: Option<VlanTag>,
    ) -> Result<usize, Error> {
        let block = self.blocks.bytes_mut();
        match tag {
            _ if self.is_cooked => {
                cook(block, data.start, self.link_type, sender, tag).ok_or_else(|| self.damaged())
            }
            Some(tag) if self.link_type == LinkType::ETHERNET => {
                Ok(put_tag_back(block, data.start, data.len(), tag))
            }
            _ => Ok(data.start),
        }
    }

    /// Waits for a block or the device's end.
    fn wait(&mut self, timeout: Duration) -> Result<(), Error> {
        let fd = self.socket.as_fd();
        let failed = |source| Error::system(&self.options.device, "wait for frames", source);
        let [readiness] = poll::wait_for([fd], timeout).map_err(failed)?;
        if !readiness.failed || self.loss.is_some() {
            return Ok(());
        }
        // reading it clears it
        let error: c_int = sys::option(fd, SOL_SOCKET, libc::SO_ERROR).map_err(failed)?;
        match error {
            0 => {}
            libc::ENETDOWN => {
                let departure = self.counters.departure.as_mut();
                self.loss = Some(match departure.and_then(Departure::destination) {
                    None => Loss::Down,
                    Some(Destination::Nowhere) => Loss::Removed,
                    Some(Destination::Elsewhere) => Loss::Moved,
                });
            }
            other => return Err(failed(std::io::Error::from_raw_os_error(other))),
        }
        Ok(())
    }

    #[cold]
    fn lost(&self, loss: Loss) -> Error {
        let device = self.options.device.clone();
        match loss {
            Loss::Down => Error::Down { device },
            Loss::Removed => Error::Removed { device },
            Loss::Moved => Error::Moved { device },
        }
    }

    /// The error for contents of the ring that the kernel never writes.
    #[cold]
    fn damaged(&self) -> Error {
        let source = std::io::Error::other("its ring has a packet that is not inside");
        Error::system(&self.options.device, "read from the kernel", source)
    }

    /// Stops to take frames. Those that were taken can be read once the returned time is over.
    pub(super) fn stop(&mut self) -> Result<Duration, Error> {
        sys::attach_filter(self.socket.as_fd(), &[setup::REJECT_ALL])
            .map_err(|source| Error::system(&self.options.device, "stop the capture", source))?;
        Ok(self.last_block())
    }

    /// A time before which no more frames come, if there was none when the clock said `now`.
    pub(super) fn nothing_before(&self, now: Timestamp) -> Timestamp {
        let delay =
            if self.blocks.is_begun() { self.options.longest_delay() } else { LONGEST_QUEUE };
        now.earlier(delay)
    }

    /// The group that shares the device's frames.
    pub(super) fn fanout_group(&self) -> Option<u16> {
        self.options.fanout.as_ref().and_then(|_| setup::fanout_group(self.socket.as_fd()))
    }

    pub(super) fn is_mostly_full(&self) -> bool {
        self.blocks.are_mostly_full()
    }

    /// The longest time until the kernel passes on a block with frames, whether it is full or not.
    fn last_block(&self) -> Duration {
        self.options.latency + self.options.longest_delay()
    }

    /// Makes the kernel keep only frames that `program` accepts. Frames that are in the ring
    /// already still come.
    pub(super) fn set_program(&mut self, program: Option<Arc<Program>>) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.options.program, program);
        let (in_kernel, remaining) = setup::kernel_program(self.link_type, &self.options);
        let attached = sys::attach_filter(self.socket.as_fd(), in_kernel.instructions());
        if let Err(source) = attached {
            self.options.program = before;
            let device = self.options.device.clone();
            return Err(Error::Program {
                device,
                instructions: in_kernel.instructions().len(),
                source,
            });
        }
        self.remaining = remaining;
        Ok(())
    }

    pub(super) fn statistics(&mut self) -> Result<Statistics, Error> {
        let read = sys::option(self.socket.as_fd(), SOL_PACKET, libc::PACKET_STATISTICS);
        let read: libc::tpacket_stats_v3 = read.map_err(|source| {
            Error::system(&self.options.device, "read the socket's counters", source)
        })?;
        let counters = &mut self.counters;
        // reading sets the kernel's counters to zero
        counters.received += u64::from(read.tp_packets);
        counters.dropped += u64::from(read.tp_drops);
        if counters.departure.is_some()
            && let Some(now) = link::dropped(&mut counters.netlink, self.device.index)
        {
            counters.interface_dropped = Some(now.saturating_sub(counters.interface_at_start));
        }
        Ok(Statistics {
            captured: counters.captured,
            received: counters.received,
            dropped: counters.dropped,
            interface_dropped: counters.interface_dropped,
            backlog_dropped: counters.backlog.as_mut().and_then(Backlog::dropped),
        })
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Counters {
    fn open(device: &Device) -> Result<Self, Error> {
        let failed = |source| Error::system(&device.name, "ask for its counters", source);
        let mut netlink = Netlink::open().map_err(failed)?;
        let is_single = device.index != 0;
        let at_start = is_single.then(|| link::dropped(&mut netlink, device.index)).flatten();
        let departure = is_single.then(|| Departure::of_device(device.index)).transpose();
        Ok(Self {
            captured: 0,
            received: 0,
            dropped: 0,
            departure: departure.map_err(failed)?,
            netlink,
            interface_at_start: at_start.unwrap_or(0),
            interface_dropped: at_start.map(|_| 0),
            backlog: Backlog::open(),
        })
    }
}

/// Whether a packet's protocol is that of a VLAN tag, which is still in the packet then.
fn is_tagged(protocol: u16) -> bool {
    matches!(protocol, 0x8100 | 0x88a8 | 0x9100)
}

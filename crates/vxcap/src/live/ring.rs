//! Frames straight out of a ring that the kernel shares.

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

/// A frame gets its time before it waits in a queue of the kernel's for its CPU
/// (`net.core.netdev_tstamp_prequeue`), mostly some microseconds: so long it may be on its way into
/// the ring.
const LONGEST_QUEUE: Duration = Duration::from_millis(10);

/// A packet socket whose frames are read where the kernel put them.
#[derive(Debug)]
pub(super) struct Ring {
    device: Device,
    link_type: LinkType,
    /// Whether frames begin with a header that is made here.
    is_cooked: bool,
    options: CaptureOptions,
    /// Which frames the program is to be asked about that the kernel cannot decide on.
    remaining: Remaining,
    socket: OwnedFd,
    blocks: Blocks,
    /// Where the next packet of the current block stands, and how many there are from it on.
    next: usize,
    left: u32,
    /// A frame of the current block whose time was asked for, and that was not handed out yet.
    ahead: Option<Place>,
    /// The end of the device, once it is known; what is in the ring comes first.
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
    /// None for all devices together.
    departure: Option<Departure>,
    netlink: Netlink,
    interface_at_start: u64,
    /// The last that was heard.
    interface_dropped: Option<u64>,
    backlog: Option<Backlog>,
}

/// Where in the current block a frame stands, and what is known of it.
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

    /// The next frame; `None` where there is none, having waited for at most `wait`.
    ///
    /// Inlined down to [`Self::step`], as a frame's description would otherwise be copied from hand
    /// to hand.
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

    /// The time of the next frame, which is not handed out yet.
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

    /// Goes on to the next block; `false` where there is none, having waited once, if that may be.
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
                // callers look whether they shall stop, also where no frame of many was wanted
                return Ok(false);
            }
        }
    }

    /// Waits for the block that was not full when the device went away, if there is one: the kernel
    /// hands it over within its time. (Not by poll(2), which may tell of the device's end again.)
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

    /// Goes over one packet; `None` where it is not wanted.
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

    /// Puts what is not in the ring before the bytes of a frame: its tag, or a cooked header.
    /// Returns where they begin now.
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

    /// What the kernel never does.
    #[cold]
    fn damaged(&self) -> Error {
        let source = std::io::Error::other("its ring has a packet that is not inside");
        Error::system(&self.options.device, "read from the kernel", source)
    }

    /// From now on nothing more is taken; what was is there after the time that is returned.
    pub(super) fn stop(&mut self) -> Result<Duration, Error> {
        sys::attach_filter(self.socket.as_fd(), &[setup::REJECT_ALL])
            .map_err(|source| Error::system(&self.options.device, "stop the capture", source))?;
        Ok(self.last_block())
    }

    /// Frames that come yet came no earlier, where there was none after the clock said `now`.
    pub(super) fn nothing_before(&self, now: Timestamp) -> Timestamp {
        let delay =
            if self.blocks.is_begun() { self.options.longest_delay() } else { LONGEST_QUEUE };
        now.earlier(delay)
    }

    /// The group in which it shares the device's frames.
    pub(super) fn fanout_group(&self) -> Option<u16> {
        self.options.fanout.as_ref().and_then(|_| setup::fanout_group(self.socket.as_fd()))
    }

    pub(super) fn is_mostly_full(&self) -> bool {
        self.blocks.are_mostly_full()
    }

    /// In this time a block that has frames is handed over, whether it is full or not.
    fn last_block(&self) -> Duration {
        self.options.latency + self.options.longest_delay()
    }

    /// From now on the kernel lets only through what `program` accepts. What it let through before
    /// may still come.
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

/// Whether a packet's protocol is that of a VLAN tag: it is still in the packet.
fn is_tagged(protocol: u16) -> bool {
    matches!(protocol, 0x8100 | 0x88a8 | 0x9100)
}

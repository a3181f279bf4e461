//! One capture of one device, whichever back end does it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_os = "linux")]
use super::Backend;
use super::libpcap::Libpcap;
#[cfg(target_os = "linux")]
use super::netns::run_in;
#[cfg(target_os = "linux")]
use super::ring::Ring;
use super::{CaptureOptions, Device, Error, Statistics, poll};
use crate::filter::Program;
use crate::{Frame, Interface, Resolution, Timestamp};

/// A running capture of a device.
///
/// Frames are borrowed from the kernel's memory, and given back when the next one is asked for. What arrives while nobody asks waits in
/// the buffer; what does not fit is lost and counted ([`Capture::statistics`]).
#[derive(Debug)]
pub struct Capture {
    source: Source,
    interface: Interface,
}

#[derive(Debug)]
enum Source {
    #[cfg(target_os = "linux")]
    Ring(Box<Ring>),
    Libpcap(Box<Libpcap>),
}

/// Does the same with whichever source it is.
macro_rules! with {
    ($source:expr, $name:ident => $work:expr) => {
        match $source {
            #[cfg(target_os = "linux")]
            Source::Ring($name) => $work,
            Source::Libpcap($name) => $work,
        }
    };
}

impl Capture {
    /// Starts to capture.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`], [`Error::NoSuchDevice`], [`Error::Down`], and what else keeps the system from it.
    pub fn open(options: &CaptureOptions) -> Result<Self, Error> {
        let source = Source::open(options)?;
        let device = with!(&source, source => source.device());
        let link_type = with!(&source, source => source.link_type());
        let mut interface = Interface::new(link_type, options.effective_snaplen());
        interface.mac = device.mac;
        interface.name = Some(options.device.clone());
        interface.resolution = Resolution::NANOS;
        interface.filter.clone_from(&options.expression);
        Ok(Self { source, interface })
    }

    /// The next frame. `None` where there is none now: after `wait` at the latest, sooner where a signal came or
    /// where what arrived was not wanted. Never the end: only an error is.
    ///
    /// # Errors
    ///
    /// [`Error::Down`], [`Error::Removed`] or [`Error::Moved`] once the device is gone and all frames that had arrived were handed
    /// out.
    #[inline]
    pub fn next_frame(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, Error> {
        with!(&mut self.source, source => source.next_frame(wait))
    }

    /// When the frame came that [`Self::next_frame`] hands out next; `None` where there is none now. So that frames of several
    /// captures can be put in order.
    ///
    /// # Errors
    ///
    /// As [`Self::next_frame`].
    #[inline]
    pub fn next_time(&mut self) -> Result<Option<Timestamp>, Error> {
        with!(&mut self.source, source => source.next_time())
    }

    /// Where there is no frame: those that come yet came no earlier than this time, as far as the host's timers keep theirs. `now` is what
    /// the clock said before [`Self::next_time`] had none.
    ///
    /// The kernel hands frames over in blocks, after [`CaptureOptions::latency`] at the latest: what is in one that is not handed over may be
    /// earlier than what another capture has. Where the block is empty, only what is on its way into it can be.
    pub fn nothing_before(&self, now: Timestamp) -> Timestamp {
        with!(&self.source, source => source.nothing_before(now))
    }

    /// Whether frames may soon be lost, for so many wait to be read.
    pub fn is_mostly_full(&self) -> bool {
        with!(&self.source, source => source.is_mostly_full())
    }

    /// The number of the group in which it shares the device's frames, for others to join
    /// ([`Fanout::group`](super::Fanout::group)); `None` where it shares them with nobody.
    pub fn fanout_group(&self) -> Option<u16> {
        match &self.source {
            #[cfg(target_os = "linux")]
            Source::Ring(ring) => ring.fanout_group(),
            Source::Libpcap(_) => None,
        }
    }

    /// Waits until one of several captures has a frame or its end to tell, at most `timeout`; a signal ends it sooner.
    /// Then each is asked by [`Self::next_frame`] without waiting.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the system cannot wait.
    pub fn wait_for_any<'c>(
        captures: impl IntoIterator<Item = &'c Self>,
        timeout: Duration,
    ) -> Result<(), Error> {
        poll::wait_for_any(captures.into_iter().map(AsFd::as_fd), timeout)
            .map_err(|error| Error::system("several devices", "wait for frames", error))
    }

    /// What a capture file says of the device: name, link type, snaplen, unit of time, filter.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The device, as it was when the capture began.
    pub fn device(&self) -> &Device {
        with!(&self.source, source => source.device())
    }

    /// What became of the frames so far.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the kernel does not tell.
    pub fn statistics(&mut self) -> Result<Statistics, Error> {
        with!(&mut self.source, source => source.statistics())
    }

    /// Ends the capture but for what has arrived: from now on the device's frames are not taken. After the time that is returned,
    /// [`Self::next_frame`] has handed out all that was taken once it says `None`. `None` here where the
    /// source cannot be stopped, and frames would come for ever (libpcap).
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the kernel does not do it.
    pub fn stop(&mut self) -> Result<Option<Duration>, Error> {
        match &mut self.source {
            #[cfg(target_os = "linux")]
            Source::Ring(ring) => ring.stop().map(Some),
            Source::Libpcap(_) => Ok(None),
        }
    }

    /// Changes the program of a running capture: frames that arrive from now on must be accepted by
    /// the new one; those before were by the old one, and may still be in the buffer. The
    /// expression that libpcap was given stays.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] where the kernel does not take it; the old one stays then.
    pub fn set_program(&mut self, program: Option<Arc<Program>>) -> Result<(), Error> {
        with!(&mut self.source, source => source.set_program(program))
    }
}

impl Source {
    #[cfg(target_os = "linux")]
    fn open(options: &CaptureOptions) -> Result<Self, Error> {
        match options.backend {
            Backend::Native => Ok(Self::Ring(Box::new(Ring::open(options)?))),
            Backend::Pcap => run_in(options.netns.as_deref(), || Libpcap::open(options))
                .map(|source| Self::Libpcap(Box::new(source))),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open(options: &CaptureOptions) -> Result<Self, Error> {
        Ok(Self::Libpcap(Box::new(Libpcap::open(options)?)))
    }
}

impl AsFd for Capture {
    /// Readable when there are frames, or news of the device's end.
    fn as_fd(&self) -> BorrowedFd<'_> {
        with!(&self.source, source => source.as_fd())
    }
}

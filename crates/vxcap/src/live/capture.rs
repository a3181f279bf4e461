//! One capture of one device, by either back end.

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
/// A frame is borrowed from the kernel's memory, until the next one is asked for. Frames that
/// arrive in the meantime wait in the buffer. Those that do not fit are lost and counted: see
/// [`Capture::statistics`].
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

/// Does the same with either source.
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
    /// [`Error::NotPermitted`], [`Error::NoSuchDevice`], [`Error::Down`], and others that say why
    /// the system does not do it.
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

    /// The next frame. `None` if none came within `wait`. It may also be `None` sooner, after a
    /// signal or where only unwanted frames arrived. It is never the end of the capture: that is an
    /// error.
    ///
    /// # Errors
    ///
    /// [`Error::Down`], [`Error::Removed`] or [`Error::Moved`] if the device is gone, after all
    /// frames that had arrived.
    #[inline]
    pub fn next_frame(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, Error> {
        with!(&mut self.source, source => source.next_frame(wait))
    }

    /// The time of the frame that [`Self::next_frame`] gives next. `None` if there is none now. It
    /// serves to put the frames of several captures in order.
    ///
    /// # Errors
    ///
    /// As [`Self::next_frame`].
    #[inline]
    pub fn next_time(&mut self) -> Result<Option<Timestamp>, Error> {
        with!(&mut self.source, source => source.next_time())
    }

    /// A time before which no more frames come from this capture, if it has none now. `now` is the
    /// time at which [`Self::next_time`] was asked and had none.
    ///
    /// The kernel passes frames on in blocks, after [`CaptureOptions::latency`] at the latest. So a
    /// frame in a block that is not passed on yet may be earlier than the frames of other captures.
    /// Where that block is empty, only frames on their way into it can be earlier. The time is
    /// right as long as the host's timers are on time.
    pub fn nothing_before(&self, now: Timestamp) -> Timestamp {
        with!(&self.source, source => source.nothing_before(now))
    }

    /// Whether the buffer is mostly full, so that frames may be lost soon.
    pub fn is_mostly_full(&self) -> bool {
        with!(&self.source, source => source.is_mostly_full())
    }

    /// The number of the group that shares the device's frames, for others to join by
    /// [`Fanout::group`](super::Fanout::group). `None` if it does not share them.
    pub fn fanout_group(&self) -> Option<u16> {
        match &self.source {
            #[cfg(target_os = "linux")]
            Source::Ring(ring) => ring.fanout_group(),
            Source::Libpcap(_) => None,
        }
    }

    /// Waits until one of several captures has a frame or an error, at most for `timeout`. A signal
    /// ends the wait sooner. Then ask each capture by [`Self::next_frame`], without a wait.
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

    /// The description of the device for a capture file: name, link type, snapshot length, unit of
    /// time, filter.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The device, as it was at the begin of the capture.
    pub fn device(&self) -> &Device {
        with!(&self.source, source => source.device())
    }

    /// How many frames were captured and lost so far.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the kernel does not answer.
    pub fn statistics(&mut self) -> Result<Statistics, Error> {
        with!(&mut self.source, source => source.statistics())
    }

    /// Stops to take frames from the device. Those that were taken can still be read: once the
    /// returned time is over, they end where [`Self::next_frame`] gives `None`.
    ///
    /// It gives `None` where the source cannot be stopped (libpcap), and frames would come for
    /// ever.
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

    /// Changes the program of a running capture, for frames that arrive from now on. Frames in the
    /// buffer were accepted by the old one. The expression that libpcap was given does not change.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] where the kernel does not take it. Then the old one stays.
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
    /// Readable when there are frames or an error.
    fn as_fd(&self) -> BorrowedFd<'_> {
        with!(&self.source, source => source.as_fd())
    }
}

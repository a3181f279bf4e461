//! One capture of one device, whichever back end does it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use super::ring::Ring;
use super::{Backend, Device, Error, Options, Statistics};
use crate::filter::Program;
use crate::{Frame, Interface, Resolution};

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
    Ring(Box<Ring>),
}

impl Capture {
    /// Starts to capture.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`], [`Error::NoSuchDevice`], [`Error::Down`], and what else keeps the system from it.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let source = match options.backend {
            Backend::Native => Source::Ring(Box::new(Ring::open(options)?)),
            Backend::Pcap => {
                return Err(Error::Unsupported { device: options.device.clone(), what: "" });
            }
        };
        let mut interface = {
            let device = source.device();
            let mut interface = Interface::new(device.link_type(), options.effective_snaplen());
            interface.mac = device.mac;
            interface
        };
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
        match &mut self.source {
            Source::Ring(ring) => ring.next_frame(wait),
        }
    }

    /// What a capture file says of the device: name, link type, snaplen, unit of time, filter.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The device, as it was when the capture began.
    pub fn device(&self) -> &Device {
        self.source.device()
    }

    /// What became of the frames so far.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the kernel does not tell.
    pub fn statistics(&mut self) -> Result<Statistics, Error> {
        match &mut self.source {
            Source::Ring(ring) => ring.statistics(),
        }
    }

    /// Changes the program of a running capture: frames that arrive from now on must be accepted by
    /// the new one; those before were by the old one, and may still be in the buffer.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] where the kernel does not take it; the old one stays then.
    pub fn set_program(&mut self, program: Option<Arc<Program>>) -> Result<(), Error> {
        match &mut self.source {
            Source::Ring(ring) => ring.set_program(program),
        }
    }
}

impl Source {
    fn device(&self) -> &Device {
        match self {
            Self::Ring(ring) => ring.device(),
        }
    }
}

impl AsFd for Capture {
    /// Readable when there are frames, or news of the device's end.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Ring(ring) => ring.as_fd(),
        }
    }
}

//! Capturing by libpcap, where there is no ring or where the caller asks for it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use pcap::{Active, Linktype, Precision};
use vxlan::LinkType;

use super::devices::{find, link_type_of};
use super::{CaptureOptions, Device, Directions, Error, Statistics, poll};
use crate::filter::Program;
use crate::frame::NANOS_PER_SECOND;
use crate::{Frame, FrameFlags, Timestamp};

/// From this latency on, libpcap is asked for immediate mode.
const IMMEDIATE: Duration = Duration::from_millis(1);

/// A capture by libpcap.
pub(super) struct Libpcap {
    device: Device,
    link_type: LinkType,
    options: CaptureOptions,
    capture: pcap::Capture<Active>,
    /// A copy of the frame that was read last, since libpcap's own memory changes with the next
    /// call.
    data: Vec<u8>,
    /// The time and the length on the wire of the frame in `data`, if its time was asked for and
    /// the frame was not given yet.
    ahead: Option<(Timestamp, u32)>,
    captured: u64,
}

impl Libpcap {
    /// Must run in the network namespace of the device.
    pub(super) fn open(options: &CaptureOptions) -> Result<Self, Error> {
        libpcap_shim::available().map_err(|missing| Error::NoLibpcap(missing.to_string()))?;
        let device = find(&options.device)?;
        if options.fanout.is_some() {
            return Err(unsupported(options, "libpcap cannot share frames among captures"));
        }
        let failed = |error| failure(&options.device, error);
        let inactive = pcap::Capture::from_device(options.device.as_str()).map_err(failed)?;
        let mut capture = inactive
            .snaplen(options.effective_snaplen().cast_signed())
            .buffer_size(i32::try_from(options.buffer).unwrap_or(i32::MAX))
            .promisc(options.promiscuous)
            .immediate_mode(options.latency <= IMMEDIATE)
            .timeout(options.latency.as_millis().clamp(1, 10_000) as i32)
            .precision(Precision::Nano)
            .open()
            .and_then(pcap::Capture::setnonblock)
            .map_err(failed)?;
        if link_type_of(&device, options)? == LinkType::LINUX_SLL2 {
            // a newer libpcap has both cooked headers: this one names the device
            let _ = capture.set_datalink(Linktype(LinkType::LINUX_SLL2.0.into()));
        }
        match options.directions {
            Directions::Both => {}
            Directions::In => capture.direction(pcap::Direction::In).map_err(failed)?,
            Directions::Out => capture.direction(pcap::Direction::Out).map_err(failed)?,
        }
        if let Some(expression) = &options.expression {
            capture.filter(expression, true).map_err(failed)?;
        }
        let link_type = in_files(capture.get_datalink());
        let (options, data) = (options.clone(), Vec::new());
        Ok(Self { device, link_type, options, capture, data, ahead: None, captured: 0 })
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn link_type(&self) -> LinkType {
        self.link_type
    }

    pub(super) fn next_frame(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, Error> {
        let next = match self.ahead.take() {
            None => self.read(wait)?,
            ahead => ahead,
        };
        let Some((time, orig_len)) = next else { return Ok(None) };
        self.captured += 1;
        Ok(Some(Frame {
            time,
            link_type: self.link_type,
            interface: self.options.interface,
            orig_len,
            data: &self.data,
            flags: FrameFlags::default(),
        }))
    }

    /// The time of the next frame, which is given later.
    pub(super) fn next_time(&mut self) -> Result<Option<Timestamp>, Error> {
        if self.ahead.is_none() {
            self.ahead = self.read(Duration::ZERO)?;
        }
        Ok(self.ahead.map(|(time, _)| time))
    }

    /// A time before which no more frames come, if there was none when the clock said `now`.
    pub(super) fn nothing_before(&self, now: Timestamp) -> Timestamp {
        now.earlier(self.options.longest_delay())
    }

    /// Not known of libpcap.
    #[allow(clippy::unused_self, reason = "the ring needs self")]
    pub(super) fn is_mostly_full(&self) -> bool {
        false
    }

    /// Reads the next frame into `data`, having waited for at most `wait`.
    fn read(&mut self, wait: Duration) -> Result<Option<(Timestamp, u32)>, Error> {
        let mut may_wait = !wait.is_zero();
        loop {
            match self.capture.next_packet() {
                Ok(packet) => {
                    let header = packet.header;
                    let program = self.options.program.as_deref();
                    if program.is_none_or(|program| program.matches(packet.data, header.len)) {
                        self.data.clear();
                        self.data.extend_from_slice(packet.data);
                        // with this precision, what is called microseconds are nanoseconds
                        #[allow(clippy::useless_conversion, reason = "32 bits on some systems")]
                        let (seconds, nanos) =
                            (i64::from(header.ts.tv_sec), i64::from(header.ts.tv_usec));
                        let nanos = seconds.saturating_mul(NANOS_PER_SECOND) + nanos;
                        return Ok(Some((Timestamp::from_nanos(nanos), header.len)));
                    }
                }
                Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) if may_wait => {
                    may_wait = false;
                    let failed = |e| Error::system(&self.options.device, "wait for frames", e);
                    poll::wait_for([self.as_fd()], wait).map_err(failed)?;
                }
                Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => return Ok(None),
                Err(error) => return Err(failure(&self.options.device, error)),
            }
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "the ring's can fail")]
    pub(super) fn set_program(&mut self, program: Option<Arc<Program>>) -> Result<(), Error> {
        self.options.program = program;
        Ok(())
    }

    pub(super) fn statistics(&mut self) -> Result<Statistics, Error> {
        let read = self.capture.stats().map_err(|error| failure(&self.options.device, error))?;
        Ok(Statistics {
            captured: self.captured,
            received: read.received.into(),
            dropped: read.dropped.into(),
            interface_dropped: Some(read.if_dropped.into()),
            backlog_dropped: None,
        })
    }
}

impl AsFd for Libpcap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        poll::borrowed(self.capture.as_raw_fd(), self)
    }
}

impl std::fmt::Debug for Libpcap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Libpcap").field("device", &self.device).finish_non_exhaustive()
    }
}

/// The number in files of a link type that libpcap's functions know by another one (`DLT_RAW` of
/// `pcap/dlt.h`, libpcap's `pcap-common.c`).
fn in_files(datalink: Linktype) -> LinkType {
    match datalink.0 {
        12 | 14 => LinkType::RAW,
        same => LinkType(u16::try_from(same).unwrap_or(u16::MAX)),
    }
}

/// libpcap's errors differ only in their messages (`pcap-linux.c`, `pcap-bpf.c`).
fn failure(device: &str, error: pcap::Error) -> Error {
    let message = match error {
        // without the crate's own words before libpcap's
        pcap::Error::PcapError(message) => message,
        other => other.to_string(),
    };
    let device = device.to_owned();
    let says = |words: &str| message.contains(words);
    if says("permission") || says("Operation not permitted") {
        Error::NotPermitted { device }
    } else if says("disappeared") {
        Error::Removed { device }
    } else if says("went down") || says("is not up") {
        Error::Down { device }
    } else if says("No such device") {
        Error::NoSuchDevice { device }
    } else {
        Error::Pcap { device, message }
    }
}

fn unsupported(options: &CaptureOptions, what: &'static str) -> Error {
    Error::Unsupported { device: options.device.clone(), what }
}

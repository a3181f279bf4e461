//! Devices that are captured on: opened with what selects in the kernel, and asked for frames in
//! the order of their times.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use podmap::{Kind, PodMap};
use vxcap::filter::Program;
use vxcap::filter::pushdown::{self, Overlay, Prefix, by_inner_ends};
use vxcap::live::{
    self, Capture, CaptureOptions, Device, Error, Fanout, FanoutMode, Netns, Statistics,
};
use vxcap::{Frame, Interface, Timestamp};
use vxcli::{Failure, Selection, Terminal};
use vxlan::{LinkType, Ports};

use super::clock::now;
use super::device_options::DeviceOptions;
use super::devices::{self, check_clock};
use super::host::operating_system;
use super::order::Order;
use super::wanted::Wanted;

/// A device that is captured on.
pub(crate) struct Tap {
    capture: Capture,
    /// What a capture file says of it.
    pub(crate) interface: Interface,
    /// Its index in its network namespace.
    pub(crate) index: u32,
    only_overlay: bool,
    /// The device went away, and is asked for no more frames.
    gone: bool,
    /// The latest counts of its frames that could be read.
    statistics: Statistics,
    /// The final counts of a device that went away, once they were read.
    last: Option<Statistics>,
    /// The device had no frame when it was asked last.
    silent: bool,
    /// Frames that are still to come are not earlier than this.
    nothing_before: Timestamp,
}

/// A frame of a device.
#[derive(Clone, Copy)]
pub(crate) struct DeviceFrame<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) interface: &'a Interface,
    /// The device's index in its network namespace.
    pub(crate) device: u32,
}

/// All devices of a capture.
pub(crate) struct Taps {
    pub(crate) all: Vec<Tap>,
    /// Every device of the namespace, as it was at the start.
    pub(crate) devices: Vec<Device>,
    order: Order,
    is_stopped: bool,
    ports: Ports,
    snaplen: u32,
    pushdown: bool,
}

/// What devices are opened with.
pub(crate) struct Opening<'a> {
    /// What selects: in the kernel as far as it can.
    pub(crate) wanted: &'a mut Wanted,
    pub(crate) ports: &'a Ports,
    /// The selection as text, for the interface block of a capture file.
    pub(crate) text: Option<&'a str>,
    pub(crate) purpose: Purpose,
    /// How the devices' frames are shared with others.
    pub(crate) share: Option<&'a mut Share>,
}

/// Frames shared among several [`Taps`] on the same devices, by their inner ends.
pub(crate) struct Share {
    program: Arc<Program>,
    /// The devices' groups, once the first has made them.
    groups: Vec<Option<u16>>,
}

impl Share {
    pub(crate) fn new(ports: &Ports) -> Result<Self, Failure> {
        let program = by_inner_ends(ports)
            .map_err(|e| Failure::usage(format_args!("--threads: frames cannot be shared: {e}")))?;
        Ok(Self { program: Arc::new(program), groups: Vec::new() })
    }

    /// How the frames of the device with this number are shared.
    fn fanout(&self, number: usize) -> Fanout {
        Fanout::new(FanoutMode::Program(Arc::clone(&self.program)))
            .group(self.groups.get(number).copied().flatten())
    }
}

/// What the frames are for: how soon they are wanted, and how long their reader may be away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Somebody may be looking.
    Show,
    /// A file, which nobody reads yet.
    Store,
    /// A number, of a part of the frames.
    CountSome,
}

/// Fewer wake-ups where nobody waits for a frame.
const UNHURRIED: Duration = Duration::from_millis(50);
/// Saving takes less time a frame than printing, so half of the default buffer is enough. The kernel
/// allocates it in half the time, and more of it stays in the processor's cache, which saves a fifth
/// of the CPU time at 100,000 frames a second. tcpdump's buffer is an eighth of this.
const STORING_BUFFER: usize = 16 << 20;
/// What only counts a selection is never away for long, and to get 32 MiB from the kernel costs
/// more than some seconds of counting.
const COUNTING_BUFFER: usize = 8 << 20;

impl Taps {
    /// Opens the devices that were asked for. `selection` learns on which of them only overlay
    /// traffic is wanted.
    pub(crate) fn open(
        asked: &DeviceOptions,
        netns: Option<&Arc<Netns>>,
        opening: Opening<'_>,
        terminal: &mut Terminal,
    ) -> Result<Self, Failure> {
        let Opening { wanted, ports, text, purpose, mut share } = opening;
        let Wanted { selection, map, .. } = wanted;
        // the other threads open the same devices
        let is_first = share.as_ref().is_none_or(|share| share.groups.is_empty());
        let all_devices =
            live::devices(netns.map(Arc::as_ref)).map_err(|e| devices::failure(&e))?;
        let names = asked.names_among(&all_devices);
        check_clock(asked.clock.as_deref(), terminal)?;
        let device = |name: &str| all_devices.iter().find(|device| device.name == name);
        let only_overlay: Vec<bool> =
            names.iter().map(|name| asked.only_overlay(device(name))).collect();
        if only_overlay.contains(&true) {
            selection.only_overlay(overlay(ports, map), only_overlay.clone());
        }
        let mut taps = Self {
            all: Vec::new(),
            order: Order::default(),
            is_stopped: false,
            ports: ports.clone(),
            snaplen: asked.snaplen,
            pushdown: asked.pushdown,
            devices: Vec::new(),
        };
        for (number, (name, only_overlay)) in names.iter().zip(only_overlay).enumerate() {
            let mut options = options(asked, name, number as u32, purpose)
                .netns(netns.cloned())
                .link_type(asked.link_type)
                .fanout(share.as_ref().map(|share| share.fanout(number)));
            let of_frames = asked.link_type.or(device(name).map(Device::link_type));
            if let Some(of_frames) = of_frames.filter(|of| pushdown::decides_on(*of)) {
                let what = (name.as_str(), of_frames, only_overlay);
                let tell = is_first.then_some(&mut *terminal);
                let program = taps.program(what, selection, map, tell)?;
                options = options.program(program.map(Arc::new));
            }
            let mut capture = Capture::open(&options).map_err(|e| devices::failure(&e))?;
            // an old libpcap captures with another cooked header than the program expects
            if of_frames.is_some_and(|of| of != capture.interface().link_type) {
                capture.set_program(None).map_err(|e| Failure::error(devices::explained(&e)))?;
            }
            let tap = Tap::new(capture, only_overlay, text);
            if is_first {
                tap.tell_open(name, terminal);
                if let Some(share) = &mut share {
                    share.groups.push(tap.capture.fanout_group());
                }
            }
            taps.all.push(tap);
        }
        taps.devices = all_devices;
        Ok(taps)
    }

    /// The program that decides in the kernel.
    fn program(
        &self,
        (name, link_type, only_overlay): (&str, LinkType, bool),
        selection: &mut Selection,
        map: &PodMap,
        tell: Option<&mut Terminal>,
    ) -> Result<Option<Program>, Failure> {
        if !self.pushdown {
            return Ok(None);
        }
        let pushed = selection.kernel_program(link_type, &self.ports, map, only_overlay)?;
        if let Some(terminal) = tell {
            for (part, why) in &pushed.left_out {
                terminal.tell(format_args!("{name}: {part} is decided in user space: {why}"));
            }
        }
        Ok(Some(pushed.program.with_snaplen(self.snaplen)))
    }

    /// The map is another one: what the kernel selects by is too.
    pub(crate) fn map_changed(
        &mut self,
        selection: &mut Selection,
        map: &PodMap,
    ) -> Result<(), Failure> {
        selection.pods_changed(pods(map));
        if !self.pushdown {
            return Ok(());
        }
        for tap in &mut self.all {
            let link_type = tap.interface.link_type;
            if !tap.gone && pushdown::decides_on(link_type) {
                let pushed =
                    selection.kernel_program(link_type, &self.ports, map, tap.only_overlay)?;
                let program = pushed.program.with_snaplen(self.snaplen);
                tap.capture
                    .set_program(Some(Arc::new(program)))
                    .map_err(|e| Failure::error(devices::explained(&e)))?;
            }
        }
        Ok(())
    }

    /// The next frame that is there already, of all devices the one that came first; `None` where
    /// there is none, or where one that came before may still come.
    ///
    /// # Errors
    ///
    /// That a device went away: once for each.
    #[inline]
    pub(crate) fn next_frame(&mut self) -> Result<Option<DeviceFrame<'_>>, Error> {
        // one alone needs no order
        let turn = if self.all.len() == 1 { Some(0) } else { self.order.choose(&mut self.all)? };
        match turn.and_then(|turn| self.all.get_mut(turn)) {
            Some(tap) => tap.next_frame(),
            None => Ok(None),
        }
    }

    /// Waits until [`Self::next_frame`] may have something, at most `timeout`; a signal ends it
    /// sooner.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Result<(), Failure> {
        let timeout = self.order.patience().map_or(timeout, |patience| patience.min(timeout));
        let alone = self.all.len() == 1;
        // one that has a frame already, which waits for the others, would end the wait at once
        let awaited = self.all.iter().filter(|tap| !tap.gone && (alone || tap.silent));
        Capture::wait_for_any(awaited.map(|tap| &tap.capture), timeout)
            .map_err(|e| Failure::error(devices::explained(&e)))?;
        self.order.has_waited(&mut self.all);
        Ok(())
    }

    /// What [`Self::next_frame`] gives yet came no earlier.
    ///
    /// # Errors
    ///
    /// That a device went away: once for each.
    pub(crate) fn nothing_before(&mut self) -> Result<Timestamp, Error> {
        // the clock comes first: what is not there after it was read is later than it says
        let clock = now();
        let mut earliest = Timestamp::from_nanos(i64::MAX);
        for tap in &mut self.all {
            tap.ask_again();
            let next = match tap.next_time()? {
                Some(time) => time,
                None if tap.gone || self.is_stopped => continue,
                None => tap.nothing_before(clock),
            };
            earliest = earliest.min(next);
        }
        Ok(earliest)
    }

    /// Takes no more frames from now on, and waits until those that were taken can be had. Only
    /// from libpcap, which cannot be told to, there are none any more.
    pub(crate) fn stop(&mut self) -> Result<(), Failure> {
        let mut longest = Duration::ZERO;
        let mut result = Ok(());
        for tap in self.all.iter_mut().filter(|tap| !tap.gone) {
            match tap.capture.stop() {
                Ok(Some(wait)) => longest = longest.max(wait),
                Ok(None) => tap.gone = true,
                Err(error) => {
                    result = result.and(Err(Failure::error(devices::explained(&error))));
                }
            }
        }
        std::thread::sleep(longest);
        self.is_stopped = true;
        self.order.drain(&mut self.all);
        result
    }

    /// Is there any device left?
    pub(crate) fn is_over(&self) -> bool {
        self.all.iter().all(|tap| tap.gone)
    }

    /// What became of the frames of all devices together.
    pub(crate) fn statistics(&mut self) -> Statistics {
        let mut sum = Statistics::default();
        for tap in &mut self.all {
            let one = tap.statistics();
            sum.captured += one.captured;
            sum.received += one.received;
            sum.dropped += one.dropped;
            sum.interface_dropped = add(sum.interface_dropped, one.interface_dropped);
            // of the whole host: the same for each device
            sum.backlog_dropped = sum.backlog_dropped.max(one.backlog_dropped);
        }
        sum
    }
}

impl Tap {
    /// A device that was opened; `text`: the selection, for the interface block of a capture file.
    fn new(capture: Capture, only_overlay: bool, text: Option<&str>) -> Self {
        let mut interface = capture.interface().clone();
        interface.filter = text.map(str::to_owned);
        interface.os = operating_system();
        Self {
            index: capture.device().index,
            capture,
            interface,
            only_overlay,
            gone: false,
            statistics: Statistics::default(),
            last: None,
            silent: false,
            nothing_before: Timestamp::default(),
        }
    }

    /// Says that the device is open.
    fn tell_open(&self, name: &str, terminal: &mut Terminal) {
        let (short, long) = self.interface.link_type.name().unwrap_or(("?", "not decoded"));
        let what =
            if self.only_overlay { ", overlay traffic only (--all for everything)" } else { "" };
        let snaplen = self.interface.snaplen;
        let _ = writeln!(
            terminal.err,
            "listening on {name}, link-type {short} ({long}), snapshot length {snaplen} bytes{what}"
        );
    }

    /// Whether it is all devices together.
    pub(crate) fn is_any(&self) -> bool {
        self.index == 0
    }

    /// The next frame that is there already, and its interface; `None` where there is none, or the
    /// device is gone.
    ///
    /// # Errors
    ///
    /// That the device went away: once.
    #[inline]
    fn next_frame(&mut self) -> Result<Option<DeviceFrame<'_>>, Error> {
        if self.gone {
            return Ok(None);
        }
        let (interface, device) = (&self.interface, self.index);
        match self.capture.next_frame(Duration::ZERO) {
            Ok(frame) => Ok(frame.map(|frame| DeviceFrame { frame, interface, device })),
            Err(error) => {
                self.gone = true;
                Err(error)
            }
        }
    }

    /// The time of that frame. Where there is none it is not looked for again before
    /// [`Self::ask_again`].
    ///
    /// # Errors
    ///
    /// That the device went away: once.
    #[inline]
    pub(crate) fn next_time(&mut self) -> Result<Option<Timestamp>, Error> {
        if self.silent {
            return Ok(None);
        }
        let time = self.capture.next_time();
        self.gone = time.is_err();
        self.silent = !matches!(time, Ok(Some(_)));
        time
    }

    /// It may have something now.
    pub(crate) fn ask_again(&mut self) {
        self.silent = self.gone;
    }

    /// Did the device go away?
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Frames that come yet came no earlier, where there was none after the clock said `now`.
    pub(crate) fn nothing_before(&mut self, now: Timestamp) -> Timestamp {
        // what was known once stays true
        self.nothing_before = self.nothing_before.max(self.capture.nothing_before(now));
        self.nothing_before
    }

    /// May frames soon be lost?
    pub(crate) fn is_mostly_full(&self) -> bool {
        !self.gone && self.capture.is_mostly_full()
    }

    /// What became of its frames, as far as that could be learnt.
    pub(crate) fn statistics(&mut self) -> Statistics {
        if let Some(last) = self.last {
            return last;
        }
        if let Ok(now) = self.capture.statistics() {
            self.statistics = now;
        }
        self.last = self.gone.then_some(self.statistics);
        self.statistics
    }
}

fn add(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

/// What overlay traffic is.
pub(crate) fn overlay(ports: &Ports, map: &PodMap) -> Overlay {
    Overlay::new(ports.clone(), pods(map))
}

/// The pods' ranges and addresses.
fn pods(map: &PodMap) -> Vec<Prefix> {
    map.rows()
        .filter(|row| row.kind == Kind::Pod)
        .filter_map(|row| Prefix::new(row.cidr.address(), row.cidr.prefix_len()))
        .collect()
}

fn options(
    asked: &DeviceOptions,
    device: &str,
    interface: u32,
    purpose: Purpose,
) -> CaptureOptions {
    let options = CaptureOptions::new(device)
        .interface(interface)
        .snaplen(asked.snaplen)
        .promiscuous(asked.promiscuous)
        .directions(asked.directions)
        .backend(asked.backend);
    let options = match purpose {
        Purpose::Show => options,
        Purpose::Store => options.latency(UNHURRIED).buffer(STORING_BUFFER),
        Purpose::CountSome => options.latency(UNHURRIED).buffer(COUNTING_BUFFER),
    };
    let options = if asked.is_immediate { options.immediate() } else { options };
    match asked.buffer {
        Some(bytes) => options.buffer(bytes),
        None => options,
    }
}

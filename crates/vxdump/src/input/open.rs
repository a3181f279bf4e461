//! A live capture from the command line to open devices, for all commands that capture. Here the
//! structs of the command line end: what is below takes plain values.

use std::sync::Arc;

use vxcap::filter::{Program, pushdown};
use vxcap::live::{self, Device, Netns};
use vxcli::args::SelectArgs;
use vxcli::{Failure, Selection, Terminal, setup};
use vxlan::{Decoder, LinkType, Ports};

use super::args::InputArgs;
use super::capture::ProcessOrders;
use super::device_names::DeviceNames;
use super::device_options::DeviceOptions;
use super::devices;
use super::following::{Following, Known};
use super::signals::Signals;
use super::taps::{Opening, Purpose, Share, Tap, Taps, overlay};
use super::wanted::{Snaplen, Wanted};

/// What is known before any device is open.
pub(crate) struct Plan {
    netns: Option<Arc<Netns>>,
    devices: DeviceOptions,
    following: Following,
    known: Known,
    ports: Ports,
    select: SelectArgs,
    snaplen: Snaplen,
    wanted: Wanted,
}

/// Open devices, and what is wanted of them.
pub(crate) struct Opened {
    pub(crate) taps: Taps,
    pub(crate) wanted: Wanted,
    /// Where all devices are captured on together: which is which.
    pub(crate) device_names: Option<DeviceNames>,
}

/// A capture that can begin.
pub(crate) struct Session {
    pub(crate) opened: Opened,
    /// Where several threads share the devices' frames: what the others capture with.
    pub(crate) others: Vec<Opened>,
    pub(crate) known: Known,
    pub(crate) orders: ProcessOrders,
}

impl Plan {
    /// The map, and what is wanted.
    pub(crate) fn new(input: &InputArgs, terminal: &mut Terminal) -> Result<Self, Failure> {
        let netns = input.live.netns()?.map(Arc::new);
        let devices = input.devices()?;
        let mut following = Following::open(&input.map, netns.as_deref(), terminal)?;
        let known = following.known();
        setup::tell_warnings(&known.map, terminal);
        let ports = following.ports(&input.files.tunnel)?;
        let (select, snaplen) = (input.selection()?, Snaplen::new(input.snaplen));
        let wanted = wanted(&select, &ports, &known, snaplen)?;
        Ok(Self { netns, devices, following, known, ports, select, snaplen, wanted })
    }

    /// The program that the kernel would run for the first device that was asked for.
    pub(crate) fn program(mut self) -> Result<Program, Failure> {
        let all = live::devices(self.netns.as_deref()).map_err(|e| devices::failure(&e))?;
        let names = self.devices.names_among(&all);
        let first = names.first().and_then(|name| all.iter().find(|device| device.name == *name));
        if let (Some(name), None) = (names.first(), first) {
            return Err(devices::failure(&live::Error::NoSuchDevice { device: name.clone() }));
        }
        let chosen = self.devices.link_type.or(first.map(Device::link_type));
        let link_type = chosen.filter(|of| pushdown::decides_on(*of)).unwrap_or(LinkType::ETHERNET);
        let only_overlay = self.devices.only_overlay(first);
        let Wanted { selection, map, .. } = &mut self.wanted;
        if only_overlay {
            selection.only_overlay(overlay(&self.ports, map), vec![true]);
        }
        let pushed = selection.kernel_program(link_type, &self.ports, map, only_overlay)?;
        if link_type == LinkType::ETHERNET {
            return Ok(pushed.program);
        }
        pushdown::cooked(&pushed.program, link_type).map_err(Failure::error)
    }

    /// The selection as text, for the interface blocks of capture files; `None` where there is
    /// none.
    pub(crate) fn text(&self) -> Option<String> {
        let select = &self.select;
        let mut words = Vec::new();
        if !select.expression.is_empty() {
            words.push(select.expression.join(" "));
        }
        for (flag, values) in [("--node", &select.node), ("--pod", &select.pod)] {
            words.extend(values.iter().map(|value| format!("{flag} {value}")));
        }
        words.extend(select.vni.iter().map(|vni| format!("--vni {vni}")));
        words.extend(select.inner.iter().map(|inner| format!("--inner '{inner}'")));
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Opens the devices once.
    pub(crate) fn open(
        self,
        purpose: Purpose,
        terminal: &mut Terminal,
    ) -> Result<Session, Failure> {
        self.open_for(1, purpose, terminal)
    }

    /// Opens the devices once for each thread: these share the devices' frames.
    pub(crate) fn open_for(
        self,
        threads: usize,
        purpose: Purpose,
        terminal: &mut Terminal,
    ) -> Result<Session, Failure> {
        let text = self.text();
        // from the first device on, a signal ends the capture in order
        let signals = Signals::listen()?;
        let Self { netns, devices, following, known, ports, select, snaplen, wanted: first } = self;
        let others = (1..threads).map(|_| wanted(&select, &ports, &known, snaplen));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        let mut share = if others.is_empty() { None } else { Some(Share::new(&ports)?) };
        let mut open = |mut wanted: Wanted| {
            let opening = Opening {
                wanted: &mut wanted,
                ports: &ports,
                text: text.as_deref(),
                purpose,
                share: share.as_mut(),
            };
            let taps = Taps::open(&devices, netns.as_ref(), opening, terminal)?;
            let any = taps.all.iter().any(Tap::is_any);
            let device_names = any.then(|| DeviceNames::new(&taps.devices, netns.as_deref()));
            let mut link_types = vec![LinkType::ETHERNET, LinkType::RAW];
            link_types.extend(taps.all.iter().map(|tap| tap.interface.link_type));
            wanted.selection.prepare(&link_types);
            Ok::<_, Failure>(Opened { taps, wanted, device_names })
        };
        let opened = open(first)?;
        let others = others.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Session { opened, others, known, orders: ProcessOrders { signals, following } })
    }
}

fn wanted(
    select: &SelectArgs,
    ports: &Ports,
    known: &Known,
    snaplen: Snaplen,
) -> Result<Wanted, Failure> {
    let selection = Selection::new(select, &known.map)?;
    let decoder = Decoder::default().ports(ports.clone());
    Ok(Wanted::new(decoder, Arc::clone(&known.map), selection, snaplen))
}

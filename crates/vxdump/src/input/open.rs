//! A live capture from the command line to open devices, for all commands that capture.

use std::sync::Arc;

use podmap::PodMap;
use vxcap::filter::{Program, pushdown};
use vxcap::live::{self, Device, Netns, User};
use vxcli::args::{MapArgs, SelectArgs};
use vxcli::{Failure, Selection, Terminal, setup};
use vxlan::{Decoder, LinkType, Ports};

use crate::cli::{InputArgs, LiveArgs};
use crate::input::device_names::DeviceNames;
use crate::input::devices;
use crate::input::following::Following;
use crate::input::kernel_map::SUBNET_ENV_FOLDER;
use crate::input::sandbox::Sandbox;
use crate::input::signals::Signals;
use crate::input::taps::{self, Purpose, Share, Tap, Taps, Wanted};
use crate::packets;

/// What is known before any device is open.
pub(crate) struct Plan {
    netns: Option<Arc<Netns>>,
    following: Following,
    pub(crate) map: PodMap,
    pub(crate) ports: Ports,
    pub(crate) selection: Selection,
}

/// What a capture works with.
pub(crate) struct Opened {
    pub(crate) following: Following,
    pub(crate) map: PodMap,
    pub(crate) decoder: Decoder,
    pub(crate) selection: Selection,
    pub(crate) taps: Taps,
    /// Where all devices are captured on together: which is which.
    pub(crate) device_names: Option<DeviceNames>,
    /// Where several threads share the devices' frames: what the others capture with.
    pub(crate) others: Vec<(Selection, Taps, Option<DeviceNames>)>,
    pub(crate) signals: Signals,
}

impl Plan {
    /// The map, and what is wanted.
    pub(crate) fn new(
        input: &InputArgs,
        select: &SelectArgs,
        map: &MapArgs,
        terminal: &mut Terminal,
    ) -> Result<Self, Failure> {
        let netns = input.live.netns.as_deref();
        let netns = netns.map(Netns::open).transpose().map_err(Failure::usage)?.map(Arc::new);
        let mut following = Following::open(map, netns.as_deref(), terminal)?;
        let map = following.map();
        setup::tell_warnings(&map, terminal);
        let ports = following.ports(&input.tunnel)?;
        let selection = Selection::new(&packets::selected(select, input)?, &map)?;
        Ok(Self { netns, following, map, ports, selection })
    }

    /// The program that the kernel would run for the first device that was asked for.
    pub(crate) fn program(mut self, args: &LiveArgs) -> Result<Program, Failure> {
        let all = live::devices(self.netns.as_deref()).map_err(Failure::error)?;
        let names = devices::names(args, &all);
        let first = names.first().and_then(|name| all.iter().find(|device| device.name == *name));
        if let (Some(name), None) = (names.first(), first) {
            return Err(Failure::usage(live::Error::NoSuchDevice { device: name.clone() }));
        }
        let chosen = devices::link_type(args)?.or(first.map(Device::link_type));
        let link_type = chosen.filter(|of| pushdown::decides_on(*of)).unwrap_or(LinkType::ETHERNET);
        let only_overlay = taps::only_overlay(args, first);
        if only_overlay {
            self.selection.only_overlay(taps::overlay(&self.ports, &self.map), vec![true]);
        }
        let pushed =
            self.selection.kernel_program(link_type, &self.ports, &self.map, only_overlay)?;
        if link_type == LinkType::ETHERNET {
            return Ok(pushed.program);
        }
        pushdown::cooked(&pushed.program, link_type).map_err(Failure::error)
    }

    /// The same selection for another thread.
    pub(crate) fn another_selection(
        &self,
        select: &SelectArgs,
        input: &InputArgs,
    ) -> Result<Selection, Failure> {
        Selection::new(&packets::selected(select, input)?, &self.map)
    }

    /// Opens the devices, once more for each of the other selections. `text`: the selection as capture files tell it.
    pub(crate) fn open(
        self,
        input: &InputArgs,
        text: Option<&str>,
        purpose: Purpose,
        others: Vec<Selection>,
        terminal: &mut Terminal,
    ) -> Result<Opened, Failure> {
        let Self { netns, following, map, ports, mut selection } = self;
        let mut share = if others.is_empty() { None } else { Some(Share::new(&ports)?) };
        let mut open = |selection: &mut Selection| {
            let (ports, map, share) = (&ports, &map, share.as_mut());
            let wanted = Wanted { selection, ports, map, text, purpose, share };
            let taps = Taps::open(input, netns.as_ref(), wanted, terminal)?;
            let any = taps.all.iter().any(Tap::is_any);
            let device_names = any.then(|| DeviceNames::new(&taps.devices, netns.as_deref()));
            let mut link_types = vec![LinkType::ETHERNET, LinkType::RAW];
            link_types.extend(taps.all.iter().map(|tap| tap.interface.link_type));
            selection.prepare(&link_types);
            Ok::<_, Failure>((taps, device_names))
        };
        let (taps, device_names) = open(&mut selection)?;
        let others = others.into_iter().map(|mut selection| {
            let (taps, device_names) = open(&mut selection)?;
            Ok((selection, taps, device_names))
        });
        let others = others.collect::<Result<_, Failure>>()?;
        let signals = Signals::listen()?;
        let decoder = Decoder::default().ports(ports);
        Ok(Opened { following, map, decoder, selection, taps, device_names, others, signals })
    }
}

/// After everything is open: another user, and the sandbox. The map may be read anew in it.
pub(crate) fn give_up_rights(
    args: &LiveArgs,
    sandbox: Sandbox,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    assume_user(args)?;
    enter(args, sandbox, terminal);
    Ok(())
}

/// `-Z`: another user, whose files are those that are made from here on.
pub(crate) fn assume_user(args: &LiveArgs) -> Result<(), Failure> {
    let Some(name) = &args.user else { return Ok(()) };
    User::named(name).and_then(|user| user.assume()).map_err(Failure::usage)
}

/// Enters the sandbox.
pub(crate) fn enter(args: &LiveArgs, mut sandbox: Sandbox, terminal: &mut Terminal) {
    if !args.no_sandbox {
        sandbox.readable.push(SUBNET_ENV_FOLDER.into());
        for warning in sandbox.enter() {
            terminal.tell(format_args!("warning: {warning}"));
        }
    }
}

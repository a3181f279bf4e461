//! The map of a live capture: files and flags as they were, and the node's kernel as it changes.

use std::sync::Arc;

use podmap::{Builder, PodMap};
use vxcap::live::Netns;
use vxcli::args::{MapArgs, TunnelArgs};
use vxcli::{Failure, Terminal, setup};
use vxlan::{Ports, TunnelKind};

use super::carriages::Carriages;
use super::devices;
use super::kernel_map::KernelMap;

/// What is known of the cluster, at one time.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) map: Arc<PodMap>,
    /// How frames on the node's VXLAN devices are carried.
    pub(crate) carriages: Arc<Carriages>,
}

/// What the map is made of.
pub(crate) struct Following {
    builder: Builder,
    kernel: Option<KernelMap>,
}

impl Following {
    /// Reads the sources. The kernel is asked too, unless `--map none` is given: where files and
    /// the kernel contradict each other, the files are right.
    pub(crate) fn open(
        args: &MapArgs,
        netns: Option<&Netns>,
        terminal: &mut Terminal,
    ) -> Result<Self, Failure> {
        let mut builder = Builder::new();
        let wanted = !args.map.iter().any(|path| path.as_os_str() == "none");
        let kernel = if wanted {
            let opened = KernelMap::open(netns, &mut builder, &mut |error| {
                terminal.tell(format_args!("warning: {error}"));
            });
            match opened {
                Ok(kernel) => Some(kernel),
                Err(error) => {
                    terminal.tell(format_args!(
                        "warning: no names from the kernel: {}",
                        devices::explained(&error)
                    ));
                    None
                }
            }
        } else {
            None
        };
        // later sources count more
        setup::fill(&mut builder, args)?;
        Ok(Self { builder, kernel })
    }

    /// The map of a run that captures nothing: files and flags, and the kernel where `--map kernel`
    /// asks for it.
    pub(crate) fn once(args: &MapArgs, terminal: &mut Terminal) -> Result<PodMap, Failure> {
        if !args.map.iter().any(|path| path.as_os_str() == "kernel") {
            return setup::map(args, terminal);
        }
        let map = Self::open(args, None, terminal)?.map();
        setup::tell_warnings(&map, terminal);
        Ok(map)
    }

    /// The map as it is now.
    fn map(&mut self) -> PodMap {
        match self.kernel {
            Some(_) => KernelMap::build(&mut self.builder),
            None => self.builder.build(),
        }
    }

    /// What is known of the cluster now.
    pub(crate) fn known(&mut self) -> Known {
        let map = Arc::new(self.map());
        Known { map, carriages: Arc::new(Carriages::of(self.kernel.as_ref())) }
    }

    /// The same anew, if what it is made of has changed. To be called now and then.
    pub(crate) fn changed(&mut self) -> Option<Known> {
        let kernel = self.kernel.as_mut()?;
        // an error leaves what was known
        kernel.refresh(&mut self.builder).unwrap_or(false).then(|| self.known())
    }

    /// The ports of `--tunnel-port`; without, the default ones and those of the node's VXLAN
    /// devices.
    pub(crate) fn ports(&self, args: &TunnelArgs) -> Result<Ports, Failure> {
        let usual = setup::ports(args)?;
        if !args.tunnel_port.is_empty() {
            return Ok(usual);
        }
        let of_devices = self.kernel.iter().flat_map(KernelMap::tunnels).map(|tunnel| {
            (tunnel.port, if tunnel.gpe { TunnelKind::Gpe } else { TunnelKind::Vxlan })
        });
        // what the node's devices speak on a port counts more than what the port is for
        let mut ports = Ports::none();
        for (port, kind) in of_devices.chain(usual.iter()) {
            if port != 0 && ports.iter().all(|(known, _)| known != port) {
                ports = ports.with(port, kind).map_err(Failure::error)?;
            }
        }
        Ok(ports)
    }
}

//! Names without any flag: what the kernel of a node knows of its cluster.
//!
//! A node's routes lead to the other nodes' pods, its neighbours and forwarding database say which
//! node is behind which route, and its VXLAN devices which identifier and port the cluster uses.
//! All that needs no privilege to read, and is told when it changes. A pod's kernel tables know
//! none of that: in a pod, its node's are asked.

mod facts;
mod subnet_env;
mod tunnel;

use std::collections::HashMap;
use std::fmt::Display;
use std::fs;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use podmap::{Builder, PodMap, SourceId};
use vxcap::live::{Error, Netns, NodeNetns, TableReader, TableWatch, Tables};

use facts::Facts;
use subnet_env::SubnetEnv;

use super::devices;

pub use subnet_env::FOLDER as SUBNET_ENV_FOLDER;
pub use tunnel::{Endpoint, Tunnel};

/// What a map calls the kernel.
const LABEL: &str = "kernel";

/// The tables are read at most so often while they change. The pause never grows, whatever changes:
/// names lag behind the kernel by this much at most.
const PAUSE: Duration = Duration::from_millis(250);

/// The kernel's word on names, followed while it changes.
#[derive(Debug)]
pub struct KernelMap {
    source: SourceId,
    reader: TableReader,
    watch: TableWatch,
    subnet_env: SubnetEnv,
    facts: Facts,
    place: Place,
    /// Something changed since the tables were read.
    stale: bool,
    /// Not before this time are they read again.
    not_before: Instant,
    /// For [`KernelMap::remote_of`].
    remotes: Arc<Remotes>,
}

/// Outer addresses by VXLAN device and MAC address there: the devices' forwarding databases, and
/// this node's own ends.
pub(crate) type Remotes = HashMap<(u32, [u8; 6]), IpAddr>;

/// Where the capture is, seen from the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Where they are.
    Here,
    /// In a pod of the node that they are of.
    InPod,
    /// They are a pod's own, which say nothing of the cluster.
    Lost,
}

impl KernelMap {
    /// Reads the tables, of this network namespace or of another, and puts what they say into a new
    /// source of `builder`; where that namespace is a pod's, those of the pod's node. Flannel's
    /// subnet.env is another source, where the file is there.
    ///
    /// # Errors
    ///
    /// What [`TableReader::read`] and [`TableWatch::open_in`] say. That a subnet.env makes no
    /// sense, or that a pod's node cannot be asked, is handed to `complain`.
    pub fn open(
        netns: Option<&Netns>,
        builder: &mut Builder,
        complain: &mut dyn FnMut(&dyn Display),
    ) -> Result<Self, Error> {
        let found = NodeNetns::find(netns)?;
        let (netns, place) = match &found {
            NodeNetns::Same => (netns, Place::Here),
            NodeNetns::Around(node) => (Some(node), Place::InPod),
            hidden => {
                let why = match hidden {
                    NodeNetns::Hidden(Some(error)) => devices::explained(error),
                    _ => "it is not seen from here".to_owned(),
                };
                complain(&format_args!(
                    "no names from the kernel: this network namespace looks like a pod's, and its node's is needed ({why}): \
                     capture from the node with --netns, or give names with --map FILE"
                ));
                (netns, Place::Lost)
            }
        };
        // first to watch, then to read: what changes in between is read again
        let watch = TableWatch::open_in(netns)?;
        let mut reader = TableReader::open_in(netns)?;
        let tables = reader.read()?;
        let source = builder.source(LABEL);
        builder.mark_partial(source);
        let subnet_env = SubnetEnv::open(subnet_env::PATH.as_ref(), builder, complain);
        let facts = place.facts(&tables, &subnet_env);
        facts.fill(builder, source);
        let remotes = place.remotes(&facts);
        Ok(Self {
            source,
            reader,
            watch,
            subnet_env,
            facts,
            place,
            stale: false,
            not_before: Instant::now() + PAUSE,
            remotes,
        })
    }

    /// Makes the map of all that is in `builder`. The local node, where no other source names it,
    /// has the host's name.
    pub fn build(builder: &mut Builder) -> PodMap {
        let map = builder.build();
        // what podmap calls the local node where it finds no name for it
        if map.node_named("local").is_none() {
            return map;
        }
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        if Builder::check_name(name).is_err() {
            return map;
        }
        builder.local_node(name);
        builder.build()
    }

    /// Follows the kernel: if what hangs on its tables changed, `builder` says so, and `true` is
    /// returned: the map is to be built anew. To be called now and then; reads the tables four
    /// times a second at most, however many changes there were.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the kernel is not there to ask. What was known stays.
    pub fn refresh(&mut self, builder: &mut Builder) -> Result<bool, Error> {
        let now = Instant::now();
        let other_file = self.subnet_env.refresh(builder, now);
        self.stale |= self.watch.changed(Duration::ZERO)? || other_file;
        if !self.stale || (now < self.not_before && !other_file) {
            return Ok(false);
        }
        self.stale = false;
        let read = self.reader.read();
        self.not_before = Instant::now() + PAUSE;
        let facts = self.place.facts(&read?, &self.subnet_env);
        if facts == self.facts && !other_file {
            return Ok(false);
        }
        self.facts = facts;
        self.remotes = self.place.remotes(&self.facts);
        builder.forget(self.source);
        self.facts.fill(builder, self.source);
        Ok(true)
    }

    /// The node's VXLAN devices, by their indices: the cluster's ports and identifiers.
    pub fn tunnels(&self) -> &[Tunnel] {
        &self.facts.tunnels
    }

    /// Where a frame on a VXLAN device comes from or goes to in the underlay, by its MAC address
    /// there: another node's outer address, or this node's own. In a pod there is no such device.
    pub fn remote_of(&self, device: u32, mac: [u8; 6]) -> Option<IpAddr> {
        self.remotes.get(&(device, mac)).copied()
    }

    /// All that [`Self::remote_of`] knows now.
    pub(crate) fn remotes(&self) -> Arc<Remotes> {
        Arc::clone(&self.remotes)
    }
}

impl Place {
    fn facts(self, tables: &Tables, subnet_env: &SubnetEnv) -> Facts {
        match self {
            Self::Here | Self::InPod => Facts::of(tables, subnet_env.networks()),
            Self::Lost => Facts::default(),
        }
    }

    /// Of the devices of this place: a pod has none of its node's.
    fn remotes(self, facts: &Facts) -> Arc<Remotes> {
        let mut remotes = Remotes::new();
        if self == Self::Here {
            for tunnel in &facts.tunnels {
                let ends = tunnel.endpoints.iter().map(|end| (end.mac, end.underlay));
                for (mac, address) in ends.chain(tunnel.mac.zip(tunnel.local)) {
                    remotes.insert((tunnel.device, mac), address);
                }
            }
        }
        Arc::new(remotes)
    }
}

impl AsFd for KernelMap {
    /// Readable when there is something for [`KernelMap::refresh`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

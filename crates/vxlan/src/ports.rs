//! Which UDP ports carry tunnels.

use core::fmt;

use crate::tunnel::TunnelKind;

/// VXLAN's port at IANA (RFC 7348 section 8).
pub const IANA_PORT: u16 = 4789;
/// VXLAN's port in Linux (drivers/net/vxlan: `vxlan_port`), and so flannel's, k3s's and Cilium's.
pub const LINUX_PORT: u16 = 8472;
/// VXLAN-GPE's port at IANA.
pub const GPE_PORT: u16 = 4790;
/// Geneve's port at IANA (RFC 8926 section 3.3).
pub const GENEVE_PORT: u16 = 6081;
/// Port of flannel's UDP back end.
pub const FLANNEL_UDP_PORT: u16 = 8285;

/// The default ports. The first is the one that most packets of a cluster have.
const DEFAULTS: [(u16, TunnelKind); 5] = [
    (LINUX_PORT, TunnelKind::Vxlan),
    (IANA_PORT, TunnelKind::Vxlan),
    (GPE_PORT, TunnelKind::Gpe),
    (GENEVE_PORT, TunnelKind::Geneve),
    (FLANNEL_UDP_PORT, TunnelKind::Udp),
];

const MOST: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    port: u16,
    kind: TunnelKind,
    also_source: bool,
}

/// The UDP ports that carry tunnels, at most 16 of them; an earlier entry for a port goes before a
/// later one.
///
/// The destination port decides whether a packet is looked at as a tunnel packet. The source port
/// does only where the port was added with [`Ports::with_either_direction`]: servers send from port
/// 8472 too, and that is not VXLAN.
#[derive(Clone, PartialEq, Eq)]
pub struct Ports {
    entries: [Entry; MOST],
    len: u8,
    any_source: bool,
    /// the bits of all ports
    bits: u64,
}

/// The bit that stands for a port, among others.
const fn bit(port: u16) -> u64 {
    1 << (port % 64)
}

/// More than 16 tunnel ports were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortsFull;

impl fmt::Display for PortsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MOST} tunnel ports")
    }
}

impl core::error::Error for PortsFull {}

impl Default for Ports {
    /// [`Ports::DEFAULT`].
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Ports {
    /// 8472 and 4789 for VXLAN, 4790 for GPE, 6081 for Geneve, 8285 for flannel's UDP back end.
    pub const DEFAULT: Self = {
        let mut ports = Self::none();
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
        while (ports.len as usize) < DEFAULTS.len() {
            let (port, kind) = DEFAULTS[ports.len as usize];
            ports.entries[ports.len as usize] = Entry { port, kind, also_source: false };
            ports.bits |= bit(port);
            ports.len += 1;
        }
        ports
    };

    /// No port at all: nothing is decoded as a tunnel.
    pub const fn none() -> Self {
        let entry = Entry { port: 0, kind: TunnelKind::Vxlan, also_source: false };
        Self { entries: [entry; MOST], len: 0, any_source: false, bits: 0 }
    }

    /// Adds a destination port.
    ///
    /// # Errors
    ///
    /// [`PortsFull`] where 16 ports are there already.
    pub fn with(mut self, port: u16, kind: TunnelKind) -> Result<Self, PortsFull> {
        self.push(Entry { port, kind, also_source: false })?;
        Ok(self)
    }

    /// Adds a port that may be the destination port or the source port.
    ///
    /// # Errors
    ///
    /// [`PortsFull`] where 16 ports are there already.
    pub fn with_either_direction(mut self, port: u16, kind: TunnelKind) -> Result<Self, PortsFull> {
        self.push(Entry { port, kind, also_source: true })?;
        Ok(self)
    }

    fn push(&mut self, entry: Entry) -> Result<(), PortsFull> {
        let place = self.entries.get_mut(usize::from(self.len)).ok_or(PortsFull)?;
        *place = entry;
        self.len += 1;
        self.any_source |= entry.also_source;
        self.bits |= bit(entry.port);
        Ok(())
    }

    /// The ports and what they carry, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (u16, TunnelKind)> + '_ {
        self.entries.iter().take(usize::from(self.len)).map(|e| (e.port, e.kind))
    }

    /// What a UDP packet with these ports may carry.
    #[inline]
    pub fn kind(&self, source: u16, destination: u16) -> Option<TunnelKind> {
        // one bit of 64 a port: most packets of the underlay end here
        if self.bits & bit(destination) == 0 && !self.any_source {
            return None;
        }
        // and of a cluster's packets, nearly all here
        match self.entries.first() {
            Some(first) if first.port == destination && self.len > 0 => Some(first.kind),
            _ => self.find(source, destination),
        }
    }

    fn find(&self, source: u16, destination: u16) -> Option<TunnelKind> {
        let entries = self.entries.get(..usize::from(self.len)).unwrap_or(&[]);
        let by_source = |e: &&Entry| e.also_source && e.port == source;
        entries
            .iter()
            .find(|e| e.port == destination)
            .or_else(|| entries.iter().find(by_source))
            .map(|e| e.kind)
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

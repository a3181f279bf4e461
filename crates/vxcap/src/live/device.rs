//! A network device, as the kernel describes it.

use std::fmt;
use std::net::IpAddr;

use vxlan::LinkType;

/// The name that stands for all devices together.
pub const ANY: &str = "any";

/// A network device, as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Its number in its network namespace; 0 for [`ANY`].
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Whether it was brought up (`IFF_UP`).
    pub up: bool,
    /// Whether it can carry frames now: it is up and has a carrier (`IFF_RUNNING`).
    pub running: bool,
    /// Its MAC address, where it has one.
    pub mac: Option<[u8; 6]>,
    /// The longest packet that it sends, without link header, in bytes; 0 where that is not known.
    pub mtu: u32,
    /// The hardware type (`ARPHRD_…` of `linux/if_arp.h`) that says how its frames begin.
    pub hardware: u16,
    /// The index of the bridge, bond or VRF that it is a port of.
    pub controller: Option<u32>,
    /// The index of the device that it stands on (VLAN, VXLAN), or of the other end (veth). Where
    /// [`Self::lower_netns`] is set, it is an index of that network namespace.
    pub lower: Option<u32>,
    /// The number of the other network namespace that `lower` is in, where it is in another (`IFLA_LINK_NETNSID` of
    /// `linux/if_link.h`): each namespace numbers others in its own way.
    pub lower_netns: Option<i32>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceKind {
    /// All devices together.
    Any,
    /// The loopback device.
    Loopback,
    /// A device with hardware, or with what the host says is hardware: an underlay device. Also what the kernel says
    /// nothing of.
    Physical,
    /// An end of a VXLAN tunnel.
    Vxlan(Vxlan),
    /// A bridge, as `cni0`.
    Bridge,
    /// One end of a virtual cable; a pod has one end.
    Veth,
    /// A VLAN on another device, with its number.
    Vlan(u16),
    /// Several devices as one.
    Bond,
    /// A device that loses all.
    Dummy,
    /// A program's tunnel: tun and tap.
    Tun,
    /// `WireGuard`.
    Wireguard,
    /// IP in IPv4 or IPv6 (ipip, sit, ip6tnl).
    Ipip,
    /// A kind that the kernel calls so, as `geneve`, `macvlan`.
    Other(String),
}

impl DeviceKind {
    /// The kind in one word, as `ip link show type` takes it where it can.
    pub fn name(&self) -> &str {
        match self {
            Self::Any => "any",
            Self::Loopback => "loopback",
            Self::Physical => "physical",
            Self::Vxlan(_) => "vxlan",
            Self::Bridge => "bridge",
            Self::Veth => "veth",
            Self::Vlan(_) => "vlan",
            Self::Bond => "bond",
            Self::Dummy => "dummy",
            Self::Tun => "tun",
            Self::Wireguard => "wireguard",
            Self::Ipip => "ipip",
            Self::Other(name) => name,
        }
    }

    /// Whether tunnel packets pass here in their outer headers, among the host's other traffic: a physical
    /// device, a VLAN on one, or a bond.
    pub fn is_underlay(&self) -> bool {
        matches!(self, Self::Physical | Self::Vlan(_) | Self::Bond)
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Vxlan(vxlan) => write!(f, " {vxlan}"),
            Self::Vlan(id) => write!(f, " id {id}"),
            _ => Ok(()),
        }
    }
}

/// What a VXLAN device was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "independent switches of the kernel's")]
pub struct Vxlan {
    /// The network identifier, 24 bits; none where each packet has its own (`external`).
    pub vni: Option<u32>,
    /// The UDP destination port of what it sends, and the port that it listens to.
    pub port: u16,
    /// The outer source address.
    pub local: Option<IpAddr>,
    /// Where unknown destinations are sent: a multicast group or a single endpoint.
    pub remote: Option<IpAddr>,
    /// The index of the device that the tunnel packets go through.
    pub underlay: Option<u32>,
    /// Its name, where it is in the same network namespace.
    pub underlay_name: Option<String>,
    /// Whether it learns from what it receives which endpoint has which MAC address.
    pub learning: bool,
    /// Whether it carries group policies (draft-smith-vxlan-group-policy).
    pub gbp: bool,
    /// Whether it uses the generic protocol extension (draft-ietf-nvo3-vxlan-gpe).
    pub gpe: bool,
    /// Whether metadata of each packet say where it goes (`external`), as with Cilium.
    pub external: bool,
}

impl fmt::Display for Vxlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vni {
            Some(vni) => write!(f, "vni {vni}")?,
            None => f.write_str("external")?,
        }
        write!(f, " port {}", self.port)?;
        if let Some(local) = self.local {
            write!(f, " local {local}")?;
        }
        if let Some(name) = &self.underlay_name {
            write!(f, " dev {name}")?;
        }
        f.write_str(match (self.gbp, self.gpe) {
            (true, _) => " gbp",
            (_, true) => " gpe",
            _ => "",
        })
    }
}

impl Device {
    /// What stands for all devices of the namespace together.
    pub(super) fn any() -> Self {
        Self {
            index: 0,
            name: ANY.to_owned(),
            kind: DeviceKind::Any,
            up: true,
            running: true,
            mac: None,
            mtu: 0,
            hardware: ARPHRD_VOID,
            controller: None,
            lower: None,
            lower_netns: None,
            addresses: Vec::new(),
        }
    }

    /// What the device's frames can begin with when they are captured, [`Self::link_type`] first.
    pub fn link_types(&self) -> &'static [LinkType] {
        match self.link_type() {
            LinkType::LINUX_SLL2 => &[LinkType::LINUX_SLL2, LinkType::LINUX_SLL],
            LinkType::LINUX_SLL => &[LinkType::LINUX_SLL],
            LinkType::RAW => &[LinkType::RAW],
            _ => &[LinkType::ETHERNET],
        }
    }

    /// What the device's frames begin with when they are captured; the same as libpcap's choice.
    pub fn link_type(&self) -> LinkType {
        if self.kind == DeviceKind::Any {
            return LinkType::LINUX_SLL2;
        }
        match self.hardware {
            ARPHRD_ETHER | ARPHRD_LOOPBACK => LinkType::ETHERNET,
            ARPHRD_NONE | ARPHRD_RAWIP | ARPHRD_TUNNEL | ARPHRD_SIT => LinkType::RAW,
            _ => LinkType::LINUX_SLL,
        }
    }
}

// Hardware types: include/uapi/linux/if_arp.h.
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_TUNNEL: u16 = 768;
pub(super) const ARPHRD_LOOPBACK: u16 = 772;
const ARPHRD_SIT: u16 = 776;
const ARPHRD_NONE: u16 = 0xfffe;
pub(super) const ARPHRD_VOID: u16 = 0xffff;

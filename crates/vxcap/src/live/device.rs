//! A network device, as the kernel describes it.

use std::fmt;
use std::net::IpAddr;

use vxlan::LinkType;

/// The name for all devices together.
pub const ANY: &str = "any";

/// A network device, as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// Its number in its network namespace. It is 0 for [`ANY`].
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Whether it was brought up (`IFF_UP`).
    pub up: bool,
    /// Whether it can carry frames now: it is up and has a carrier (`IFF_RUNNING`).
    pub running: bool,
    /// Its MAC address, if it has one.
    pub mac: Option<[u8; 6]>,
    /// The longest packet that it sends, in bytes without the link-layer header. 0 means that it is
    /// not known.
    pub mtu: u32,
    /// The hardware type, which determines the header of its frames (`ARPHRD_…` of
    /// `linux/if_arp.h`).
    pub hardware: u16,
    /// The index of the bridge, bond or VRF that it is a port of.
    pub controller: Option<u32>,
    /// The index of the device that it is based on (VLAN, VXLAN), or of its other end (veth). If
    /// [`Self::lower_netns`] is set, it is an index in that network namespace.
    pub lower: Option<u32>,
    /// The number of the network namespace of `lower`, if that is another one (`IFLA_LINK_NETNSID`
    /// of `linux/if_link.h`). Each namespace has its own numbers for others.
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
    /// A device with real or virtual hardware, which can carry an underlay. Also a device of which
    /// the kernel names no kind.
    Physical,
    /// An end of a VXLAN tunnel.
    Vxlan(Vxlan),
    /// A bridge, as `cni0`.
    Bridge,
    /// One end of a virtual cable. A pod usually has one end.
    Veth,
    /// A VLAN on another device, with its number.
    Vlan(u16),
    /// Several devices that act as one.
    Bond,
    /// A device that drops all frames.
    Dummy,
    /// A device of a program: tun or tap.
    Tun,
    /// `WireGuard`.
    Wireguard,
    /// IP in IPv4 or IPv6 (ipip, sit, ip6tnl).
    Ipip,
    /// Another kind, by the name that the kernel has for it, as `geneve` or `macvlan`.
    Other(String),
}

impl DeviceKind {
    /// The kind in one word, which is mostly the one that `ip link show type` takes.
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

    /// Whether the device can carry tunnel packets with their outer headers among other traffic: a
    /// physical device, a VLAN or a bond.
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

/// The settings of a VXLAN device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "independent switches of the kernel's")]
pub struct Vxlan {
    /// The network identifier, 24 bits. `None` if each packet has its own: see [`Self::external`].
    pub vni: Option<u32>,
    /// The UDP port that it sends to and listens on.
    pub port: u16,
    /// The outer source address.
    pub local: Option<IpAddr>,
    /// Where frames to unknown destinations are sent: a multicast group or one endpoint.
    pub remote: Option<IpAddr>,
    /// The index of the device that sends the tunnel packets.
    pub underlay: Option<u32>,
    /// The name of that device, if it is in the same network namespace.
    pub underlay_name: Option<String>,
    /// Whether it learns from received frames which endpoint has which MAC address.
    pub learning: bool,
    /// Whether it carries group policies (draft-smith-vxlan-group-policy).
    pub gbp: bool,
    /// Whether it uses the generic protocol extension (draft-ietf-nvo3-vxlan-gpe).
    pub gpe: bool,
    /// Whether metadata of each packet determine where it goes (`external`), as with Cilium.
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
    /// All devices of the namespace together.
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

    /// The link types that captured frames of the device can have, [`Self::link_type`] first.
    pub fn link_types(&self) -> &'static [LinkType] {
        match self.link_type() {
            LinkType::LINUX_SLL2 => &[LinkType::LINUX_SLL2, LinkType::LINUX_SLL],
            LinkType::LINUX_SLL => &[LinkType::LINUX_SLL],
            LinkType::RAW => &[LinkType::RAW],
            _ => &[LinkType::ETHERNET],
        }
    }

    /// The link type of captured frames, which is the one that libpcap chooses.
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

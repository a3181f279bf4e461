//! The node's tunnels, as its kernel knows them.

use std::net::IpAddr;

/// A VXLAN device of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Its index in its network namespace.
    pub device: u32,
    /// Its name, as `flannel.1`.
    pub name: String,
    /// Its network identifier; none where each packet has its own.
    pub vni: Option<u32>,
    /// The UDP port that its packets go to.
    pub port: u16,
    /// Whether it uses the generic protocol extension.
    pub gpe: bool,
    /// The outer address of this node.
    pub local: Option<IpAddr>,
    /// The index of the device that its packets go through.
    pub underlay: Option<u32>,
    /// Its MAC address.
    pub mac: Option<[u8; 6]>,
    /// Its own addresses: the inner source of what the node itself sends to remote pods.
    pub addresses: Vec<IpAddr>,
    /// The ends on other nodes that it knows of.
    pub endpoints: Vec<Endpoint>,
}

/// The end of a tunnel on another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The MAC address of its device: the inner destination of frames that go there.
    pub mac: [u8; 6],
    /// The outer address of its node.
    pub underlay: IpAddr,
    /// Its device's own address, where that is known.
    pub address: Option<IpAddr>,
}

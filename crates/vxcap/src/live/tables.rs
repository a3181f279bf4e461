//! The kernel's tables of one network namespace: devices, addresses, routes, neighbours,
//! forwarding.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia,
};

use super::netlink::{Netlink, News};
use super::netns::run_in;
use super::{Device, Error, Netns, link, poll};

/// The kernel's tables at one moment. Their rows are in the order of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tables {
    /// Devices. Their own `addresses` are empty: see [`Self::addresses`].
    pub devices: Vec<Device>,
    /// Addresses of this host.
    pub addresses: Vec<Address>,
    /// Unicast and blackhole routes of all tables but the local one.
    pub routes: Vec<Route>,
    /// Neighbours with a MAC address (ARP and neighbour discovery).
    pub neighbours: Vec<Neighbour>,
    /// Forwarding databases of bridges and VXLAN devices.
    pub forwarding: Vec<Forwarding>,
}

/// An address of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// The device's index.
    pub device: u32,
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix, in bits.
    pub prefix_len: u8,
}

/// A route, or one of the next hops of a route that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The first address of the destination.
    pub destination: IpAddr,
    /// The length of the destination's prefix, in bits. 0 is the default route.
    pub prefix_len: u8,
    /// The next hop, if the destination is not on the link.
    pub gateway: Option<IpAddr>,
    /// The index of the device that packets leave by.
    pub device: Option<u32>,
    /// Whether packets are discarded, as Calico does for the addresses of its block that no pod
    /// has.
    pub blackhole: bool,
}

/// The MAC address of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Neighbour {
    /// The index of the device.
    pub device: u32,
    /// The address of the neighbour.
    pub address: IpAddr,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Whether it was set by hand, and does not age.
    pub permanent: bool,
}

/// The way of frames to a MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarding {
    /// The index of the VXLAN device or bridge port.
    pub device: u32,
    /// The destination MAC address. Zeros stand for all addresses without a row of their own.
    pub mac: [u8; 6],
    /// The tunnel endpoint that a VXLAN device sends to.
    pub remote: Option<IpAddr>,
    /// The network identifier, if it is not the device's.
    pub vni: Option<u32>,
    /// The destination port, if it is not the device's.
    pub port: Option<u16>,
}

/// Reads the kernel's tables, as often as needed, through a socket that stays open. So it goes on
/// in a process that may not open sockets any more.
#[derive(Debug)]
pub struct TableReader {
    netlink: Netlink,
}

impl TableReader {
    /// A reader for the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where there is no netlink.
    pub fn open() -> Result<Self, Error> {
        let netlink = Netlink::open().map_err(|source| failed("open a netlink socket", source))?;
        Ok(Self { netlink })
    }

    /// A reader for another network namespace. `None` is that of the calling thread.
    ///
    /// # Errors
    ///
    /// [`Error::Netns`] where the namespace cannot be entered, and those of [`Self::open`].
    pub fn open_in(netns: Option<&Netns>) -> Result<Self, Error> {
        run_in(netns, Self::open)
    }

    /// Reads all tables.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the kernel does not answer. It is not an error where a kernel has no
    /// IPv6 or no bridges: their tables are empty.
    pub fn read(&mut self) -> Result<Tables, Error> {
        Ok(Tables {
            devices: self.devices()?,
            addresses: self.addresses()?,
            routes: self.routes()?,
            neighbours: self.neighbours()?,
            forwarding: self.forwarding()?,
        })
    }

    /// The devices, in the order of their indices.
    pub(super) fn devices(&mut self) -> Result<Vec<Device>, Error> {
        let mut question = LinkMessage::default();
        // half of an answer's bytes would be counters
        question.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
        let answers = self.dump("the devices", &Message::GetLink(question))?;
        let links = answers.iter().filter_map(|answer| match answer {
            Message::NewLink(message) => Some(link::device(message)),
            _ => None,
        });
        let mut devices: Vec<Device> = links.collect();
        link::name_underlays(&mut devices);
        devices.sort_by_key(|device| device.index);
        Ok(devices)
    }

    /// The number of another network namespace in this one. `None` if it has none, or is not a
    /// namespace.
    pub(super) fn netns_number(&mut self, netns: BorrowedFd<'_>) -> Option<i32> {
        let mut question = NsidMessage::default();
        question.attributes = vec![NsidAttribute::Fd(u32::try_from(netns.as_raw_fd()).ok()?)];
        let answer = self.netlink.entry(Message::GetNsId(question)).ok()??;
        let Message::NewNsId(answer) = answer else { return None };
        answer.attributes.iter().find_map(|attribute| match attribute {
            NsidAttribute::Id(number) => Some(*number),
            _ => None,
        })
    }

    /// The addresses of all devices, in the order of the kernel.
    pub(super) fn addresses(&mut self) -> Result<Vec<Address>, Error> {
        let answers =
            self.dump("the addresses", &Message::GetAddress(AddressMessage::default()))?;
        let addresses = answers.iter().filter_map(|answer| match answer {
            Message::NewAddress(message) => address(message),
            _ => None,
        });
        Ok(addresses.collect())
    }

    fn routes(&mut self) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut question = RouteMessage::default();
            question.header.address_family = family;
            for answer in self.dump("the routes", &Message::GetRoute(question))? {
                if let Message::NewRoute(message) = answer {
                    add_routes(&message, &mut routes);
                }
            }
        }
        Ok(routes)
    }

    fn neighbours(&mut self) -> Result<Vec<Neighbour>, Error> {
        let mut neighbours = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let answers = self.dump("the neighbours", &neighbour_question(family))?;
            neighbours.extend(answers.iter().filter_map(|answer| match answer {
                Message::NewNeighbour(message) => neighbour(message),
                _ => None,
            }));
        }
        Ok(neighbours)
    }

    fn forwarding(&mut self) -> Result<Vec<Forwarding>, Error> {
        let question = neighbour_question(AddressFamily::Bridge);
        let answers = self.dump("the forwarding databases", &question)?;
        let rows = answers.iter().filter_map(|answer| match answer {
            Message::NewNeighbour(message) => forwarding(message),
            _ => None,
        });
        Ok(rows.collect())
    }

    fn dump(&mut self, table: &str, question: &Message) -> Result<Vec<Message>, Error> {
        match self.netlink.dump(question) {
            // a kernel that was built without this table
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(Vec::new()),
            other => other.map_err(|source| Error::System {
                device: table.to_owned(),
                doing: "ask the kernel",
                source,
            }),
        }
    }
}

/// Tells that the kernel's tables have changed, but not what has changed. Read the tables again
/// then, once for any number of changes.
#[derive(Debug)]
pub struct TableWatch {
    news: News,
    buffer: Vec<u8>,
}

impl TableWatch {
    /// Watches the network namespace of the calling thread, from now on.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where there is no netlink.
    pub fn open() -> Result<Self, Error> {
        let news = News::of(&[
            libc::RTNLGRP_LINK,
            libc::RTNLGRP_NEIGH,
            libc::RTNLGRP_IPV4_IFADDR,
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_IFADDR,
            libc::RTNLGRP_IPV6_ROUTE,
        ]);
        let news = news.map_err(|source| failed("follow changes by netlink", source))?;
        Ok(Self { news, buffer: Vec::new() })
    }

    /// Watches another network namespace. `None` is that of the calling thread.
    ///
    /// # Errors
    ///
    /// [`Error::Netns`] where the namespace cannot be entered, and those of [`Self::open`].
    pub fn open_in(netns: Option<&Netns>) -> Result<Self, Error> {
        run_in(netns, Self::open)
    }

    /// Whether something has changed since the last call. It waits for a change, at most for
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::System`] where the socket fails. It is not an error where the kernel lost some of
    /// many changes.
    pub fn changed(&mut self, timeout: Duration) -> Result<bool, Error> {
        let lost = |source| failed("follow changes by netlink", source);
        if !timeout.is_zero() {
            poll::wait_for([self.news.as_fd()], timeout).map_err(lost)?;
        }
        let mut changed = false;
        loop {
            match self.news.next(&mut self.buffer) {
                Ok(true) => changed = true,
                Ok(false) => return Ok(changed),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => changed = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }
}

impl AsFd for TableWatch {
    /// Readable once there is a change.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }
}

fn failed(doing: &'static str, source: io::Error) -> Error {
    Error::System { device: "the kernel's tables".to_owned(), doing, source }
}

fn neighbour_question(family: AddressFamily) -> Message {
    let mut question = NeighbourMessage::default();
    question.header.family = family;
    Message::GetNeighbour(question)
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            // on a point-to-point device IFA_ADDRESS is the other end (linux/if_addr.h)
            AddressAttribute::Local(address) => found = Some(*address),
            AddressAttribute::Address(address) => found = found.or(Some(*address)),
            _ => {}
        }
    }
    let header = &message.header;
    Some(Address { device: header.index, address: found?, prefix_len: header.prefix_len })
}

fn add_routes(message: &RouteMessage, routes: &mut Vec<Route>) {
    let header = &message.header;
    // RT_TABLE_LOCAL of linux/rtnetlink.h: the host's own addresses
    let blackhole = header.kind == RouteType::BlackHole;
    if header.table == libc::RT_TABLE_LOCAL || !(blackhole || header.kind == RouteType::Unicast) {
        return;
    }
    let unspecified: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return,
    };
    let mut route = Route {
        destination: unspecified,
        prefix_len: header.destination_prefix_length,
        gateway: None,
        device: None,
        blackhole,
    };
    read_hop(&message.attributes, &mut route);
    let mut several = false;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => {
                route.destination = ip_of_route(address).unwrap_or(unspecified);
            }
            RouteAttribute::MultiPath(_) => several = true,
            _ => {}
        }
    }
    if !several {
        routes.push(route);
        return;
    }
    for attribute in &message.attributes {
        let RouteAttribute::MultiPath(hops) = attribute else { continue };
        for hop in hops {
            let mut through = Route { device: Some(hop.interface_index), ..route };
            read_hop(&hop.attributes, &mut through);
            routes.push(through);
        }
    }
}

fn read_hop(attributes: &[RouteAttribute], route: &mut Route) {
    for attribute in attributes {
        match attribute {
            RouteAttribute::Gateway(address) => route.gateway = ip_of_route(address),
            RouteAttribute::Via(RouteVia::Inet(address)) => route.gateway = Some((*address).into()),
            RouteAttribute::Via(RouteVia::Inet6(address)) => {
                route.gateway = Some((*address).into());
            }
            RouteAttribute::Oif(index) => route.device = Some(*index),
            _ => {}
        }
    }
}

fn ip_of_route(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    let state = message.header.state;
    if matches!(state, NeighbourState::Failed | NeighbourState::Incomplete | NeighbourState::Noarp)
    {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(found) => address = ip_of_neighbour(found),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = mac_of(bytes),
            _ => {}
        }
    }
    let permanent = state == NeighbourState::Permanent;
    Some(Neighbour { device: message.header.ifindex, address: address?, mac: mac?, permanent })
}

fn forwarding(message: &NeighbourMessage) -> Option<Forwarding> {
    let (mut mac, mut remote, mut vni, mut port) = (None, None, None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = mac_of(bytes),
            NeighbourAttribute::Destination(found) => remote = ip_of_neighbour(found),
            NeighbourAttribute::Vni(number) => vni = Some(*number),
            NeighbourAttribute::Port(number) => port = Some(*number),
            _ => {}
        }
    }
    Some(Forwarding { device: message.header.ifindex, mac: mac?, remote, vni, port })
}

fn ip_of_neighbour(address: &NeighbourAddress) -> Option<IpAddr> {
    match address {
        NeighbourAddress::Inet(address) => Some((*address).into()),
        NeighbourAddress::Inet6(address) => Some((*address).into()),
        // a forwarding database has the bytes of either
        NeighbourAddress::Other(bytes) => {
            let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from)).ok()
        }
        _ => None,
    }
}

pub(super) fn mac_of(bytes: &[u8]) -> Option<[u8; 6]> {
    bytes.try_into().ok()
}

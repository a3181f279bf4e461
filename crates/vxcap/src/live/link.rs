//! The kernel's description of a link, as a [`Device`].

use std::collections::HashMap;

use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVlan, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use super::device::{ARPHRD_LOOPBACK, Vxlan};
use super::netlink::Netlink;
use super::tables::mac_of;
use super::{Device, DeviceKind};

/// The device that a message describes.
pub(super) fn device(message: &LinkMessage) -> Device {
    let header = &message.header;
    let mut device = Device {
        index: header.index,
        name: String::new(),
        up: header.flags.contains(LinkFlags::Up),
        running: header.flags.contains(LinkFlags::Running),
        hardware: u16::from(header.link_layer_type),
        kind: DeviceKind::Physical,
        ..Device::any()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name.clone_from(name),
            LinkAttribute::Address(bytes) => device.mac = mac_of(bytes),
            LinkAttribute::Mtu(mtu) => device.mtu = *mtu,
            LinkAttribute::Controller(index) => device.controller = Some(*index),
            // a device that is based on none has its own index there
            LinkAttribute::Link(index) => device.lower = Some(*index).filter(|&i| i != 0),
            LinkAttribute::LinkNetNsId(number) => device.lower_netns = Some(*number),
            LinkAttribute::LinkInfo(info) => device.kind = kind(info),
            _ => {}
        }
    }
    if device.hardware == ARPHRD_LOOPBACK {
        device.kind = DeviceKind::Loopback;
        device.mac = None;
    }
    device
}

fn kind(info: &[LinkInfo]) -> DeviceKind {
    let data = info.iter().find_map(|item| match item {
        LinkInfo::Data(data) => Some(data),
        _ => None,
    });
    let kind = info.iter().find_map(|item| match item {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    match kind {
        // the kernel names only the kind of port: a physical device in a bridge
        None => DeviceKind::Physical,
        Some(InfoKind::Vxlan) => DeviceKind::Vxlan(match data {
            Some(InfoData::Vxlan(data)) => vxlan(data),
            _ => Vxlan::default(),
        }),
        Some(InfoKind::Vlan) => DeviceKind::Vlan(match data {
            Some(InfoData::Vlan(data)) => vlan_id(data),
            _ => 0,
        }),
        Some(InfoKind::Bridge) => DeviceKind::Bridge,
        Some(InfoKind::Veth) => DeviceKind::Veth,
        Some(InfoKind::Bond) => DeviceKind::Bond,
        Some(InfoKind::Dummy) => DeviceKind::Dummy,
        Some(InfoKind::Tun) => DeviceKind::Tun,
        Some(InfoKind::Wireguard) => DeviceKind::Wireguard,
        Some(InfoKind::IpIp | InfoKind::Ip6Tnl | InfoKind::SitTun) => DeviceKind::Ipip,
        Some(other) => DeviceKind::Other(other.to_string()),
    }
}

fn vlan_id(data: &[InfoVlan]) -> u16 {
    let id = data.iter().find_map(|item| match item {
        InfoVlan::Id(id) => Some(*id),
        _ => None,
    });
    id.unwrap_or(0)
}

fn vxlan(data: &[InfoVxlan]) -> Vxlan {
    let mut vxlan = Vxlan::default();
    for item in data {
        match item {
            InfoVxlan::Id(vni) => vxlan.vni = Some(*vni),
            InfoVxlan::Port(port) => vxlan.port = *port,
            InfoVxlan::Local(address) => vxlan.local = Some((*address).into()),
            InfoVxlan::Local6(address) => vxlan.local = Some((*address).into()),
            InfoVxlan::Group(address) => vxlan.remote = Some((*address).into()),
            InfoVxlan::Group6(address) => vxlan.remote = Some((*address).into()),
            InfoVxlan::Link(index) => vxlan.underlay = Some(*index).filter(|&index| index != 0),
            InfoVxlan::Learning(learning) => vxlan.learning = *learning,
            InfoVxlan::Gbp => vxlan.gbp = true,
            InfoVxlan::Gpe => vxlan.gpe = true,
            InfoVxlan::CollectMetadata(external) => vxlan.external = *external,
            _ => {}
        }
    }
    if vxlan.external {
        vxlan.vni = None;
    }
    vxlan
}

/// Gives the VXLAN devices the names of their underlay devices.
pub(super) fn name_underlays(devices: &mut [Device]) {
    let names: HashMap<u32, String> =
        devices.iter().map(|device| (device.index, device.name.clone())).collect();
    for device in devices {
        // the index belongs to another namespace if the device was moved after it was made
        if let DeviceKind::Vxlan(vxlan) = &mut device.kind
            && device.lower_netns.is_none()
        {
            vxlan.underlay_name = vxlan.underlay.and_then(|index| names.get(&index).cloned());
        }
    }
}

/// How many received frames the device has lost since it exists, for lack of memory or a full ring.
pub(super) fn dropped(netlink: &mut Netlink, index: u32) -> Option<u64> {
    let mut question = LinkMessage::default();
    question.header.index = index;
    let Ok(Some(Message::NewLink(message))) = netlink.entry(Message::GetLink(question)) else {
        return None;
    };
    message.attributes.iter().find_map(|attribute| match attribute {
        // as libpcap counts (`linux_if_drops`): dropped and missed
        LinkAttribute::Stats64(stats) => Some(stats.rx_dropped + stats.rx_missed_errors),
        _ => None,
    })
}

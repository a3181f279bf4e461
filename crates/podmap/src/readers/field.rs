//! Fields that several kinds of object have, read and checked.

use std::net::IpAddr;

use super::tree::Spot;
use crate::error::Fault;
use crate::text::{check_name, parse_mac};
use crate::{Cidr, CidrError, ServicePort};

/// The text here as a name of Kubernetes.
pub(super) fn name<'s>(spot: &'s Spot<'_>) -> Result<&'s str, Fault> {
    let name = spot.text()?;
    check_name(name).map_err(|reason| spot.is_no("a name", reason))?;
    Ok(name)
}

/// The text here as an address.
pub(super) fn address(spot: &Spot<'_>) -> Result<IpAddr, Fault> {
    match spot.text()?.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical()),
        Err(_) => Err(spot.is_no("an IP address", "10.244.1.5 or fd00::5 would be one")),
    }
}

/// The text here as a range.
pub(super) fn cidr(spot: &Spot<'_>) -> Result<Cidr, Fault> {
    spot.text()?.parse().map_err(|reason: CidrError| spot.is_no("a CIDR", reason))
}

/// The text here as a MAC address.
pub(super) fn mac(spot: &Spot<'_>) -> Result<[u8; 6], Fault> {
    let text = spot.text()?;
    parse_mac(text).ok_or_else(|| spot.is_no("a MAC address", "4e:1a:7c:33:90:a1 would be one"))
}

/// The ports at `key`, of a service or of endpoints.
pub(super) fn ports(object: &Spot<'_>) -> Result<Vec<ServicePort>, Fault> {
    let mut ports = Vec::new();
    object.list("ports", |port| {
        let protocol = match port.text_at("protocol")? {
            Some("UDP") => 17,
            Some("SCTP") => 132,
            Some("TCP") | None => 6,
            // a protocol of the future is none of the flows' yet
            Some(_) => return Ok(()),
        };
        let number = match port.key("port")? {
            Some(spot) => {
                let number = u16::try_from(spot.number()?);
                Some(number.map_err(|_| spot.is_no("a port", "ports go up to 65535"))?)
            }
            None => None,
        };
        let name = port.text_at("name")?.unwrap_or_default().to_owned();
        ports.push(ServicePort { name, protocol, number });
        Ok(())
    })?;
    Ok(ports)
}

/// What `read` makes of the value at `key`; `None` where nothing, null or an empty text stands.
pub(super) fn optional<T>(
    spot: &Spot<'_>,
    key: &'static str,
    read: impl FnOnce(&Spot<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    match spot.key(key)? {
        Some(value) if matches!(value.text(), Ok("")) => Ok(None),
        Some(value) => read(&value).map(Some),
        None => Ok(None),
    }
}

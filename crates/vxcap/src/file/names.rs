//! Records of name resolution blocks (draft-ietf-opsawg-pcapng, section 4.5).

use std::net::IpAddr;

use super::ByteOrder;

/// End of the records (`nrb_record_end`).
const END: u16 = 0;
/// An IPv4 address and its names (`nrb_record_ipv4`).
const IPV4: u16 = 1;
/// An IPv6 address and its names (`nrb_record_ipv6`).
const IPV6: u16 = 2;

/// A record: an address and its names.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameRecord<'a> {
    /// The record's type: 1 is IPv4, 2 is IPv6, 3 is EUI-48, 4 is EUI-64.
    pub code: u16,
    /// The address and the names, without padding. Each name ends with a zero byte.
    pub value: &'a [u8],
    /// Offset of the record in the block.
    pub offset: usize,
}

impl<'a> NameRecord<'a> {
    /// The address, if it is an IP address.
    pub fn address(&self) -> Option<IpAddr> {
        match self.code {
            IPV4 => Some(IpAddr::from(*self.value.first_chunk::<4>()?)),
            IPV6 => Some(IpAddr::from(*self.value.first_chunk::<16>()?)),
            _ => None,
        }
    }

    /// The names, as bytes (the standard says UTF-8). A record of unknown type gives none.
    pub fn names(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let address_len = match self.code {
            IPV4 => 4,
            IPV6 => 16,
            3 => 6,
            4 => 8,
            _ => self.value.len(),
        };
        let names = self.value.get(address_len..).unwrap_or_default();
        names.split(|&byte| byte == 0).filter(|name| !name.is_empty())
    }
}

/// The records of a name resolution block, in their order, up to the end record.
#[derive(Clone, Debug)]
pub struct NameRecords<'a> {
    rest: &'a [u8],
    offset: usize,
    order: ByteOrder,
}

impl<'a> NameRecords<'a> {
    /// The records in these bytes, which are at `offset` in their block.
    pub(crate) fn new(bytes: &'a [u8], offset: usize, order: ByteOrder) -> Self {
        Self { rest: bytes, offset, order }
    }

    /// Reads all records. Gives the offset in the block of the end record, where another record
    /// could be inserted, and the offset of the options.
    pub(crate) fn end(mut self) -> (usize, usize) {
        while self.next().is_some() {}
        let is_end = self.order.u16_at(self.rest, 0) == Some(END) && self.rest.len() >= 4;
        (self.offset, self.offset + if is_end { 4 } else { self.rest.len() })
    }
}

impl<'a> Iterator for NameRecords<'a> {
    type Item = NameRecord<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let code = self.order.u16_at(self.rest, 0)?;
        let len = usize::from(self.order.u16_at(self.rest, 2)?);
        if code == END {
            return None;
        }
        let value = self.rest.get(4..4 + len)?;
        let record = NameRecord { code, value, offset: self.offset };
        let whole = (4 + len.next_multiple_of(4)).min(self.rest.len());
        self.rest = self.rest.get(whole..).unwrap_or_default();
        self.offset += whole;
        Some(record)
    }
}

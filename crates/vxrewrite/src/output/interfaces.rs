//! The interfaces of a pcapng output, and those added for decapsulated packets.

use std::collections::HashMap;

use vxcap::file::{Block, Body, ByteOrder, InterfaceDescription, block_type, option};
use vxcap::{Interface, LinkType, Resolution};

use super::outgoing::Carrier;
use super::{blocks, options};

/// How many interfaces are made for tunnels; further tunnels share one. Own choice: a capture with
/// random network identifiers would otherwise get an interface for each packet.
const MOST_MADE: usize = 1 << 16;
/// The least snapshot length of made interfaces, because a reassembled frame may be longer than its
/// fragments. It is the greatest that libpcap accepts (`pcap-int.h`: `MAXIMUM_SNAPLEN`).
const MADE_SNAPLEN: u32 = 262_144;

/// An interface of an input, as described in the output.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its number in the output's section.
    pub(crate) number: u32,
    pub(crate) resolution: Resolution,
    pub(crate) ts_offset: i64,
    name: Option<String>,
    /// Its description block in the output's byte order.
    idb: Vec<u8>,
    snaplen: u32,
}

/// The interfaces that an output has described.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    /// How many the section has.
    count: u32,
    /// By file, and by their index in the file.
    known: Vec<Vec<Option<Known>>>,
    /// By file, the index of the first interface of the current section.
    first_of_section: Vec<usize>,
    made: HashMap<Made, u32>,
    /// The one of `made` that was asked for last.
    last: Option<(Made, u32)>,
}

/// What an interface was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Made {
    file: usize,
    interface: u32,
    carrier: Carrier,
    link_type: LinkType,
}

impl Interfaces {
    /// The output begins another section, with interfaces of its own.
    pub(crate) fn begin_section(&mut self) {
        self.count = 0;
        self.made.clear();
        self.last = None;
        // no more packets of earlier sections come
        for file in &mut self.known {
            for known in file {
                *known = None;
            }
        }
    }

    /// An input begins another section.
    pub(crate) fn begin_section_of(&mut self, file: usize) {
        let first = self.known.get(file).map_or(0, Vec::len);
        if self.first_of_section.len() <= file {
            self.first_of_section.resize(file + 1, 0);
        }
        if let Some(place) = self.first_of_section.get_mut(file) {
            *place = first;
        }
    }

    /// The output's number of an interface, by its number in the current section of a file.
    pub(crate) fn number_of(&self, file: usize, in_section: u32) -> Option<u32> {
        let first = self.first_of_section.get(file).copied().unwrap_or_default();
        let index = u32::try_from(first).ok()?.checked_add(in_section)?;
        Some(self.get(file, index)?.number)
    }

    /// Adds an interface whose description block is written next.
    pub(crate) fn add(&mut self, file: usize, index: u32, interface: &Interface, idb: Vec<u8>) {
        let index = index as usize;
        if self.known.len() <= file {
            self.known.resize_with(file + 1, Vec::new);
        }
        let Some(of_file) = self.known.get_mut(file) else { return };
        if of_file.len() <= index {
            of_file.resize_with(index + 1, || None);
        }
        if let Some(place) = of_file.get_mut(index) {
            *place = Some(Known {
                number: self.count,
                resolution: interface.resolution,
                ts_offset: interface.ts_offset,
                name: interface.name.clone(),
                idb,
                snaplen: interface.snaplen,
            });
        }
        self.count += 1;
    }

    /// An interface of an input.
    #[inline]
    pub(crate) fn get(&self, file: usize, index: u32) -> Option<&Known> {
        self.known.get(file)?.get(index as usize)?.as_ref()
    }

    /// The number of the interface for a decapsulated packet, and its description block if it is
    /// new.
    #[inline]
    pub(crate) fn made(
        &mut self,
        file: usize,
        interface: u32,
        carrier: Carrier,
        link_type: LinkType,
        order: ByteOrder,
    ) -> Option<(u32, Option<Vec<u8>>)> {
        let made = Made { file, interface, carrier, link_type };
        match self.last {
            Some((last, number)) if last == made => Some((number, None)),
            _ => self.find_or_make(made, order),
        }
    }

    #[inline(never)]
    fn find_or_make(&mut self, mut made: Made, order: ByteOrder) -> Option<(u32, Option<Vec<u8>>)> {
        if let Some(&number) = self.made.get(&made) {
            self.last = Some((made, number));
            return Some((number, None));
        }
        if self.made.len() >= MOST_MADE && made.carrier != Carrier::Other {
            made.carrier = Carrier::Other;
            return self.find_or_make(made, order);
        }
        let parent = self.get(made.file, made.interface)?;
        let idb = parent.derived(made.carrier, made.link_type, order);
        let number = self.count;
        self.count += 1;
        self.made.insert(made, number);
        self.last = Some((made, number));
        Some((number, Some(idb)))
    }
}

impl Known {
    /// The description block of an interface with this one's options, but another name and link
    /// type. The length of a frame check sequence is left out, because inner frames have none.
    fn derived(&self, carrier: Carrier, link_type: LinkType, order: ByteOrder) -> Vec<u8> {
        let name = match carrier {
            Carrier::Vni(vni) => format!("vni {vni}"),
            Carrier::Udp => "udp".to_owned(),
            Carrier::Other => "other vnis".to_owned(),
        };
        let name = match self.name.as_deref() {
            None | Some("") => name,
            Some(parent) => format!("{parent} {name}"),
        };
        let snaplen = if self.snaplen == 0 { 0 } else { self.snaplen.max(MADE_SNAPLEN) };
        let parent = Block {
            raw: &self.idb,
            offset: 0,
            order,
            section: 0,
            body: Body::Interface(InterfaceDescription { index: 0, link_type, snaplen }),
        };
        let mut idb = Vec::with_capacity(self.idb.len() + 16);
        blocks::append(&mut idb, order, block_type::INTERFACE, |out| {
            out.extend(order.bytes16(link_type.0));
            out.extend([0; 2]);
            out.extend(order.bytes32(snaplen));
            options::push(out, order, option::IF_NAME, name.as_bytes());
            for field in parent.options() {
                if !matches!(field.code, option::IF_NAME | option::IF_FCSLEN) {
                    options::push(out, order, field.code, field.value);
                }
            }
            out.extend(options::END_MARK);
        });
        idb
    }
}

/// The description block of a pcap file's interface.
pub(crate) fn describe(interface: &Interface, order: ByteOrder) -> Vec<u8> {
    let mut idb = Vec::new();
    blocks::append(&mut idb, order, block_type::INTERFACE, |out| {
        out.extend(order.bytes16(interface.link_type.0));
        out.extend([0; 2]);
        out.extend(order.bytes32(interface.snaplen));
        options::push(out, order, option::IF_TSRESOL, &[interface.resolution.0]);
        if let Some(len) = interface.fcs_len {
            options::push(out, order, option::IF_FCSLEN, &[len]);
        }
        out.extend(options::END_MARK);
    });
    idb
}

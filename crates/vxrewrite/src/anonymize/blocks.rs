//! Addresses and names in blocks other than packets'.

use vxcap::file::{Block, Body, block_type, option};

use super::Anonymizer;
use crate::output::{append_block, is_free_form, push_option};
use crate::report::{Loss, Losses};

/// Addresses of an interface (draft-ietf-opsawg-pcapng, section 4.2): `if_IPv4addr`, `if_IPv6addr`,
/// `if_EUIaddr`.
const IF_IPV4ADDR: u16 = 4;
const IF_IPV6ADDR: u16 = 5;
const IF_EUIADDR: u16 = 7;
/// Texts of an interface, and of a section (sections 4.1, 4.2).
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_OS: u16 = 12;
const IF_HARDWARE: u16 = 15;
const SHB_HARDWARE: u16 = 2;
const SHB_USERAPPL: u16 = 4;
/// Records of name resolution blocks (section 4.5).
const RECORD_IPV4: u16 = 1;
const RECORD_IPV6: u16 = 2;
const RECORD_EUI48: u16 = 3;
/// The end of records, and of options.
const END: [u8; 4] = [0; 4];

impl Anonymizer {
    /// A block with addresses and names replaced, and without free text that may contain them.
    /// `None` where the block must be left out; empty where it can stay as it is.
    pub(crate) fn block(&mut self, block: &Block<'_>, losses: &mut Losses) -> Option<Vec<u8>> {
        let order = block.order;
        let mut out = Vec::new();
        match block.body {
            Body::PcapHeader(_) | Body::Secrets(_) | Body::Statistics(_)
                if !block.options().any(|field| is_free_form(field.code)) => {}
            Body::Section(_) | Body::Interface(_) | Body::Statistics(_) | Body::Secrets(_) => {
                let kind = block.block_type()?;
                let fixed = block.raw.get(8..block.options_range()?.start)?;
                append_block(&mut out, order, kind, |out| {
                    out.extend_from_slice(fixed);
                    let start = out.len();
                    for field in block.options() {
                        self.block_option(out, kind, &field, losses);
                    }
                    if out.len() > start {
                        out.extend(END);
                    }
                });
            }
            Body::NameResolution => {
                append_block(&mut out, order, block_type::NAME_RESOLUTION, |out| {
                    for record in block.name_records() {
                        let mut value = match (record.code, record.address(), record.value) {
                            (RECORD_IPV4 | RECORD_IPV6, Some(address), _) => {
                                match self.address(address) {
                                    std::net::IpAddr::V4(new) => new.octets().to_vec(),
                                    std::net::IpAddr::V6(new) => new.octets().to_vec(),
                                }
                            }
                            (RECORD_EUI48, _, value) => match value.first_chunk() {
                                Some(mac) => self.mac(*mac).to_vec(),
                                None => continue,
                            },
                            _ => continue,
                        };
                        for name in record.names() {
                            value.extend(self.name(name).into_bytes());
                            value.push(0);
                        }
                        push_option(out, order, record.code, &value);
                    }
                    out.extend(END);
                });
            }
            _ => {
                losses.add(Loss::OtherBlocks);
                return None;
            }
        }
        Some(out)
    }

    fn block_option(
        &mut self,
        out: &mut Vec<u8>,
        kind: u32,
        field: &vxcap::file::OptionField<'_>,
        losses: &mut Losses,
    ) {
        let order = field.order;
        match (kind, field.code, field.value) {
            (_, code, _) if is_free_form(code) => losses.add(Loss::Comments),
            // a filter is text with addresses in it; an EUI-64 holds a MAC address
            (block_type::INTERFACE, option::IF_FILTER | IF_EUIADDR, _) => {
                losses.add(Loss::Comments);
            }
            (block_type::INTERFACE, option::IF_MACADDR, value) => {
                if let Some(mac) = value.first_chunk() {
                    push_option(out, order, field.code, &self.mac(*mac));
                }
            }
            (block_type::INTERFACE, IF_IPV4ADDR, &[a, b, c, d, ref mask @ ..]) => {
                let mut value = self.v4([a, b, c, d].into()).octets().to_vec();
                value.extend_from_slice(mask);
                push_option(out, order, field.code, &value);
            }
            (block_type::INTERFACE, IF_IPV6ADDR, value) => {
                if let Some((address, prefix_len)) = value.split_first_chunk::<16>() {
                    let mut value = self.v6((*address).into()).octets().to_vec();
                    value.extend_from_slice(prefix_len);
                    push_option(out, order, field.code, &value);
                }
            }
            (block_type::INTERFACE, IF_NAME | IF_DESCRIPTION | IF_OS | IF_HARDWARE, text)
            | (block_type::SECTION, SHB_HARDWARE..=SHB_USERAPPL, text) => {
                push_option(out, order, field.code, &self.text(text));
            }
            _ => push_option(out, order, field.code, field.value),
        }
    }
}

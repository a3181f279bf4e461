//! An expression with its programs, one for each link type.

use vxlan::LinkType;

use super::{Error, Program};

/// Link types with primitives of their own in pcap-filter(7). An expression that libpcap refuses
/// for Ethernet is right if it accepts it for one of these.
const OTHERS: [LinkType; 10] = [
    LinkType::LINUX_SLL2, // ifindex, inbound
    LinkType::LINUX_SLL,
    LinkType::RAW,
    LinkType(105), // LINKTYPE_IEEE802_11: wlan, type, subtype, dir
    LinkType(127), // LINKTYPE_IEEE802_11_RADIOTAP: the same
    LinkType(117), // LINKTYPE_PFLOG: on, ifname, rnr, reason, action
    LinkType(9),   // LINKTYPE_PPP
    LinkType(123), // LINKTYPE_SUNATM: vpi, vci, lane, oamf4s
    LinkType(140), // LINKTYPE_MTP2: sio, opc, dpc, fisu
    LinkType(240), // LINKTYPE_NETANALYZER
];

/// A pcap-filter(7) expression for frames of any link type. It is compiled when the first frame of
/// a link type comes.
///
/// ```
/// use vxcap::filter::Filter;
/// use vxcap::LinkType;
///
/// # if libpcap_shim::available().is_err() { return Ok(()); }
/// let mut filter = Filter::new("arp")?;
/// let mut frame = [0_u8; 42];
/// assert!(!filter.matches(LinkType::ETHERNET, &frame, 42)?);
/// frame[12..14].copy_from_slice(&[0x08, 0x06]);
/// assert!(filter.matches(LinkType::ETHERNET, &frame, 42)?);
/// // 802.11 frames carry ARP after an LLC header
/// assert!(!filter.matches(LinkType(105), &frame, 42)?);
/// # Ok::<(), vxcap::filter::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Filter {
    expression: String,
    /// In the order of link types. At least one is a program.
    compiled: Vec<(LinkType, Result<Program, Error>)>,
    /// The index of the one that was used last.
    current: usize,
}

impl Filter {
    /// Checks an expression. An empty one accepts every packet.
    ///
    /// It must be valid for Ethernet or for at least one other link type. Whether it is valid for
    /// the link types of a file turns out when its frames are read: then [`matches`](Self::matches)
    /// fails.
    ///
    /// # Errors
    ///
    /// [`Error::NoLibpcap`] where libpcap is not installed (an empty expression does not need it).
    /// [`Error::Expression`] or [`Error::LiveOnly`] where it is not valid for any link type that
    /// was tried, with the message for Ethernet.
    pub fn new(expression: &str) -> Result<Self, Error> {
        let compile = |link_type| for_user_space(expression, link_type);
        let compiled = if expression.trim().is_empty() {
            Vec::new()
        } else {
            match compile(LinkType::ETHERNET) {
                Err(refusal @ (Error::Expression(_) | Error::LiveOnly { .. })) => {
                    let Some(other) = OTHERS
                        .iter()
                        .find_map(|&link_type| Some((link_type, compile(link_type).ok()?)))
                    else {
                        return Err(refusal);
                    };
                    vec![(LinkType::ETHERNET, Err(refusal)), (other.0, Ok(other.1))]
                }
                other => vec![(LinkType::ETHERNET, Ok(other?))],
            }
        };
        Ok(Self { expression: expression.to_owned(), compiled, current: 0 })
    }

    /// The expression, as the user gave it.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The program for frames of `link_type`. The first call for a link type compiles it.
    ///
    /// # Errors
    ///
    /// Those of [`Program::compile`], and [`Error::LiveOnly`]. Each call gives the same error.
    pub fn program(&mut self, link_type: LinkType) -> Result<&Program, Error> {
        let known = self.compiled.get(self.current).is_some_and(|(of, _)| *of == link_type);
        if !known {
            self.current = match self.compiled.binary_search_by_key(&link_type, |(of, _)| *of) {
                Ok(index) => index,
                Err(index) => {
                    let program = if self.expression.trim().is_empty() {
                        Ok(Program::accept_all())
                    } else {
                        for_user_space(&self.expression, link_type)
                    };
                    self.compiled.insert(index, (link_type, program));
                    index
                }
            };
        }
        match self.compiled.get(self.current) {
            Some((_, Ok(program))) => Ok(program),
            Some((_, Err(error))) => Err(error.clone()),
            // The index was found or made just now.
            None => Err(Error::Program {
                expression: self.expression.clone(),
                source: super::ProgramError::Empty,
            }),
        }
    }

    /// Whether the expression accepts a frame of `link_type`. `data` are its captured bytes,
    /// `orig_len` is its length on the wire.
    ///
    /// # Errors
    ///
    /// [`Error::Expression`] or [`Error::LiveOnly`] where the expression is not valid for this link
    /// type.
    pub fn matches(
        &mut self,
        link_type: LinkType,
        data: &[u8],
        orig_len: u32,
    ) -> Result<bool, Error> {
        self.program(link_type).map(|program| program.matches(data, orig_len))
    }
}

/// Compiles an expression for the interpreter of this crate.
fn for_user_space(expression: &str, link_type: LinkType) -> Result<Program, Error> {
    let program = Program::compile(expression, link_type, 0)?;
    if program.needs_kernel() {
        return Err(Error::LiveOnly { expression: expression.to_owned() });
    }
    Ok(program)
}

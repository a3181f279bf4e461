//! Compiling a pcap-filter(7) expression by libpcap.

use std::sync::{Mutex, PoisonError};

use pcap::{Capture, Linktype};
use vxlan::LinkType;

use super::{Error, ExpressionError, Instruction, Program};

/// Before 1.8, libpcap's compiler kept its state in globals (`pcap_compile(3PCAP)`), so that only
/// one expression can be compiled at a time.
static COMPILER: Mutex<()> = Mutex::new(());

impl Program {
    /// Compiles a pcap-filter(7) expression for frames of one link type, as tcpdump does to read a
    /// file.
    ///
    /// The code is optimised. The netmask is not known and taken as 0: `ip broadcast` means
    /// 255.255.255.255 and 0.0.0.0. For a packet that it accepts, the program returns `snaplen`; 0
    /// stands for [`MAX_SNAPLEN`](super::MAX_SNAPLEN). The system looks up names in the expression,
    /// which can take time.
    ///
    /// ```
    /// use vxcap::filter::Program;
    /// use vxcap::LinkType;
    ///
    /// # if libpcap_shim::available().is_err() { return Ok(()); }
    /// let program = Program::compile("arp", LinkType::ETHERNET, 0)?;
    /// assert_eq!(
    ///     program.to_string(),
    ///     "(000) ldh      [12]\n\
    ///      (001) jeq      #0x806           jt 2\tjf 3\n\
    ///      (002) ret      #262144\n\
    ///      (003) ret      #0"
    /// );
    /// # Ok::<(), vxcap::filter::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoLibpcap`] where libpcap is not installed, [`Error::Expression`] where libpcap
    /// refuses the expression for this link type.
    pub fn compile(expression: &str, link_type: LinkType, snaplen: u32) -> Result<Self, Error> {
        libpcap_shim::available().map_err(|missing| Error::NoLibpcap(missing.to_string()))?;
        let refused = |error: pcap::Error| {
            let message = match error {
                // without the crate's own words before libpcap's
                pcap::Error::PcapError(message) => message,
                other => other.to_string(),
            };
            Error::Expression(ExpressionError::new(expression, link_type, message))
        };
        let instructions = {
            let _one_at_a_time = COMPILER.lock().unwrap_or_else(PoisonError::into_inner);
            let capture = Capture::dead(Linktype(dlt(link_type))).map_err(refused)?;
            let compiled = capture.compile(expression, true).map_err(refused)?;
            compiled.get_instructions().iter().map(fields).collect::<Option<Box<[_]>>>()
        };
        let instructions = instructions.ok_or_else(|| {
            let message = "the pcap crate prints its instructions in an unknown form".to_owned();
            Error::Expression(ExpressionError::new(expression, link_type, message))
        })?;
        Program::new(instructions)
            .map(|program| program.with_snaplen(snaplen))
            .map_err(|source| Error::Program { expression: expression.to_owned(), source })
    }
}

/// The fields of an instruction. In the pcap crate they are private; its `Display` form has them as
/// `code jt jf k`, in decimal.
fn fields(instruction: &pcap::BpfInstruction) -> Option<Instruction> {
    let text = instruction.to_string();
    let mut numbers = text.split(' ');
    let instruction = Instruction {
        code: numbers.next()?.parse().ok()?,
        jt: numbers.next()?.parse().ok()?,
        jf: numbers.next()?.parse().ok()?,
        k: numbers.next()?.parse().ok()?,
    };
    numbers.next().is_none().then_some(instruction)
}

/// The number of a link type in libpcap's functions (`DLT_…` of pcap/dlt.h). For some old types it
/// differs from the number in files (`LINKTYPE_…`, libpcap's pcap-common.c).
fn dlt(link_type: LinkType) -> i32 {
    match link_type.0 {
        // LINKTYPE_ATM_RFC1483, LINKTYPE_RAW, LINKTYPE_SLIP_BSDOS, LINKTYPE_PPP_BSDOS
        100 => 11,
        101 if cfg!(target_os = "openbsd") => 14,
        101 => 12,
        102 => 15,
        103 => 16,
        same => i32::from(same),
    }
}

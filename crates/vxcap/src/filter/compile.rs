//! From a pcap-filter(7) expression to a program, by libpcap.

use std::sync::{Mutex, PoisonError};

use pcap::{Capture, Linktype};
use vxlan::LinkType;

use super::{Error, ExpressionError, Instruction, Program};

/// libpcap's compiler kept its state in globals before 1.8 (`pcap_compile(3PCAP))`: one expression
/// at a time.
static COMPILER: Mutex<()> = Mutex::new(());

impl Program {
    /// Compiles a pcap-filter(7) expression for frames of one link type, as `tcpdump -r FILE` does.
    ///
    /// The code is optimised. The netmask is unknown and taken as 0: `ip broadcast` means
    /// 255.255.255.255 and 0.0.0.0. An accepting program returns `snaplen` (0 stands for
    /// [`MAX_SNAPLEN`](super::MAX_SNAPLEN)). Names in the expression are looked up in the system's
    /// databases, which can take time.
    ///
    /// ```
    /// use vxcap::filter::Program;
    /// use vxlan::LinkType;
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
    /// [`Error::Missing`] where libpcap is not installed, [`Error::Expression`] where it refuses
    /// the expression for this link type.
    pub fn compile(expression: &str, link_type: LinkType, snaplen: u32) -> Result<Self, Error> {
        libpcap_shim::available().map_err(|missing| Error::Missing(missing.clone()))?;
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
            let message =
                "the pcap crate shows its instructions in a form that is not known".to_owned();
            Error::Expression(ExpressionError::new(expression, link_type, message))
        })?;
        Program::new(instructions)
            .map(|program| program.with_snaplen(snaplen))
            .map_err(|source| Error::Program { expression: expression.to_owned(), source })
    }
}

/// The fields of an instruction. The pcap crate keeps them private, and shows them in its `Display`
/// form only: `code jt jf k`, in decimal.
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

/// The number that libpcap's functions know a link type by (`DLT_…` of pcap/dlt.h), which differs
/// from the number in files (`LINKTYPE_…`, libpcap's pcap-common.c) for some old types.
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

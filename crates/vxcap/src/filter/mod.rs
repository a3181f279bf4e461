//! Selection of packets by pcap-filter(7) expressions, in user space and in the kernel.
//!
//! - [`Filter`] is an expression for the frames of files and devices, whatever their link types:
//!   `Filter::new("udp port 8472")`.
//! - [`Program`] is what an expression is compiled to, by libpcap, for one link type: classic BPF,
//!   run by an interpreter of this crate's own, which is safe on any bytes and as fast as
//!   libpcap's. Its `Display` form is what `tcpdump -d` prints.
//! - [`pushdown`] makes programs for the kernel that decide on what is inside a tunnel: selections
//!   of the inner packet that never let a packet get as far as user space in vain.
//!
//! libpcap is loaded when the first expression is compiled, and needed for nothing else.
//!
//! Instructions and their meaning: linux/filter.h, Documentation/networking/filter.rst of the
//! kernel, bpf(4).

mod compile;
mod error;
mod expression;
mod instruction;
mod program;
mod run;

pub mod pushdown;

pub use error::{Error, ExpressionError};
pub use expression::Filter;
pub use instruction::Instruction;
pub use program::{MAX_KERNEL_INSTRUCTIONS, MAX_SNAPLEN, Program, ProgramError};
pub use run::Ancillary;

//! Selecting packets by pcap-filter(7) expressions, in user space and in the kernel.
//!
//! - [`Filter`] is an expression for frames of any link type: `Filter::new("udp port 8472")`.
//! - [`Program`] is an expression that libpcap has compiled for one link type, in classic BPF. This
//!   crate has its own interpreter for it, which is safe on any bytes and as fast as libpcap's.
//! - [`pushdown`] makes programs for the kernel that decide on what is inside a tunnel, so that
//!   other packets do not cost a copy to user space.
//!
//! libpcap is loaded when the first expression is compiled. It is needed for nothing else.
//!
//! The instructions are described in linux/filter.h, in Documentation/networking/filter.rst of the
//! kernel, and in bpf(4).

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

//! Zero-copy decoding of VXLAN, Geneve and other overlay packets.
#![no_std]
#![forbid(unsafe_code)]

mod link_type;

pub use link_type::LinkType;

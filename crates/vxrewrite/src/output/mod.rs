//! Outputs: packets and blocks become a capture file again.

mod blocks;
mod interfaces;
mod options;
mod outgoing;
mod outputs;
mod patches;
mod pcap;
mod pcapng;
mod preface;
mod setting;
mod shape;
mod transcode;

pub(crate) use blocks::append as append_block;
pub(crate) use options::push as push_option;
pub(crate) use outgoing::{Carrier, Outgoing};
pub(crate) use outputs::Outputs;
pub use outputs::Sinks;
pub(crate) use patches::Patches;
pub(crate) use preface::Preface;
pub use setting::OutputFormat;
pub(crate) use setting::Setting;
pub(crate) use transcode::is_free_form;

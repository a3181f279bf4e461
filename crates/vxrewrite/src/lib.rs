//! Rewrite capture files: decapsulate, re-port, annotate, split, merge, and lose nothing.

#![forbid(unsafe_code)]

mod annotate;
mod anonymize;
mod cut;
mod decap;
mod dedup;
mod error;
mod fragments;
mod internet_checksum;
mod output;
mod packet_block;
mod pipeline;
pub mod program;
mod report;
mod source;
mod split;
mod stored_block;
mod to_port;

pub use anonymize::{Anonymizer, KeyError};
pub use decap::Decap;
pub use error::Error;
pub use output::{OutputFormat, Sinks};
pub use pipeline::{Pipeline, Progress, Select};
pub use report::{Loss, Losses, Report};
pub use split::Split;

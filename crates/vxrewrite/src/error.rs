//! Why a rewrite ended early.

use std::io;

use vxcap::LinkType;

use crate::select::SelectError;

/// Why a rewrite could not be carried on. Damage to an input is none: see [`Report::damage`](crate::Report::damage).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The output could not be written.
    #[error(transparent)]
    Output(#[from] vxcap::Error),
    /// Not a single block of the input could be read.
    #[error(transparent)]
    Input(vxcap::Error),
    /// It could not be told whether a packet stays.
    #[error(transparent)]
    Select(SelectError),
    /// An output file could not be made.
    #[error("{name}: {source}")]
    Create {
        /// The output, as far as it has a name.
        name: String,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// A pcap file holds packets of one link type only.
    #[error(
        "packet {number} is of link type {}, but a pcap file holds one link type only, here {}",
        Named(*packet), Named(*file)
    )]
    SecondLinkType {
        /// The packet, counted from 1 over all inputs.
        number: u64,
        /// The packet's link type.
        packet: LinkType,
        /// The output's link type.
        file: LinkType,
    },
    /// A time that a pcap file cannot tell.
    #[error(
        "packet {number} has a time {} seconds {} 1970; pcap tells times from 1970 to 2106",
        seconds.unsigned_abs(), if *seconds < 0 { "before" } else { "after" }
    )]
    FarTime {
        /// The packet, counted from 1 over all inputs.
        number: u64,
        /// Its time.
        seconds: i64,
    },
    /// More output files than a run makes.
    #[error("more than {most} output files would be needed")]
    TooManyOutputs {
        /// The greatest number.
        most: usize,
    },
    /// No capture was given.
    #[error("no capture to read")]
    NoInput,
    /// An action puts something into the output that only pcapng holds.
    #[error("pcap cannot hold {what}")]
    NeedsPcapng {
        /// What it cannot hold.
        what: &'static str,
    },
    /// The run was told to end.
    #[error("interrupted")]
    Interrupted,
}

/// A link type by name, as far as it has one here.
struct Named(LinkType);

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.name() {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0.0),
        }
    }
}

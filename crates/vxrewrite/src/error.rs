//! Why a rewrite ended early.

use std::io;

use vxcap::LinkType;

use crate::select::SelectError;

/// Why a rewrite ended early. Damage to an input is not among these: see
/// [`Report::damage`](crate::Report::damage).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The output could not be written.
    #[error(transparent)]
    Output(#[from] vxcap::Error),
    /// Not a single block of the input could be read.
    #[error(transparent)]
    Input(vxcap::Error),
    /// The selection failed for a packet.
    #[error(transparent)]
    Select(SelectError),
    /// An output file could not be made.
    #[error("{name}: {source}")]
    Create {
        /// The name of the output.
        name: String,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// A pcap file holds packets of one link type only.
    #[error(
        "packet {number} is of link type {}, but a pcap file can hold one link type only, here {}",
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
    /// A time that pcap cannot hold.
    #[error(
        "packet {number} has a time {} seconds {} 1970; pcap can hold times from 1970 to 2106",
        seconds.unsigned_abs(), if *seconds < 0 { "before" } else { "after" }
    )]
    FarTime {
        /// The packet, counted from 1 over all inputs.
        number: u64,
        /// Its time, in seconds since 1970.
        seconds: i64,
    },
    /// More output files than a run may make.
    #[error("more than {most} output files would be needed")]
    TooManyOutputs {
        /// How many it may make.
        most: usize,
    },
    /// No capture was given.
    #[error("no capture to read")]
    NoInput,
    /// An action adds something that only pcapng can hold.
    #[error("pcap cannot hold {what}")]
    NeedsPcapng {
        /// What pcap cannot hold.
        what: &'static str,
    },
    /// The observer ended the run ([`Pipeline::observe`](crate::Pipeline::observe)).
    #[error("interrupted")]
    Interrupted,
}

/// Prints a link type's name, or its number if it has no name here.
struct Named(LinkType);

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.name() {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0.0),
        }
    }
}

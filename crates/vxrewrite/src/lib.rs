//! Rewrite capture files: decapsulate, re-port, annotate, split, merge, and lose nothing.
//!
//! A [`Pipeline`] takes the blocks of captures ([`vxcap::file::BlockReader`]), carries out its
//! actions on the packets among them, and writes the rest as it is: times to the last digit,
//! comments, names, interfaces with their options, secrets, unknown blocks, in either byte order,
//! section by section. The program `vxrewrite` is this library with a command line, as its feature
//! `cli`.
//!
//! ```
//! use vxcap::file::BlockReader;
//! use vxrewrite::{Decap, Pipeline};
//!
//! // a pcap file with one packet: a TCP SYN in VXLAN
//! let frame = vxlan::example::SYN;
//! let len = u32::try_from(frame.len())?.to_le_bytes();
//! let header = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
//! let file = [&header[..], &[10, 0, 0, 0, 7, 0, 0, 0], &len, &len, frame].concat();
//!
//! // the inner frame follows 50 bytes of outer headers
//! let pipeline = Pipeline::new().decap(Decap::Innermost);
//! let (report, out) = pipeline.run(vec![BlockReader::new(file.as_slice())?], Vec::new())?;
//! assert_eq!(out[..24], header);
//! assert_eq!(out[24..32], [10, 0, 0, 0, 7, 0, 0, 0]); // the time
//! assert_eq!(out[32..40], [74, 0, 0, 0, 74, 0, 0, 0]); // captured and original length
//! assert_eq!(out[40..], frame[50..]);
//! assert_eq!((report.read, report.decapsulated), (1, 1));
//!
//! // without any action nothing changes
//! let (report, out) = Pipeline::new().run(vec![BlockReader::new(file.as_slice())?], Vec::new())?;
//! assert_eq!(out, file);
//! assert!(report.losses.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Ways in
//!
//! | to | use |
//! |---|---|
//! | rewrite into one output | [`Pipeline::run`] |
//! | rewrite into one output for each VNI, node or flow | [`Pipeline::split`], [`Pipeline::run_split`] with [`Sinks`] |
//! | choose packets | [`Pipeline::select`] with a closure, or a type that is [`Select`] |
//! | show progress, or end a run early | [`Pipeline::observe`] |
//! | know what could not be kept, and what was damaged | [`Report::losses`], [`Report::damage`] |
//! | replace addresses | [`Pipeline::anonymize`] with an [`Anonymizer`] |
//!
//! # What it promises
//!
//! No input causes a panic. Memory does not grow with the file: it holds read blocks, a window of
//! packets where files are merged, the packets of one dedup window with 32 MiB of their payload,
//! and 16 MiB of fragments. Decapsulation and re-porting allocate nothing per packet. A damaged
//! input gives all its whole packets; its error is in [`Report::damage`].
//!
//! Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. Checksums: RFC 1624. Anonymisation:
//! draft-denis-ipcrypt.

#![forbid(unsafe_code)]

mod actions;
mod annotate;
mod anonymize;
mod cut;
mod decap;
mod dedup;
mod error;
mod fragments;
mod headers_end;
mod inputs;
mod internet_checksum;
mod merger;
mod output;
mod packet_block;
mod pipeline;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod program;
mod progress;
mod report;
mod run;
mod select;
mod split;
mod stored_block;
mod to_port;

pub use anonymize::{Anonymizer, KeyError, Unseen};
pub use decap::Decap;
pub use error::Error;
pub use output::{OutputFormat, Sinks};
pub use pipeline::Pipeline;
pub use progress::Progress;
pub use report::{Loss, Losses, Report};
pub use select::{Select, SelectError};
pub use split::Split;

/// The examples of README.md are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

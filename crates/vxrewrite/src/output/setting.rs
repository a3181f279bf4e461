//! The format of outputs, and how much of a file can be copied.

/// The format of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputFormat {
    /// The format of the first input.
    #[default]
    AsInput,
    /// pcap, with times in nanoseconds where the first input has them, and in microseconds
    /// otherwise.
    Pcap,
    /// pcap with times in microseconds.
    MicrosPcap,
    /// pcap with times in nanoseconds.
    NsecPcap,
    /// pcapng.
    Pcapng,
}

/// Facts about a run that decide what can be copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) format: OutputFormat,
    /// Whether there are several inputs.
    pub(crate) merges: bool,
    /// Whether packets may be left out or changed.
    pub(crate) changes: bool,
    /// Whether every block is copied unchanged.
    pub(crate) verbatim: bool,
    /// The length that packets are cut to.
    pub(crate) snaplen: Option<u32>,
}

//! The format of outputs, and what decides how much of a file can stay as it is.

/// The format of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputFormat {
    /// That of the first input.
    #[default]
    AsInput,
    /// pcap, with times in nanoseconds where the first input has them, and in microseconds otherwise.
    Pcap,
    /// pcap with times in microseconds.
    MicrosPcap,
    /// pcap with times in nanoseconds.
    NsecPcap,
    /// pcapng.
    Pcapng,
}

/// What happens to the files of a run, which decides what can stay as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) format: OutputFormat,
    /// Several inputs.
    pub(crate) merges: bool,
    /// Packets may be left out or have another length.
    pub(crate) changes: bool,
    /// Every block as it is, unseen.
    pub(crate) verbatim: bool,
    /// Packets are cut to this length.
    pub(crate) snaplen: Option<u32>,
}

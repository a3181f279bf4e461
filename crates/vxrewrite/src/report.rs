//! What a rewrite did, and what it could not keep.

use std::fmt;

use crate::anonymize::Unseen;

/// What a rewrite did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Packets read from all inputs.
    pub read: u64,
    /// Packets written to all outputs.
    pub written: u64,
    /// Packets that were taken out of their tunnel.
    pub decapsulated: u64,
    /// Frames that were put together of outer fragments.
    pub reassembled: u64,
    /// Packets whose tunnel's destination port was changed, also in what ICMP errors quote.
    pub reported: u64,
    /// Packets left out because another copy of them was written.
    pub merged: u64,
    /// Anonymised packets with contents that could not be inspected.
    pub unseen: Unseen,
    /// What the output format or an action could not keep.
    pub losses: Losses,
    /// The damage of each damaged input. The packets before it were rewritten.
    pub damage: Vec<vxcap::Error>,
}

/// Something that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Loss {
    /// Options of packets (comments, direction, drop counts): pcap has none.
    PacketOptions,
    /// Times finer than the output's unit: they were rounded down.
    Precision,
    /// Names, hardware, filters and other facts on interfaces: pcap has none.
    InterfaceFacts,
    /// Interfaces that cannot be told apart any more: pcap has one.
    Interfaces,
    /// Facts in section headers (comments, hardware, operating system).
    SectionFacts,
    /// Name resolution blocks.
    Names,
    /// Interface statistics blocks.
    Statistics,
    /// Decryption secrets blocks.
    Secrets,
    /// Custom, journal and unknown blocks.
    OtherBlocks,
    /// Packets without a time (simple packet blocks): they were given the time 0.
    NoTime,
    /// Hashes of packets that were changed.
    Hashes,
    /// Comments and filters, which may contain what is anonymised.
    Comments,
    /// Packets of "patched" pcap, whose header has the interface's index, the protocol and the
    /// packet's type. No other format holds these.
    RecordFields,
    /// Packets that are out of time order by more than the sorting window.
    Unsorted,
    /// Tunnel packets whose inner packet has no link type in capture files: they stayed as they
    /// were.
    NoLinkType,
    /// Outer fragments whose other fragments are missing: they were not put together.
    LoneFragments,
    /// Later outer fragments whose first fragment did not come shortly before: they were selected
    /// and split by their own headers.
    Unfollowed,
    /// Old or vendor-specific pcap file headers: the output has the usual one.
    OldHeader,
    /// Packets with unknown protocols, which were cut off with the payload.
    UnknownHeaders,
    /// Packets of unknown link types that were to be cut to their headers: they stayed whole.
    UnknownLink,
}

impl Loss {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 20] = [
        Self::PacketOptions,
        Self::Precision,
        Self::InterfaceFacts,
        Self::Interfaces,
        Self::SectionFacts,
        Self::Names,
        Self::Statistics,
        Self::Secrets,
        Self::OtherBlocks,
        Self::NoTime,
        Self::Hashes,
        Self::Comments,
        Self::RecordFields,
        Self::Unsorted,
        Self::NoLinkType,
        Self::LoneFragments,
        Self::Unfollowed,
        Self::OldHeader,
        Self::UnknownHeaders,
        Self::UnknownLink,
    ];

    /// The message, without its count.
    const fn text(self) -> &'static str {
        match self {
            Self::PacketOptions => {
                "packets with options (comments, direction …) that pcap cannot hold"
            }
            Self::Precision => "times rounded down to microseconds",
            Self::InterfaceFacts => "interfaces with names or other facts that pcap cannot hold",
            Self::Interfaces => "interfaces that pcap cannot tell apart",
            Self::SectionFacts => "section headers whose facts the output cannot hold",
            Self::Names => "name resolution blocks that pcap cannot hold",
            Self::Statistics => "interface statistics that pcap cannot hold",
            Self::Secrets => "blocks of decryption secrets that pcap cannot hold",
            Self::OtherBlocks => "custom, journal or unknown blocks: left out",
            Self::NoTime => "packets without a time (simple packet blocks): written with time 0",
            Self::Hashes => "hashes of changed packets: left out",
            Self::Comments => {
                "comments and filters: left out, because they may contain what is anonymised"
            }
            Self::RecordFields => {
                "packets with an interface index, a protocol and a type that only patched pcap can hold"
            }
            Self::Unsorted => "packets out of time order by more than the sorting window",
            Self::NoLinkType => {
                "tunnel packets whose inner packet has no link type in capture files: left as they were"
            }
            Self::LoneFragments => {
                "outer fragments whose other fragments are missing: not put together, and perhaps out of time order"
            }
            Self::Unfollowed => {
                "later outer fragments whose first fragment did not come shortly before: selected by their own headers"
            }
            Self::OldHeader => "old or vendor-specific pcap headers: replaced by the usual one",
            Self::UnknownHeaders => "packets with unknown protocols: cut where their headers begin",
            Self::UnknownLink => "packets of unknown link types: left whole",
        }
    }
}

/// How often each [`Loss`] happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses([u64; Loss::ALL.len()]);

impl Losses {
    /// Counts one more.
    #[cold]
    pub(crate) fn add(&mut self, loss: Loss) {
        self.add_many(loss, 1);
    }

    /// Counts several more.
    pub(crate) fn add_many(&mut self, loss: Loss, more: u64) {
        if let Some(count) = self.0.get_mut(loss as usize) {
            *count += more;
        }
    }

    /// How often it happened.
    pub fn count(&self, loss: Loss) -> u64 {
        self.0.get(loss as usize).copied().unwrap_or_default()
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; Loss::ALL.len()]
    }

    /// Those that happened, with their counts. `{count} {loss}` is a line for people.
    pub fn iter(&self) -> impl Iterator<Item = (Loss, u64)> + '_ {
        let counted = Loss::ALL.iter().map(|&loss| (loss, self.count(loss)));
        counted.filter(|(_, count)| *count > 0)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_has_a_count_of_its_own_and_names_no_option() {
        let mut losses = Losses::default();
        for (index, loss) in Loss::ALL.into_iter().enumerate() {
            losses.add_many(loss, index as u64 + 1);
        }
        let counts: Vec<u64> = losses.iter().map(|(_, count)| count).collect();
        assert_eq!(counts, (1..=Loss::ALL.len() as u64).collect::<Vec<_>>());
        for loss in Loss::ALL {
            assert!(!loss.to_string().contains(" -"), "{loss}");
        }
    }
}

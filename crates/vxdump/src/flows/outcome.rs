//! How flows ended: the states that the command line names, and the three kinds of failure that
//! sums count.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use vxflow::{ConnState, FlowRecord};

/// A state that flows are selected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(pub(crate) ConnState);

impl ValueEnum for State {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [State; 13] = [
            State(ConnState::S0),
            State(ConnState::S1),
            State(ConnState::SF),
            State(ConnState::Rej),
            State(ConnState::S2),
            State(ConnState::S3),
            State(ConnState::Rsto),
            State(ConnState::Rstr),
            State(ConnState::RstoS0),
            State(ConnState::Rstrh),
            State(ConnState::Sh),
            State(ConnState::Shr),
            State(ConnState::Oth),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self.0 {
            ConnState::S0 => "No answer: only a SYN, or datagrams, of the opener",
            ConnState::S1 => "Established; its end was not seen",
            ConnState::SF => "Established, and ended normally; for UDP, datagrams of both ends",
            ConnState::Rej => "Rejected: a reset answered the SYN",
            ConnState::S2 => "The opener has closed, the other end has not",
            ConnState::S3 => "The other end has closed, the opener has not",
            ConnState::Rsto => "Reset by the opener",
            ConnState::Rstr => "Reset by the other end",
            ConnState::RstoS0 => "A SYN without an answer, then a reset by the opener",
            ConnState::Rstrh => "A SYN-ACK, then a reset by its sender; the SYN was not seen",
            ConnState::Sh => "A SYN without an answer, then a FIN by the opener",
            ConnState::Shr => {
                "A SYN-ACK, then a FIN by its sender, or only answers; the opener's packets were not \
                 seen"
            }
            ConnState::Oth => "Begun before the capture, or a protocol without connections",
            _ => return None,
        };
        Some(PossibleValue::new(self.0.name()).help(help))
    }
}

/// What went wrong with a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// The opener never had an answer.
    Unanswered,
    /// The other end refused it with a reset, or somebody with an ICMP error.
    Rejected,
    /// A reset ended it.
    Reset,
}

impl Trouble {
    /// What went wrong with this flow, if something did.
    pub(crate) fn of(flow: &FlowRecord) -> Option<Self> {
        let is_unanswered = match flow.state {
            ConnState::S0 | ConnState::Sh | ConnState::RstoS0 => true,
            ConnState::Rej => return Some(Self::Rejected),
            ConnState::Rsto | ConnState::Rstr | ConnState::Rstrh => return Some(Self::Reset),
            // echo requests have no state
            ConnState::Oth => {
                flow.exchange.is_some_and(|echo| echo.requests > 0 && echo.answered == 0)
            }
            _ => false,
        };
        match is_unanswered {
            true if flow.icmp_errors > 0 => Some(Self::Rejected),
            true => Some(Self::Unanswered),
            false => None,
        }
    }
}

/// How many flows failed, by what went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) unanswered: u64,
    pub(crate) rejected: u64,
    pub(crate) resets: u64,
}

impl Failed {
    /// Counts a flow, if something went wrong with it.
    pub(crate) const fn add(&mut self, trouble: Option<Trouble>) {
        match trouble {
            Some(Trouble::Unanswered) => self.unanswered += 1,
            Some(Trouble::Rejected) => self.rejected += 1,
            Some(Trouble::Reset) => self.resets += 1,
            None => {}
        }
    }

    /// All of them.
    pub(crate) const fn total(self) -> u64 {
        self.unanswered + self.rejected + self.resets
    }
}

#[cfg(test)]
mod tests {
    use vxflow::{FlowTable, Seen};

    use super::*;

    #[test]
    fn all_states_can_be_named() {
        for state in State::value_variants() {
            let value = state.to_possible_value().expect("a name");
            assert_eq!(value.get_name(), state.0.name());
            assert_eq!(State::from_str(&state.0.name().to_lowercase(), true), Ok(*state));
        }
    }

    #[test]
    fn what_went_wrong() {
        let frame = vxlan::example::SYN;
        let mut table = FlowTable::default();
        let seen = Seen { time: 0, interface: 0, wire_len: frame.len() as u32 };
        table.push(&vxlan::decode(frame, vxlan::LinkType::ETHERNET), seen);
        let mut flow = table.finish().next().expect("a flow");
        assert_eq!(Trouble::of(&flow), Some(Trouble::Unanswered));
        flow.icmp_errors = 1;
        assert_eq!(Trouble::of(&flow), Some(Trouble::Rejected));
        for (state, trouble) in [
            (ConnState::Rej, Some(Trouble::Rejected)),
            (ConnState::Rsto, Some(Trouble::Reset)),
            (ConnState::SF, None),
            (ConnState::Oth, None),
        ] {
            flow.state = state;
            assert_eq!(Trouble::of(&flow), trouble, "{state}");
        }
    }
}

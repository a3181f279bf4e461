//! Limits and policies of a flow table.

use vxlan::Decoder;

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// Limits and policies of a [`FlowTable`](crate::FlowTable).
///
/// Begin with [`Config::default`] or [`Config::without_timeouts`] and replace what is to differ:
///
/// ```
/// use vxflow::{Config, FlowTable};
///
/// let config = Config::default().max_flows(10_000).idle_timeout(Some(60_000_000_000));
/// assert_eq!(config.closed_timeout, Some(10_000_000_000));
/// let table = FlowTable::new(config);
/// # assert!(table.is_empty());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The most flows held at a time, at least 1. One more evicts the flow that was seen least
    /// recently.
    pub max_flows: usize,
    /// A flow without packets for longer than this many nanoseconds is over. `None`: never.
    pub idle_timeout: Option<i64>,
    /// A flow that began longer ago than this many nanoseconds is handed out, and goes on as a new
    /// record. `None`: never.
    pub active_timeout: Option<i64>,
    /// A TCP connection that was closed or reset is over after this many nanoseconds without
    /// packets. Until then the last acknowledgements and repeated FINs still join it. `None`: it
    /// ends as other flows do.
    pub closed_timeout: Option<i64>,
    /// Do copies of a packet, seen at further capture points, count as packets and bytes?
    /// `true` (the default) counts every captured frame, as tshark and tcpdump do.
    ///
    /// `false` counts each packet once, at the capture point (interface, inside or outside of a
    /// tunnel) where the first packet of its direction was seen. For files that do not name their
    /// interfaces, a packet with the same IP identification within 100 ms is a copy too.
    ///
    /// With `false`, a packet outside of tunnels joins the flow with its addresses and ends in a
    /// network, if there is one (the first, where several networks have such a flow). For pods'
    /// packets are in a tunnel on some devices, and in none on others.
    ///
    /// Either way copies are no retransmissions, and are counted in
    /// [`Counts::copies`](crate::Counts::copies). Keep `true` where the packets of one direction
    /// legitimately take two interfaces, as in a capture of the members of a bond.
    pub count_copies: bool,
    /// The most fragmented packets of each address family whose ports are remembered for their
    /// later fragments; and the most later fragments that wait for their first one. The oldest are
    /// given up first.
    pub max_fragmented: usize,
    /// The decoder of the packets: needed to find the innermost of nested tunnels, and to decode
    /// what ICMP errors quote.
    pub decoder: Decoder,
}

impl Default for Config {
    /// A million flows; timeouts as in Zeek: 5 minutes without packets, no active timeout; 10
    /// seconds for closed connections; copies count; 4,096 fragmented packets.
    fn default() -> Self {
        Self {
            max_flows: 1_000_000,
            idle_timeout: Some(300 * SECOND),
            active_timeout: None,
            closed_timeout: Some(10 * SECOND),
            count_copies: true,
            max_fragmented: 4096,
            decoder: Decoder::default(),
        }
    }
}

impl Config {
    /// For capture files: no flow ends by time, so that the flows are the conversations that other
    /// tools show.
    pub fn without_timeouts() -> Self {
        Self { idle_timeout: None, active_timeout: None, closed_timeout: None, ..Self::default() }
    }

    /// Replaces [`Config::max_flows`].
    #[must_use]
    pub fn max_flows(mut self, flows: usize) -> Self {
        self.max_flows = flows;
        self
    }

    /// Replaces [`Config::idle_timeout`], in nanoseconds.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Option<i64>) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Replaces [`Config::active_timeout`], in nanoseconds.
    #[must_use]
    pub fn active_timeout(mut self, timeout: Option<i64>) -> Self {
        self.active_timeout = timeout;
        self
    }

    /// Replaces [`Config::closed_timeout`], in nanoseconds.
    #[must_use]
    pub fn closed_timeout(mut self, timeout: Option<i64>) -> Self {
        self.closed_timeout = timeout;
        self
    }

    /// Replaces [`Config::count_copies`].
    #[must_use]
    pub fn count_copies(mut self, count: bool) -> Self {
        self.count_copies = count;
        self
    }

    /// Replaces [`Config::max_fragmented`].
    #[must_use]
    pub fn max_fragmented(mut self, packets: usize) -> Self {
        self.max_fragmented = packets;
        self
    }

    /// Replaces [`Config::decoder`].
    #[must_use]
    pub fn decoder(mut self, decoder: Decoder) -> Self {
        self.decoder = decoder;
        self
    }
}

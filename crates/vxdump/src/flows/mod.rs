//! Inner flows: who talks to whom, how well, across which nodes.

pub(crate) mod sums;

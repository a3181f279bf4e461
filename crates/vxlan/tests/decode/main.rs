//! The decoder against oracles, every length, every flipped bit, and what only looks like a tunnel.
//!
//! The captures of the workspace are compared with tshark elsewhere (`crates/vxdump/tests/truth`).

mod checksums;
mod every_length;
mod false_positives;
mod frames;
mod invariants;
mod oracles;

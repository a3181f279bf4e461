//! What the benches share: frames made in memory, and the yardstick.

pub mod frames;
pub mod yardstick;

//! Capture files: every format by hand-made bytes, damage, compression, merging, pieces, writing,
//! and the word of tshark.

mod chunks;
mod compressed;
mod damage;
mod formats;
mod merge;
mod pass_through;
mod pieces;
mod references;
mod round_trip;
mod sample;
mod tshark;

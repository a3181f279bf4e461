//! Capture files: every format by hand-made bytes, damage, compression, merging, writing, and the word of tshark.

mod chunks;
mod compressed;
mod damage;
mod formats;
mod merge;
mod pass_through;
mod references;
mod round_trip;
mod sample;
mod tshark;

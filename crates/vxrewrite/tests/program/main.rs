//! The program, judged by Wireshark's tools and by the files themselves.

mod decap;
mod dedup;
mod files;
mod harness;
mod pass_through;
mod to_port;

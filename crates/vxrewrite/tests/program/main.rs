//! The program, judged by Wireshark's tools and by the files themselves.

mod annotate;
mod anonymize;
mod decap;
mod dedup;
mod files;
mod fragments;
mod harness;
mod headers_only;
mod man;
mod pass_through;
mod readable;
mod stdout;
mod to_port;

//! Capture files and capture devices: frames with their time, link type and interface

pub mod filter;

//! The flows of real captures, judged by the programs that made them, by tshark, and by one thread
//! against several.

mod files;
mod lab;
mod parallel;
mod short_ways;
mod tshark;

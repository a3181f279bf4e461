//! `vxdump flows`, judged by the lab's senders, by tshark, by collectors, and by itself in another format or with
//! another number of threads.

mod collector;
mod lab;
#[cfg(target_os = "linux")]
mod live;
mod program;

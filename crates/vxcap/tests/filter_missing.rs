//! Where libpcap is absent, expressions are refused with words that say what to install.
//!
//! What is loaded is decided once a process, so the case runs in a process of its own: this test
//! program again, with a libpcap that is not there.

#![cfg(unix)]

use std::env;

use vxcap::filter::{Error, Filter, Program};
use vxlan::LinkType;
use vxtest::{command, output};

#[test]
fn the_words_say_what_to_install() {
    let mut program = command(env::current_exe().expect("the path of this test program"));
    program.args(["--exact", "child", "--nocapture"]);
    let output = output(program.env("VXDUMP_LIBPCAP", "/nonexistent/libpcap.so"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

#[test]
fn child() {
    if env::var_os("VXDUMP_LIBPCAP").is_none_or(|library| library != "/nonexistent/libpcap.so") {
        return;
    }
    let error = Filter::new("tcp port 80").expect_err("there is no libpcap");
    assert!(matches!(error, Error::NoLibpcap(_)));
    let words = error.to_string();
    assert!(words.starts_with("filter expressions need libpcap"), "{words}");
    assert!(words.contains("apt install libpcap0.8"), "{words}");
    assert!(Program::compile("arp", LinkType::ETHERNET, 0).is_err());
    // everything is taken without libpcap
    let mut all = Filter::new(" ").expect("no expression at all");
    assert_eq!(all.matches(LinkType::RAW, &[0x45], 1), Ok(true));
}

//! The manual page, as `man` shows it.

use vxtest::{in_process, man_page, words};

#[test]
fn man_shows_the_page_as_it_is_meant() {
    let run = in_process(|out, err| {
        vxdump::run(words("vxdump --man"), &mut vxdump::Terminal::of_streams("vxdump", out, err))
    });
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let page = String::from_utf8(run.stdout).expect("text");
    let Some(shown) = man_page(&page) else { return };
    for section in [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "VXDUMP FLOWS",
        "VXDUMP MAP",
        "VXDUMP TOP",
        "NOTATION",
        "COLUMNS",
        "SELECTING",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
        "SEE ALSO",
    ] {
        assert!(shown.lines().any(|line| line == section), "{section}\n{shown}");
    }
    for line in [
        // tables stay tables
        "       NODE                some pod on this node: the map has the node's",
        "       q            quit",
        "       1  an error on the way, such as a damaged file or a device that went",
        // examples stay as they are
        "           vxdump -r node.pcap --map map.json --pod shop/web-0 \\",
        "               --inner 'tcp port 80'",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}

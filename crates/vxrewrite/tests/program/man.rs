//! The manual page, as `man` shows it.

use vxrewrite::program;
use vxtest::{in_process, man_page, words};

#[test]
fn man_shows_the_page_as_it_is_meant() {
    let run = in_process(|out, err| {
        let mut terminal = program::Terminal::of_streams("vxrewrite", out, err);
        program::run(words("vxrewrite --man"), &mut terminal)
    });
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let page = String::from_utf8(run.stdout).expect("text");
    let Some(shown) = man_page(&page) else { return };
    for line in [
        "SYNOPSIS",
        "       vxrewrite -r FILE [-r FILE]... -w OUT [ACTIONS] [EXPRESSION]",
        "OPTIONS",
        "WHAT IS KEPT",
        "EXIT STATUS",
        "ENVIRONMENT",
        "EXAMPLES",
        "SEE ALSO",
        // tables stay tables
        "       0  success",
        // examples stay as they are
        "           vxrewrite -r node.pcap -w pods.pcapng --decap --annotate \\",
        "               --map map.json",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}

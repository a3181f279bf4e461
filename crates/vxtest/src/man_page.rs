//! Manual pages, as man(1) and mandoc(1) see them.

use crate::command::command;
use crate::ended::output;
use crate::folder::Folder;
use crate::skip::has_tools;

/// The narrowest terminal that a page is for.
const COLUMNS: usize = 80;

/// What `man` shows of a page on a terminal of 80 columns. `None` where it or `mandoc` is missing;
/// the test is then recorded as skipped.
///
/// # Panics
///
/// Where one of them warns, or a line does not fit.
pub fn man_page(page: &str) -> Option<String> {
    if !has_tools(&["man", "mandoc"]) {
        return None;
    }
    let folder = Folder::new();
    let file = folder.file("page.1");
    std::fs::write(&file, page).expect("a file");
    let mut man = command("man");
    man.args(["--warnings", "-E", "UTF-8", "-l"]).arg(&file);
    man.env("MANWIDTH", COLUMNS.to_string())
        .env_remove("MAN_KEEP_FORMATTING")
        .env("LC_ALL", "C.UTF-8");
    let shown = output(&mut man);
    let warnings = String::from_utf8_lossy(&shown.stderr);
    assert!(shown.status.success() && warnings.is_empty(), "{man:?} warns: {warnings}");
    let shown = String::from_utf8(shown.stdout).expect("text");
    for line in shown.lines() {
        assert!(line.chars().count() <= COLUMNS, "does not fit into {COLUMNS} columns: {line}");
    }
    // its warnings are on stdout; that a page has no date is meant
    let lint = output(command("mandoc").args(["-Tlint", "-Wwarning"]).arg(&file));
    let lint = String::from_utf8_lossy(&lint.stdout).into_owned();
    let warnings: String = lint.lines().filter(|line| !line.contains("missing date")).collect();
    assert!(warnings.is_empty(), "mandoc warns: {warnings}");
    Some(shown)
}

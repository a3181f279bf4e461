//! What the Markdown files show is true: their commands run, print what stands below them, and
//! their links lead somewhere.
//!
//! A block of `sh` that names `testdata/` is run, in a terminal of 100 columns. A block of `text`
//! right below it is what it prints; a last line `…` stands for more. All other blocks need a
//! cluster, a device or rights, and are not run. `VXDUMP_BLESS=1` writes the outputs anew.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use vxtest::{Folder, command, has_tools, output, root};

/// The last line of an output that is not shown to its end.
const MORE: &str = "…";
/// Erases a line of a terminal (ECMA-48 section 8.3.41).
const ERASE: &str = "\x1b[2K";

/// The Markdown files that git keeps.
fn markdown_files() -> Vec<PathBuf> {
    fn add(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder that can be read") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !name.starts_with("target") && name != ".git" && name != "corpus" {
                    add(&path, files);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    add(&root(), &mut files);
    files.sort();
    files
}

/// A fenced block of a Markdown file.
struct Block<'a> {
    language: &'a str,
    /// The line of its opening fence, counted from 0.
    at: usize,
    lines: Vec<&'a str>,
}

impl Block<'_> {
    /// The line behind its closing fence.
    fn end(&self) -> usize {
        self.at + self.lines.len() + 2
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            blocks.push(Block { language, at, lines: inside.collect() });
        }
    }
    blocks
}

/// A folder with `testdata`, and with what commands write.
fn folder() -> Folder {
    let folder = Folder::new();
    symlink(root().join("testdata"), folder.file("testdata")).expect("a link");
    folder
}

/// What commands print in a terminal, and whether they succeed.
fn run(folder: &Folder, commands: &[&str]) -> (String, bool) {
    let script = commands.join("\n").replace("cargo run --release -q -p vxdump --", "vxdump");
    fs::write(folder.file("commands"), script).expect("a script");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut terminal = command("script"); // of util-linux
    terminal
        .args(["-qec", "stty cols 100 rows 24; exec sh -e commands", "/dev/null"])
        .current_dir(folder.path())
        .envs([("TZ", "UTC"), ("NO_COLOR", "1"), ("TERM", "xterm")])
        .env("PATH", format!("{}:{path}", programs().display()));
    let output = output(&mut terminal);
    let text = String::from_utf8(output.stdout).expect("text").replace('\r', "");
    // progress bars are drawn, and erased again
    let lines = text.lines().map(|line| line.rsplit(ERASE).next().unwrap_or_default());
    (lines.collect::<Vec<_>>().join("\n"), output.status.success())
}

/// The folder of both programs. vxrewrite is built first: a test of this package alone does not
/// build it, and would run an old one.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<&Path> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_vxdump")).parent().expect("a folder");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "-q", "-p", "vxrewrite"]).current_dir(root());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().is_ok_and(|status| status.success()), "vxrewrite is built");
        folder
    })
}

/// What is wrong with the examples of a file; if `bless`, the file is written anew instead.
fn check_examples(path: &Path, bless: bool) -> (usize, Vec<String>) {
    let text = fs::read_to_string(path).expect("a file");
    let name = path.strip_prefix(root()).unwrap_or(path).display();
    let blocks = blocks(&text);
    let is_run = |block: &&Block<'_>| {
        block.language == "sh" && block.lines.iter().any(|line| line.contains("testdata/"))
    };
    let lines: Vec<&str> = text.lines().collect();
    let (mut blessed, mut copied) = (String::new(), 0);
    let (mut count, mut wrong) = (0, Vec::new());
    let mut files = None;
    for block in blocks.iter().filter(is_run) {
        count += 1;
        let (printed, succeeded) = run(files.get_or_insert_with(folder), &block.lines);
        let place = format!("{name}:{}: {}", block.at + 1, block.lines.join("\n"));
        if !succeeded {
            wrong.push(format!("{place}\nfails:\n{printed}"));
            continue;
        }
        let below = |shown: &&Block<'_>| {
            shown.language == "text"
                && (block.end()..shown.at).all(|line| lines[line].is_empty())
                && shown.at >= block.end()
        };
        let Some(shown) = blocks.iter().find(below) else { continue };
        let mut expected: Vec<&str> = printed.lines().collect();
        if shown.lines.last() == Some(&MORE) {
            expected.truncate(shown.lines.len() - 1);
            expected.push(MORE);
        }
        for line in &lines[copied..=shown.at] {
            blessed.push_str(line);
            blessed.push('\n');
        }
        for line in &expected {
            blessed.push_str(line);
            blessed.push('\n');
        }
        copied = shown.end() - 1;
        if expected != shown.lines {
            wrong.push(format!("{place}\nprints:\n{}", expected.join("\n")));
        }
    }
    if bless {
        for line in &lines[copied..] {
            blessed.push_str(line);
            blessed.push('\n');
        }
        fs::write(path, blessed).expect("the file is written");
    }
    (count, wrong)
}

#[test]
fn commands_print_what_is_shown() {
    if !has_tools(&["script"]) {
        return;
    }
    let bless = std::env::var_os("VXDUMP_BLESS").is_some();
    let (mut count, mut wrong) = (0, Vec::new());
    for file in markdown_files() {
        let (examples, faults) = check_examples(&file, bless);
        count += examples;
        wrong.extend(faults);
    }
    assert!(count >= 20, "only {count} examples");
    assert!(bless || wrong.is_empty(), "{}\n\nVXDUMP_BLESS=1 writes them anew", wrong.join("\n\n"));
}

#[test]
fn the_picture_shows_what_is_printed() {
    if !has_tools(&["python3"]) {
        return;
    }
    let mut make = command(root().join("docs/picture/make"));
    let output = output(make.arg("--check").env("VXDUMP", env!("CARGO_BIN_EXE_vxdump")));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The targets of the links and pictures in a text without its blocks.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        if is_code {
            continue;
        }
        let starts = line.match_indices("](").map(|(at, opening)| at + opening.len());
        links.extend(starts.filter_map(|start| Some(line[start..].split_once(')')?.0)));
    }
    links
}

#[test]
fn links_lead_somewhere() {
    let (mut count, mut broken) = (0, Vec::new());
    for file in markdown_files() {
        let text = fs::read_to_string(&file).expect("a file");
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            count += 1;
            let (path, heading) = link.split_once('#').map_or((link, None), |(p, h)| (p, Some(h)));
            let target = match path {
                "" => file.clone(),
                _ => file.parent().expect("a folder").join(path),
            };
            let has_heading = || {
                let text = fs::read_to_string(&target).unwrap_or_default();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                headings.any(|line| Some(anchor(line.trim_start_matches('#')).as_str()) == heading)
            };
            if !target.exists() || heading.is_some() && !has_heading() {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(count >= 20, "only {count} links");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

//! The manual page of a program: what clap knows of its command line, then the program's own
//! sections.
//!
//! All commands are in one page. Options that a command shares with the program are described once.

mod blocks;
mod roff;

use clap::builder::ValueRange;
use clap::{Arg, ArgAction, Command};

use blocks::Block;
use roff::Roff;

/// A manual page.
///
/// The text of a section is plain. Empty lines separate its blocks:
///
/// - lines without indentation are a paragraph, which is filled;
/// - lines indented by two columns are a list: a term, at least two spaces, and what it means. A
///   line with more indentation continues the item above it;
/// - other indented lines stay as they are.
///
/// Words in backquotes are printed in bold. The text after the help of a command is read the same
/// way.
pub struct Page {
    command: Command,
    sections: Vec<(&'static str, String)>,
}

impl Page {
    /// The page of a program with this command line.
    pub fn new(mut command: Command) -> Self {
        // subcommands inherit arguments only then
        command.build();
        Self { command, sections: Vec::new() }
    }

    /// Appends a section after those that describe the command line.
    #[must_use]
    pub fn section(mut self, title: &'static str, text: impl Into<String>) -> Self {
        self.sections.push((title, text.into()));
        self
    }

    /// The page in roff, for the macros of man(7).
    ///
    /// The program's own text after its help is left out: a section says the same with more room.
    pub fn render(&self) -> String {
        let program = &self.command;
        let mut roff = Roff::new(program.get_name(), program.get_version().unwrap_or_default());
        roff.section("NAME");
        roff.name(program.get_name(), &about(program));
        roff.section("SYNOPSIS");
        synopsis(&mut roff, program);
        roff.section("DESCRIPTION");
        description(&mut roff, program);
        if commands(program).next().is_some() {
            roff.paragraph("The commands are described below, each in a section of its own:");
            let list = commands(program)
                .map(|command| (command.get_name().to_owned(), sentence(&about(command))));
            roff.list(&list.collect::<Vec<_>>());
        }
        roff.section("OPTIONS");
        options(&mut roff, &described(program));
        for command in commands(program) {
            roff.section(&full_name(program, command).to_uppercase());
            description(&mut roff, command);
            if let Some(text) = command.get_after_help() {
                text_blocks(&mut roff, &text.to_string());
            }
            let (shared, own): (Vec<&Arg>, Vec<&Arg>) =
                described(command).into_iter().partition(|arg| is_shared(program, arg));
            if !shared.is_empty() {
                roff.paragraph(&format!("Options that are described above: {}.", names(&shared)));
            }
            options(&mut roff, &own);
        }
        for (title, text) in &self.sections {
            roff.section(title);
            text_blocks(&mut roff, text);
        }
        roff.into_text()
    }
}

/// The commands of a program.
fn commands(program: &Command) -> impl Iterator<Item = &Command> {
    program
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

/// The name of a command with the program's before it.
fn full_name(program: &Command, command: &Command) -> String {
    format!("{} {}", program.get_name(), command.get_name())
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn synopsis(roff: &mut Roff, program: &Command) {
    if let Some(usage) = program.get_overridden_usage() {
        return roff.usage(usage.to_string().trim(), "");
    }
    roff.usage(program.get_name(), &arguments(program));
    for command in commands(program) {
        roff.next_line();
        roff.usage(&full_name(program, command), &arguments(command));
    }
}

/// What a command takes besides its name.
fn arguments(command: &Command) -> String {
    let words = command.get_positionals().filter(|arg| !arg.is_hide_set()).map(|arg| {
        let dots = if arg.get_num_args().is_some_and(|n| n.max_values() > 1) { "..." } else { "" };
        format!(" [{}{dots}]", value_name(arg))
    });
    format!("[OPTIONS]{}", words.collect::<String>())
}

fn description(roff: &mut Roff, command: &Command) {
    let text = command.get_long_about().or_else(|| command.get_about());
    for paragraph in text.map(ToString::to_string).unwrap_or_default().split("\n\n") {
        roff.paragraph(&sentence(paragraph));
    }
}

/// The arguments of a command that its page describes.
fn described(command: &Command) -> Vec<&Arg> {
    command.get_arguments().filter(|arg| !arg.is_hide_set()).collect()
}

/// Does the program itself have this option of a command, with the same meaning?
fn is_shared(program: &Command, arg: &Arg) -> bool {
    program.get_arguments().any(|other| {
        let is_same = header(other) == header(arg) && help(other) == help(arg);
        // clap words the help on help by what there is to see
        is_same || is_help(arg) && is_help(other)
    })
}

fn is_help(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong)
}

/// The arguments, one name of each.
fn names(args: &[&Arg]) -> String {
    let names = args.iter().map(|arg| match (arg.get_short(), arg.get_long()) {
        (Some(short), _) => format!("`-{short}`"),
        (None, Some(long)) => format!("`--{long}`"),
        (None, None) => value_name(arg),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The arguments by the headings that they have in the help. Options that clap adds come last.
fn options(roff: &mut Roff, args: &[&Arg]) {
    const LAST: &str = "Other";
    let heading = |arg: &Arg| {
        let usual = if arg.is_positional() { "Arguments" } else { LAST };
        arg.get_help_heading().unwrap_or(usual).to_owned()
    };
    let mut headings: Vec<String> = Vec::new();
    for arg in args {
        if !headings.contains(&heading(arg)) {
            headings.push(heading(arg));
        }
    }
    headings.sort_by_key(|name| name == LAST);
    for name in headings {
        roff.part(&name);
        for arg in args.iter().filter(|arg| heading(arg) == name) {
            option(roff, arg);
        }
    }
}

fn option(roff: &mut Roff, arg: &Arg) {
    roff.item(&header(arg), &help(arg));
    let values = arg.get_possible_values();
    let values = values.iter().filter(|value| !value.is_hide_set());
    let said = values.filter_map(|value| {
        let help = value.get_help()?;
        Some((value.get_name().to_owned(), help.to_string()))
    });
    let said: Vec<(String, String)> = said.collect();
    if !said.is_empty() {
        roff.inner_list(&said);
    }
}

/// How an argument is typed: names in backquotes, what stands for a value as it is.
fn header(arg: &Arg) -> String {
    if arg.is_positional() {
        return value_name(arg);
    }
    let short = arg.get_short().map(|short| format!("`-{short}`"));
    let long = arg.get_long().map(|long| format!("`--{long}`"));
    let names = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    let Some(count) = arg.get_num_args().filter(ValueRange::takes_values) else {
        return names;
    };
    let value = value_name(arg);
    match (count.min_values(), arg.is_require_equals_set()) {
        (0, true) => format!("{names}[={value}]"),
        (0, false) => format!("{names} [{value}]"),
        (_, true) => format!("{names}={value}"),
        (_, false) => format!("{names} {value}"),
    }
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What an argument does, with its default and with those values that need no words.
fn help(arg: &Arg) -> String {
    let text = arg.get_long_help().or_else(|| arg.get_help());
    let mut sentences = vec![sentence(&text.map(ToString::to_string).unwrap_or_default())];
    if arg.get_num_args().is_some_and(|count| count.takes_values()) {
        let values = arg.get_possible_values();
        let bare = values.iter().filter(|value| !value.is_hide_set() && value.get_help().is_none());
        let bare: Vec<String> = bare.map(|value| format!("`{}`", value.get_name())).collect();
        if !bare.is_empty() {
            sentences.push(format!("One of {}.", bare.join(", ")));
        }
        if let ([default], false) = (arg.get_default_values(), arg.is_hide_default_value_set()) {
            sentences.push(format!("The default is `{}`.", default.to_string_lossy()));
        }
    }
    sentences.join(" ")
}

/// Ends a text with a full stop, which clap takes away.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() || text.ends_with(['.', ':', '!', '?', '…']) {
        return text.to_owned();
    }
    format!("{text}.")
}

fn text_blocks(roff: &mut Roff, text: &str) {
    for block in blocks::read(text) {
        match block {
            Block::Paragraph(text) => roff.paragraph(&text),
            Block::List(items) => roff.list(&items),
            Block::Verbatim(lines) => roff.verbatim(&lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::builder::PossibleValue;

    use super::*;

    fn page() -> String {
        let file = || Arg::new("file").short('r').value_name("FILE").help("Read `FILE`");
        let by = Arg::new("by").long("by").default_value("pod").help("Print sums").value_parser([
            PossibleValue::new("pod").help("Pairs of pods"),
            PossibleValue::new("node").help("Pairs of nodes"),
        ]);
        let shell = Arg::new("shell").long("shell").value_parser(["bash", "zsh"]).help("For it");
        let levels = Arg::new("levels").long("decap").num_args(0..=1).require_equals(true);
        let command = Command::new("flows")
            .about("Print flows")
            .after_help("Keys:\n  a b   sort\n        them\n  q     quit")
            .args([file(), by]);
        let program = Command::new("x")
            .version("1.2")
            .about("See packets")
            .after_help("not here")
            .args([file(), shell, levels.value_name("LEVELS"), Arg::new("secret").hide(true)])
            .subcommand(command);
        Page::new(program).section("FILES", "Some:\n\n    a  b\n").render()
    }

    #[test]
    fn page_has_each_thing_once() {
        let page = page();
        for part in [
            ".TH X 1 \"\" \"x 1.2\"",
            "\nx \\- See packets\n",
            ".SH SYNOPSIS\n\\fBx\\fR [\\fIOPTIONS\\fR]\n.br\n\\fBx flows\\fR [\\fIOPTIONS\\fR]\n",
            "\\fB\\-r\\fR \\fIFILE\\fR\nRead \\fBFILE\\fR.\n",
            "\\fB\\-\\-decap\\fR[=\\fILEVELS\\fR]\n",
            "For it. One of \\fBbash\\fR, \\fBzsh\\fR.\n",
            "Print sums. The default is \\fBpod\\fR.\n",
            "\\fBnode\\fR\nPairs of nodes\n",
            ".SH \"X FLOWS\"\nPrint flows.\n.PP\n",
            "Options that are described above: \\fB\\-r\\fR, \\fB\\-h\\fR.\n",
            "\\fBa b\\fR\nsort them\n",
            ".nf\na  b\n.fi\n",
        ] {
            assert_eq!(page.matches(part).count(), 1, "{part}\n\n{page}");
        }
        for part in ["secret", "not here"] {
            assert!(!page.contains(part), "{part}\n\n{page}");
        }
    }
}

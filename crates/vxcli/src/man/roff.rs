//! Typesets a manual page with the macros of man(7), and without preprocessors: any `man` shows it.

use std::fmt::Write as _;

/// The columns by which an example is indented.
const EXAMPLE: usize = 4;
/// A longer term has a line of its own.
const LONGEST_TERM: usize = 20;

/// A page that is being written.
pub(super) struct Roff {
    text: String,
    /// Nothing stands below the last heading yet.
    is_fresh: bool,
}

impl Roff {
    /// Begins a page of section 1, with words not hyphenated: options and paths are to be copied.
    pub(super) fn new(program: &str, version: &str) -> Self {
        let name = program.to_uppercase();
        let head = format!(
            ".TH {name} 1 \"\" \"{program} {version}\" \"User Commands\"\n\
             .nh\n\
             .ad l\n"
        );
        Self { text: head, is_fresh: true }
    }

    /// The page.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Begins a section.
    pub(super) fn section(&mut self, title: &str) {
        self.heading("SH", title);
    }

    /// Begins a part of a section.
    pub(super) fn part(&mut self, title: &str) {
        self.heading("SS", title);
    }

    fn heading(&mut self, kind: &str, title: &str) {
        let quote = if title.contains(' ') { "\"" } else { "" };
        self.line(&format!(".{kind} {quote}{}{quote}", escaped(title)));
        self.is_fresh = true;
    }

    /// The one line that apropos(1) reads.
    pub(super) fn name(&mut self, program: &str, about: &str) {
        self.line(&format!("{program} \\- {}", escaped(about)));
    }

    /// How a program is called: its name, and what it takes.
    pub(super) fn usage(&mut self, name: &str, arguments: &str) {
        let separator = if arguments.is_empty() { "" } else { " " };
        self.line(&format!("{}{separator}{}", bold(name), typeset(arguments, true)));
    }

    /// Begins a new line without space between.
    pub(super) fn next_line(&mut self) {
        self.line(".br");
    }

    /// A text that is filled.
    pub(super) fn paragraph(&mut self, text: &str) {
        if !self.is_fresh {
            self.line(".PP");
        }
        self.filled(text);
        self.is_fresh = false;
    }

    /// An option, and what it does, which may have several paragraphs.
    pub(super) fn item(&mut self, header: &str, text: &str) {
        self.line(".TP");
        self.line(&typeset(header, true));
        for (at, paragraph) in text.split("\n\n").enumerate() {
            if at > 0 {
                self.line(".IP");
            }
            self.filled(paragraph);
        }
        self.is_fresh = false;
    }

    /// Terms, and what they mean: a table whose second column is filled.
    pub(super) fn list(&mut self, items: &[(String, String)]) {
        let widths = items.iter().map(|(term, _)| term.chars().count());
        let width = widths.filter(|&width| width <= LONGEST_TERM).max().unwrap_or(EXAMPLE) + 2;
        for (at, (term, meaning)) in items.iter().enumerate() {
            if at == 1 {
                // no space between the rows
                self.line(".PD 0");
            }
            self.line(&format!(".TP {width}"));
            self.line(&bold(term));
            self.filled(meaning);
        }
        self.line(".PD");
        self.is_fresh = false;
    }

    /// A list below the text of an option.
    pub(super) fn inner_list(&mut self, items: &[(String, String)]) {
        self.line(".RS");
        self.list(items);
        self.line(".RE");
    }

    /// Lines that stay as they are.
    pub(super) fn verbatim(&mut self, lines: &[String]) {
        if !self.is_fresh {
            self.line(".PP");
        }
        self.line(&format!(".RS {EXAMPLE}"));
        self.line(".nf");
        for line in lines {
            self.filled(line);
        }
        self.line(".fi");
        self.line(".RE");
        self.is_fresh = false;
    }

    /// A line of text, which is no request whatever it begins with.
    fn filled(&mut self, text: &str) {
        let text = typeset(text, false);
        // an empty line would be space
        let guard = if text.is_empty() || text.starts_with('.') { "\\&" } else { "" };
        self.line(&format!("{guard}{text}"));
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// A text with words in backquotes in bold. Words in capitals are values of options where
/// `with_values`, and in italics.
fn typeset(text: &str, with_values: bool) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            out += &bold(part);
        } else if with_values {
            values(&mut out, part);
        } else {
            out += &escaped(part);
        }
    }
    out
}

/// Appends a text with the names of values in italics.
fn values(out: &mut String, text: &str) {
    let is_of_name = |c: char| !matches!(c, '[' | ']' | '=' | ' ' | ',' | '.');
    let mut rest = text;
    while let Some(start) = rest.find(is_of_name) {
        let end = rest[start..].find(|c| !is_of_name(c)).map_or(rest.len(), |len| start + len);
        let _ = write!(out, "{}\\fI{}\\fR", escaped(&rest[..start]), escaped(&rest[start..end]));
        rest = &rest[end..];
    }
    out.push_str(&escaped(rest));
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

/// A text in which nothing is a request, and in which every character is printed as itself, in
/// ASCII (`groff_char(7)`).
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out += "\\e",
            '-' => out += "\\-",
            '\'' => out += "\\(aq",
            '"' => out += "\\(dq",
            '`' => out += "\\(ga",
            '^' => out += "\\(ha",
            '~' => out += "\\(ti",
            '\n' => out.push(' '),
            c if c.is_ascii() => out.push(c),
            c => {
                let _ = write!(out, "\\[u{:04X}]", u32::from(c));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_printed_as_itself() {
        assert_eq!(
            escaped("a-b\\ 'x' ~^ → \"1\""),
            "a\\-b\\e \\(aqx\\(aq \\(ti\\(ha \\[u2192] \\(dq1\\(dq"
        );
        assert_eq!(typeset("`-r` is one", false), "\\fB\\-r\\fR is one");
        assert_eq!(typeset("`--x`[=NS/NAME]", true), "\\fB\\-\\-x\\fR[=\\fINS/NAME\\fR]");
        assert_eq!(
            typeset("[OPTIONS] [ADDRESS...]", true),
            "[\\fIOPTIONS\\fR] [\\fIADDRESS\\fR...]"
        );
    }

    #[test]
    fn text_is_never_a_request() {
        let mut roff = Roff::new("x", "1");
        roff.paragraph(".gz is read");
        roff.verbatim(&["'a'".to_owned(), String::new()]);
        assert!(
            roff.into_text()
                .ends_with("\n\\&.gz is read\n.PP\n.RS 4\n.nf\n\\(aqa\\(aq\n\\&\n.fi\n.RE\n")
        );
    }
}

//! Reads the plain text of a section.

/// A part of a text, as it is to be typeset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// It is filled.
    Paragraph(String),
    /// Terms, and what they mean.
    List(Vec<(String, String)>),
    /// Lines that stay as they are.
    Verbatim(Vec<String>),
}

/// The indentation of a term.
const TERM: usize = 2;

/// Reads a text: [`Page`](super::Page) says how it is written.
pub(super) fn read(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    // `None` after an empty line
    let mut open: Option<Block> = None;
    for line in text.lines() {
        if line.trim().is_empty() {
            blocks.extend(open.take());
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        match (&mut open, indent) {
            (Some(Block::Paragraph(text)), 0) => {
                text.push(' ');
                text.push_str(line);
            }
            (Some(Block::List(items)), TERM) => items.push(item(line)),
            (Some(Block::List(items)), TERM..) => {
                if let Some((_, meaning)) = items.last_mut() {
                    if !meaning.is_empty() {
                        meaning.push(' ');
                    }
                    meaning.push_str(line.trim());
                }
            }
            (Some(Block::Verbatim(lines)), 1..) => lines.push(line.to_owned()),
            (_, indent) => {
                blocks.extend(open.take());
                open = Some(match indent {
                    0 => Block::Paragraph(line.to_owned()),
                    TERM => Block::List(vec![item(line)]),
                    _ => Block::Verbatim(vec![line.to_owned()]),
                });
            }
        }
    }
    blocks.extend(open);
    for block in &mut blocks {
        if let Block::Verbatim(lines) = block {
            unindent(lines);
        }
    }
    blocks
}

/// A term, and what follows it.
fn item(line: &str) -> (String, String) {
    let (term, meaning) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
    (term.to_owned(), meaning.trim().to_owned())
}

/// Takes away what all lines are indented by.
fn unindent(lines: &mut [String]) {
    let indents = lines.iter().map(|line| line.len() - line.trim_start().len());
    let least = indents.min().unwrap_or_default();
    for line in lines {
        line.drain(..least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_known_by_their_indentation() {
        let pair = |term: &str, meaning: &str| (term.to_owned(), meaning.to_owned());
        let text = "\
Keys:
  q             quit
  a, b
                scroll,
                or not

Two lines
of text.

    vxdump \\
      -r file
Behind it.";
        assert_eq!(
            read(text),
            [
                Block::Paragraph("Keys:".into()),
                Block::List(vec![pair("q", "quit"), pair("a, b", "scroll, or not")]),
                Block::Paragraph("Two lines of text.".into()),
                Block::Verbatim(vec!["vxdump \\".into(), "  -r file".into()]),
                Block::Paragraph("Behind it.".into()),
            ]
        );
    }
}

//! YAML text to pruned trees: one or several documents.
//!
//! Built on saphyr-parser's events, of the crates at hand the one that fits, because
//!
//! - it gives events with their lines, so that a wrong podCIDR is told with its line, and what no
//!   map needs is stepped over without being kept. serde layers (`serde_norway`, `serde_yaml_ng`,
//!   serde-saphyr) lose the line of a value that is well-formed but makes no sense;
//! - it never expands an alias. An "alias bomb" that grows to gigabytes cannot be written:
//!   aliases are refused here where a value is needed. kubectl writes none;
//! - it is pure Rust, kept up, passes the YAML test suite, and brings one small crate.
//!   `serde_norway` and `serde_yaml_ng` wrap a C library translated to unsafe Rust.
//!
//! Memory and time are bounded by the text: events borrow from it, nesting is cut at
//! [`DEPTH_MAX`].

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::tree::{Spot, Tree, Value, wanted};
use crate::error::{Fault, Place};

/// How deep values may nest: `serde_json`'s own limit, so that both formats take the same files.
const DEPTH_MAX: usize = 128;

/// Reads all documents of `text` and gives each to `each`.
pub(super) fn read(
    text: &str,
    mut each: impl FnMut(Spot<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut events = Events { parser: Parser::new_from_str(text), text };
    let mut number = 0;
    loop {
        match events.next()? {
            (Event::StreamEnd, _) => return Ok(()),
            (Event::DocumentStart(_), _) => {
                number += 1;
                let first = events.next()?;
                let tree = events.tree(first, 0)?;
                each(Spot::document(&tree, number))?;
            }
            _ => {}
        }
    }
}

struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(event) => event.map_err(|error| syntax(&error, self.text)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The value that starts with `first`, `depth` values deep.
    fn tree(&mut self, (first, span): (Event<'a>, Span), depth: usize) -> Result<Tree<'a>, Fault> {
        let line = span.start.line();
        if depth > DEPTH_MAX {
            return Err(Fault::line(line, format!("nested deeper than {DEPTH_MAX} values")));
        }
        let value = match first {
            Event::Scalar(text, style, ..) => match (style, text.as_ref()) {
                // the null and boolean forms of YAML 1.2's core schema, section 10.3.2
                (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
                (ScalarStyle::Plain, "true" | "True" | "TRUE") => Value::Bool(true),
                (ScalarStyle::Plain, "false" | "False" | "FALSE") => Value::Bool(false),
                _ => Value::Text(text),
            },
            Event::SequenceStart(..) => {
                let mut trees = Vec::new();
                loop {
                    let next = self.next()?;
                    match next.0 {
                        Event::SequenceEnd => break Value::List(trees),
                        _ => trees.push(self.tree(next, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => self.map(depth)?,
            Event::Alias(_) => return Err(alias(line)),
            _ => Value::Null,
        };
        Ok(Tree { line, value })
    }

    /// The pairs of a mapping up to its end.
    fn map(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        let mut pairs: Vec<(&'static str, Tree<'a>)> = Vec::new();
        loop {
            let (key, span) = self.next()?;
            let line = span.start.line();
            let key = match key {
                Event::MappingEnd => return Ok(Value::Map(pairs)),
                Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" => {
                    return Err(alias(line));
                }
                Event::Scalar(text, ..) => wanted(&text),
                Event::Alias(_) => return Err(alias(line)),
                other => {
                    self.step_over(&other)?;
                    None
                }
            };
            let value = self.next()?;
            match key {
                Some(key) if pairs.iter().any(|(before, _)| *before == key) => {
                    return Err(Fault::line(line, format!("the key {key:?} stands there twice")));
                }
                Some(key) => pairs.push((key, self.tree(value, depth + 1)?)),
                None => self.step_over(&value.0)?,
            }
        }
    }

    /// Goes on to the end of the value that starts with `first`.
    fn step_over(&mut self, first: &Event<'a>) -> Result<(), Fault> {
        let mut open =
            usize::from(matches!(first, Event::SequenceStart(..) | Event::MappingStart(..)));
        while open > 0 {
            match self.next()?.0 {
                Event::SequenceStart(..) | Event::MappingStart(..) => open += 1,
                Event::SequenceEnd | Event::MappingEnd => open -= 1,
                Event::StreamEnd => break,
                _ => {}
            }
        }
        Ok(())
    }
}

fn alias(line: usize) -> Fault {
    Fault::line(line, "YAML aliases (*name, <<) are not read: write the value in their place")
}

fn syntax(error: &ScanError, text: &str) -> Fault {
    let (line, column) = (error.marker().line(), error.marker().col() + 1);
    // where the text ends too early, the parser names the line after the last
    let last = text.lines().count().max(1);
    let place = if line > last {
        Place { line: last, column: 0, path: String::new() }
    } else {
        Place { line, column, path: String::new() }
    };
    Fault { place, message: format!("this is not YAML: {}", error.info()) }
}

//! Rows as a table for people: all of them whole in a pipe, short and fitted on a terminal.

use podmap::PodMap;
use vxcli::Failure;

use super::layout::{Form, Frame, GAP, Shown, fit, on_terminal, whole};
use super::print::reuse;
use super::row::{Row, Value};
use crate::numbers;
use crate::output::Output;
use crate::text::put;
use crate::time_utc::Utc;

/// Writes the head and the rows. Without a frame all columns are shown, whole.
pub(crate) fn write<R: Row>(
    output: &mut Output<'_>,
    columns: &[&'static str],
    frame: Option<Frame>,
    rows: &[R],
    map: &PodMap,
) -> Result<(), Failure> {
    let mut shown = match frame {
        Some(_) => on_terminal(columns),
        None => whole(columns),
    };
    let mut cells = Cells::default();
    for row in rows {
        let mut values = cells.of(row, map);
        for column in &mut shown {
            let (cell, is_number) = cells.cell(column, &values);
            column.width = column.width.max(characters(cell));
            column.is_right |= is_number;
            column.says |= !matches!(cell, b"-" | b"?" | b"0");
        }
        cells.give_back(&mut values);
    }
    if let Some(frame) = frame {
        fit(&mut shown, frame);
    }

    for column in &shown {
        put_cell(output.buffer(), column, column.title.as_bytes());
    }
    end_line(output.buffer());
    for row in rows {
        let mut values = cells.of(row, map);
        for column in &shown {
            put_cell(output.buffer(), column, cells.cell(column, &values).0);
        }
        cells.give_back(&mut values);
        end_line(output.buffer());
        output.end_of_line()?;
    }
    Ok(())
}

/// The last column needs no blanks behind it.
fn end_line(out: &mut Vec<u8>) {
    while out.last() == Some(&b' ') {
        out.pop();
    }
    out.push(b'\n');
}

/// What stands in cells.
#[derive(Default)]
struct Cells {
    utc: Utc,
    text: Vec<u8>,
    /// room for the values of a row
    values: Vec<Value<'static>>,
}

impl Cells {
    /// The values of a row.
    fn of<'a, R: Row>(&mut self, row: &'a R, map: &'a PodMap) -> Vec<Value<'a>> {
        let mut values = reuse(std::mem::take(&mut self.values));
        row.values(map, &mut values);
        values
    }

    fn give_back(&mut self, values: &mut Vec<Value<'_>>) {
        self.values = reuse(std::mem::take(values));
    }

    /// What a column shows of a row, and whether it is a number.
    fn cell(&mut self, column: &Shown, values: &[Value<'_>]) -> (&[u8], bool) {
        let Self { utc, text, .. } = self;
        text.clear();
        let value = values.get(column.at.0).unwrap_or(&Value::Absent);
        let with = column.at.1.and_then(|at| values.get(at)).unwrap_or(&Value::Absent);
        match (column.form, value) {
            (_, Value::Absent) => put::text(text, "-"),
            (Form::End, Value::Address(address)) if address.is_ipv6() && *with != Value::Absent => {
                text.push(b'[');
                put::address(text, *address);
                put::text(text, "]:");
                with.write(text, utc);
            }
            (Form::End, _) => {
                value.write(text, utc);
                if *with != Value::Absent {
                    text.push(b':');
                    with.write(text, utc);
                }
            }
            (Form::Count, Value::Number(number)) => put::text(text, &numbers::count(*number)),
            (Form::Both, Value::Number(there)) => {
                put::text(text, &numbers::count(*there));
                if let Value::Number(back) = with
                    && there | back != 0
                {
                    text.push(b'/');
                    put::text(text, &numbers::count(*back));
                }
            }
            (Form::Span, Value::Seconds(nanos) | Value::Millis(nanos)) => {
                put::text(text, &numbers::time(*nanos));
            }
            (Form::Clock, Value::Time(_)) => {
                value.write(text, utc);
                // of 2026-11-21T01:40:12.123456789Z the time with milliseconds
                text.truncate(23);
                text.drain(..11.min(text.len()));
            }
            _ => value.write(text, utc),
        }
        if text.is_empty() {
            put::text(text, "-");
        }
        (text, value.is_number())
    }
}

/// Appends a cell, in its column's width: what is too long loses its middle, as the ends of names and addresses are what
/// tells them apart.
fn put_cell(out: &mut Vec<u8>, column: &Shown, cell: &[u8]) {
    let (width, len) = (column.width, characters(cell));
    if width == 0 {
        return;
    }
    let blanks = width.saturating_sub(len);
    let pad = |out: &mut Vec<u8>, count: usize| out.resize(out.len() + count, b' ');
    if column.is_right {
        pad(out, blanks);
    }
    if len > width {
        let text = String::from_utf8_lossy(cell);
        let begin = (width - 1) / 2;
        out.extend(text.chars().take(begin).collect::<String>().bytes());
        put::text(out, "…");
        let end = text.chars().skip(len - (width - 1 - begin));
        out.extend(end.collect::<String>().bytes());
    } else {
        out.extend_from_slice(cell);
    }
    pad(out, if column.is_right { GAP } else { blanks + GAP });
}

/// Characters of a UTF-8 text.
fn characters(text: &[u8]) -> usize {
    // all bytes but those that go on with a character (RFC 3629 section 3)
    text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_keeps_both_ends() {
        let [mut column] = whole(&["src_name"]).try_into().unwrap();
        let cut = |column: &Shown, text: &str| {
            let mut out = Vec::new();
            put_cell(&mut out, column, text.as_bytes());
            String::from_utf8(out).unwrap()
        };
        column.width = 9;
        assert_eq!(cut(&column, "default/web-0@worker"), "defa…rker  ");
        assert_eq!(cut(&column, "[fd00::1:2:3]:8080"), "[fd0…8080  ");
        assert_eq!(cut(&column, "ünïcødé12"), "ünïcødé12  ");
        column.width = 2;
        assert_eq!(cut(&column, "web"), "…b  ");
        column.width = 1;
        assert_eq!(cut(&column, "web"), "…  ");
    }
}

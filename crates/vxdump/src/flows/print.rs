//! Rows as JSON, one object a line; as CSV; as a table.

use podmap::PodMap;
use vxcli::Failure;

use super::row::{Row, Value};
use super::table;
use crate::cli::Format;
use crate::csv;
use crate::json;
use crate::output::Output;
use crate::text::put;
use crate::time_utc::Utc;

/// Prints rows.
pub(crate) struct Printer<'w> {
    pub(crate) output: Output<'w>,
    format: Format,
    columns: &'static [&'static str],
    /// Columns of the terminal; `None` where stdout is none.
    width: Option<usize>,
    utc: Utc,
    with_head: bool,
}

impl<'w> Printer<'w> {
    pub(crate) fn new(
        output: Output<'w>,
        format: Format,
        columns: &'static [&'static str],
        width: Option<usize>,
    ) -> Self {
        Self {
            output,
            format,
            columns,
            width,
            utc: Utc::default(),
            with_head: format == Format::Csv,
        }
    }

    /// Prints rows: a whole table, or what JSON or CSV go on with.
    pub(crate) fn rows<R: Row>(&mut self, rows: &[R], map: &PodMap) -> Result<(), Failure> {
        self.head();
        if self.format == Format::Text {
            return table::write(&mut self.output, self.columns, self.width, rows, map);
        }
        let mut values = Vec::with_capacity(self.columns.len());
        for row in rows {
            row.values(map, &mut values);
            let out = self.output.buffer();
            match self.format {
                Format::Json => write_json(out, self.columns, &values, &mut self.utc),
                _ => write_csv(out, &values, &mut self.utc),
            }
            // values borrow from the row: a vector for the next ones is made of this one's room
            values = reuse(values);
            self.output.end_of_line()?;
        }
        Ok(())
    }

    /// The names of the columns, where the format begins with them, once.
    pub(crate) fn head(&mut self) {
        if std::mem::take(&mut self.with_head) {
            let out = self.output.buffer();
            put::text(out, &self.columns.join(","));
            out.push(b'\n');
        }
    }

    /// Is a table printed?
    pub(crate) fn is_table(&self) -> bool {
        self.format == Format::Text
    }
}

/// An empty vector for values of another lifetime.
pub(crate) fn reuse<'b>(mut values: Vec<Value<'_>>) -> Vec<Value<'b>> {
    values.clear();
    values.into_iter().map(|_| Value::Absent).collect()
}

fn write_json(out: &mut Vec<u8>, columns: &[&str], values: &[Value<'_>], utc: &mut Utc) {
    let mut separator = b'{';
    for (name, value) in columns.iter().zip(values) {
        if *value == Value::Absent {
            continue;
        }
        out.push(separator);
        separator = b',';
        out.push(b'"');
        put::text(out, name);
        put::text(out, "\":");
        if let Value::Text(text) = value {
            json::string(out, text);
        } else {
            let quote: &[u8] = if value.is_number() { b"" } else { b"\"" };
            out.extend_from_slice(quote);
            value.write(out, utc);
            out.extend_from_slice(quote);
        }
    }
    put::text(out, "}\n");
}

fn write_csv(out: &mut Vec<u8>, values: &[Value<'_>], utc: &mut Utc) {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match value {
            Value::Text(text) => csv::field(out, text),
            other => other.write(out, utc),
        }
    }
    out.push(b'\n');
}

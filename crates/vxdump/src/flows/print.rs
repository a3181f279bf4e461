//! Prints rows in the format that was asked for: a table, JSON, CSV or Parquet.

use clap::ValueEnum;
use podmap::PodMap;
use vxcap::Timestamp;
use vxcli::{Failure, Terminal};

use super::columns::{Column, Facts, Row};
use super::layout::Frame;
#[cfg(feature = "parquet")]
use super::parquet::ParquetFile;
use super::sort::Sort;
use super::table;
use super::value::Value;
use crate::out::csv;
use crate::out::json;
use crate::out::output::Output;
use crate::out::put;
use crate::out::time_utc::Utc;

/// How flows are printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlowFormat {
    /// A table, fitted to the terminal.
    Text,
    /// One JSON object a line.
    Json,
    /// Comma-separated values; the first line names the columns.
    Csv,
    /// A Parquet file, for query engines (needs a build with the feature `parquet`).
    Parquet,
}

/// Prints rows.
pub(crate) struct Printer<'w> {
    pub(crate) output: Output<'w>,
    form: Form,
    columns: Vec<&'static Column>,
    utc: Utc,
    with_head: bool,
    /// A table was printed before.
    any_table: bool,
}

/// What rows are printed as.
pub(crate) enum Form {
    /// A table; with its order if it is fitted to a terminal, `None` if stdout is no terminal.
    Table(Option<Sort>),
    Json,
    Csv,
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetFile>),
}

impl Form {
    /// The form of this format, for rows that are sorted so.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if the format cannot go to a terminal, or is not in this build.
    pub(crate) fn new(
        format: FlowFormat,
        sort: Sort,
        columns: &[&'static Column],
        terminal: &Terminal,
    ) -> Result<Self, Failure> {
        match format {
            FlowFormat::Text => Ok(Self::Table(terminal.out_is_terminal.then_some(sort))),
            FlowFormat::Json => Ok(Self::Json),
            FlowFormat::Csv => Ok(Self::Csv),
            FlowFormat::Parquet => Self::parquet(columns, terminal),
        }
    }

    #[cfg(feature = "parquet")]
    fn parquet(columns: &[&'static Column], terminal: &Terminal) -> Result<Self, Failure> {
        if terminal.out_is_terminal {
            return Err(Failure::usage(
                "--format parquet writes binary data, which a terminal cannot show; write it to a file (> flows.parquet)",
            ));
        }
        Ok(Self::Parquet(Box::new(ParquetFile::new(columns)?)))
    }

    #[cfg(not(feature = "parquet"))]
    fn parquet(_: &[&'static Column], _: &Terminal) -> Result<Self, Failure> {
        Err(Failure::usage(
            "--format parquet is not in this build of vxdump; build it with --features parquet \
             (cargo install --path crates/vxdump --features parquet)",
        ))
    }
}

/// The terminal's present size: it may change between two tables.
fn frame(sort: Sort) -> Option<Frame> {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size()?;
    Some(Frame { width: width.into(), sort })
}

impl<'w> Printer<'w> {
    pub(crate) fn new(output: Output<'w>, form: Form, columns: Vec<&'static Column>) -> Self {
        let with_head = matches!(form, Form::Csv);
        Self { output, form, columns, utc: Utc::default(), with_head, any_table: false }
    }

    /// Prints rows: a whole table, or more rows of the other formats.
    pub(crate) fn rows<R: Row>(
        &mut self,
        rows: impl Iterator<Item = R> + Clone,
        map: &PodMap,
    ) -> Result<(), Failure> {
        self.head();
        let columns = &self.columns;
        if let Form::Table(sort) = self.form {
            let frame = sort.and_then(frame);
            return table::write(&mut self.output, columns, frame, &rows, map);
        }
        for row in rows {
            let facts = row.facts(map);
            let out = self.output.buffer();
            match &mut self.form {
                Form::Table(_) => {}
                Form::Json => write_json(out, columns, &facts, &mut self.utc),
                Form::Csv => write_csv(out, columns, &facts, &mut self.utc),
                #[cfg(feature = "parquet")]
                Form::Parquet(file) => file.row(&facts, out)?,
            }
            self.output.end_of_line()?;
        }
        Ok(())
    }

    /// Writes everything that is waiting, and the end of the format.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        #[cfg(feature = "parquet")]
        if let Form::Parquet(file) = &mut self.form {
            file.end(self.output.buffer())?;
        }
        self.head();
        self.output.flush()
    }

    /// Prints the names of the columns once, if the format begins with them.
    pub(crate) fn head(&mut self) {
        if std::mem::take(&mut self.with_head) {
            let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
            let out = self.output.buffer();
            put::text(out, &names.join(","));
            out.push(b'\n');
        }
    }

    /// Begins one of several tables with a line that has the time (`now`, in nanoseconds since the
    /// Unix epoch) and the length of the interval.
    pub(crate) fn interval(&mut self, now: i64, seconds: f64) {
        if !self.is_table() {
            return;
        }
        let out = self.output.buffer();
        if std::mem::replace(&mut self.any_table, true) {
            out.push(b'\n');
        }
        let mut time = Vec::new();
        self.utc.write(&mut time, Timestamp::from_nanos(now));
        // whole seconds
        time.truncate(19);
        out.extend_from_slice(&time);
        put::text(out, &format!("Z, {seconds:.1} s\n"));
    }

    /// Is a table printed?
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.form, Form::Table(_))
    }
}

fn write_json<'a>(
    out: &mut Vec<u8>,
    columns: &[&'static Column],
    facts: &impl Facts<'a>,
    utc: &mut Utc,
) {
    let mut separator = b'{';
    for column in columns {
        let value = facts.value(column);
        if value == Value::Absent {
            continue;
        }
        out.push(separator);
        separator = b',';
        out.push(b'"');
        put::text(out, column.name);
        put::text(out, "\":");
        if let Value::Text(text) = &value {
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

fn write_csv<'a>(
    out: &mut Vec<u8>,
    columns: &[&'static Column],
    facts: &impl Facts<'a>,
    utc: &mut Utc,
) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match facts.value(column) {
            Value::Text(text) => csv::field(out, &text),
            other => other.write(out, utc),
        }
    }
    out.push(b'\n');
}

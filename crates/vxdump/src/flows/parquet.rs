//! Rows as a Parquet file, for query engines (<https://parquet.apache.org/docs/file-format/>).
//!
//! The columns are those of JSON, by the same names. Rows are kept until there are enough for a row group, which is then
//! written at once: memory does not grow with the file, but for some kilobytes of metadata a group.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use vxcli::Failure;

use super::row::Value;
use crate::out::time_utc::Utc;

/// Rows of a row group: some ten megabytes while they wait.
const GROUP: usize = 32 * 1024;

/// A file in the making.
pub(super) struct ParquetFile {
    /// what is written is taken away by [`ParquetFile::rows`]
    writer: SerializedFileWriter<Vec<u8>>,
    columns: Vec<Column>,
    waiting: usize,
    utc: Utc,
}

impl ParquetFile {
    /// A file with these columns and no rows yet.
    pub(super) fn new(columns: &[&str]) -> Result<Self, Failure> {
        let fields = columns.iter().map(|name| Kind::of(name).field(name).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(failure)?;
        let schema = Type::group_type_builder("flows").with_fields(fields).build();
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("vxdump {}", env!("CARGO_PKG_VERSION")))
            .build();
        let schema = Arc::new(schema.map_err(failure)?);
        let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties));
        Ok(Self {
            writer: writer.map_err(failure)?,
            columns: columns.iter().map(|name| Column::new(Kind::of(name))).collect(),
            waiting: 0,
            utc: Utc::default(),
        })
    }

    /// Takes a row; appends a row group to `out` where there are enough rows for one.
    pub(super) fn row(&mut self, values: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Failure> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value, &mut self.utc);
        }
        self.waiting += 1;
        if self.waiting >= GROUP {
            self.group(out)?;
        }
        Ok(())
    }

    /// Appends the last rows and the end of the file. Nothing may follow.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.waiting > 0 {
            self.group(out)?;
        }
        self.writer.finish().map_err(failure)?;
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn group(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.write_group().map_err(failure)?;
        self.waiting = 0;
        // places in the file are counted by the writer: its buffer may be emptied
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            if let Some(mut writer) = group.next_column()? {
                column.write(&mut writer)?;
                writer.close()?;
            }
        }
        group.close()?;
        self.writer.flush()?;
        Ok(())
    }
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn failure(error: ParquetError) -> Failure {
    Failure::error(format_args!("cannot write Parquet: {error}"))
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nanoseconds since the Unix epoch, in every row.
    Time,
    /// Packets, bytes, flows: in every row.
    Count,
    /// A count that does not apply to every row.
    SomeCount,
    /// A number of at most 31 bits, as a port; not in every row.
    Number,
    /// A fraction; not in every row.
    Fraction,
    /// A name, an address or flags; not in every row.
    Text,
}

impl Kind {
    fn of(column: &str) -> Self {
        match column {
            "first" | "last" => Self::Time,
            "packets" | "bytes" | "rev_packets" | "rev_bytes" | "flows" | "unanswered"
            | "rejected" | "resets" => Self::Count,
            "retransmits" | "rev_retransmits" => Self::SomeCount,
            "vni" | "sport" | "dport" => Self::Number,
            "duration" | "rtt_ms" | "rtt_max_ms" => Self::Fraction,
            _ => Self::Text,
        }
    }

    const fn is_in_every_row(self) -> bool {
        matches!(self, Self::Time | Self::Count)
    }

    fn field(self, name: &str) -> Result<Type, ParquetError> {
        let physical = match self {
            Self::Time | Self::Count | Self::SomeCount => Physical::INT64,
            Self::Number => Physical::INT32,
            Self::Fraction => Physical::DOUBLE,
            Self::Text => Physical::BYTE_ARRAY,
        };
        let logical = match self {
            Self::Time => Some(LogicalType::timestamp(true, TimeUnit::NANOS)),
            Self::Text => Some(LogicalType::String),
            _ => None,
        };
        let repetition =
            if self.is_in_every_row() { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let field = Type::primitive_type_builder(name, physical);
        field.with_logical_type(logical).with_repetition(repetition).build()
    }
}

/// The values of a column that wait to be written.
struct Column {
    kind: Kind,
    values: Values,
    /// 1 for each row that has a value, 0 for each that has none; empty where all have one
    levels: Vec<i16>,
}

enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    Text(Vec<ByteArray>),
}

impl Column {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Time | Kind::Count | Kind::SomeCount => Values::Int64(Vec::new()),
            Kind::Number => Values::Int32(Vec::new()),
            Kind::Fraction => Values::Double(Vec::new()),
            Kind::Text => Values::Text(Vec::new()),
        };
        Self { kind, values, levels: Vec::new() }
    }

    /// A value that is no such number, as the network of `(others)`, is absent.
    fn push(&mut self, value: &Value<'_>, utc: &mut Utc) {
        let there = match (&mut self.values, value) {
            (Values::Int32(values), Value::Number(number)) => {
                i32::try_from(*number).map(|number| values.push(number)).is_ok()
            }
            (Values::Int64(values), Value::Number(number)) => {
                values.push(i64::try_from(*number).unwrap_or(i64::MAX));
                true
            }
            (Values::Int64(values), Value::Time(nanos)) => {
                values.push(*nanos);
                true
            }
            (Values::Double(values), Value::Seconds(nanos)) => {
                values.push(units(*nanos, 1e9));
                true
            }
            (Values::Double(values), Value::Millis(nanos)) => {
                values.push(units(*nanos, 1e6));
                true
            }
            (_, Value::Absent) => false,
            (Values::Text(values), value) => {
                let mut text = Vec::new();
                value.write(&mut text, utc);
                values.push(text.into());
                true
            }
            _ => false,
        };
        if !self.kind.is_in_every_row() {
            self.levels.push(there.into());
        }
    }

    /// Writes the values, and is empty then.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = (!self.kind.is_in_every_row()).then_some(self.levels.as_slice());
        match &mut self.values {
            Values::Int32(values) => {
                writer.typed::<Int32Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Int64(values) => {
                writer.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Double(values) => {
                writer.typed::<DoubleType>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Text(values) => {
                writer.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                values.clear();
            }
        }
        self.levels.clear();
        Ok(())
    }
}

/// Nanoseconds in larger units: the number nearest to the fraction that JSON has.
#[allow(clippy::cast_precision_loss)] // exact below 104 days
fn units(nanos: i64, unit: f64) -> f64 {
    nanos as f64 / unit
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use parquet::file::metadata::RowGroupMetaData;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::super::ends::By;
    use super::super::row::columns;
    use super::*;

    /// Row groups are written as they are full, and what waits does not grow.
    #[test]
    fn groups_are_bounded() {
        let mut file = ParquetFile::new(&["first", "vni", "src"]).unwrap();
        let mut out = Vec::new();
        let rows = 2 * GROUP + 5;
        for row in 0..rows {
            let text = Value::Text(Cow::Borrowed("x"));
            let vni = if row % 2 == 0 { Value::Absent } else { Value::Number(row as u64) };
            let before = out.len();
            file.row(&[Value::Time(0), vni, text], &mut out).unwrap();
            assert_eq!(out.len() > before, row % GROUP == GROUP - 1, "{row}");
            assert!(file.waiting < GROUP);
        }
        file.end(&mut out).unwrap();
        let path = std::env::temp_dir().join(format!("vxdump-groups-{}", std::process::id()));
        std::fs::write(&path, &out).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let groups: Vec<_> =
            reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
        assert_eq!(groups, [32_768, 32_768, 5]);
    }

    /// What is no number must be text: a column that is forgotten here would be empty.
    #[test]
    fn every_column_has_its_kind() {
        for by in [By::Flow, By::Pod, By::Node, By::Vni, By::Vtep, By::Service] {
            assert!(ParquetFile::new(columns(by)).is_ok());
        }
        let text: Vec<&str> =
            columns(By::Flow).iter().copied().filter(|name| Kind::of(name) == Kind::Text).collect();
        let expected = "protocol src dst src_node dst_node src_name dst_name vtep_src vtep_dst state tcp_flags \
                        rev_tcp_flags";
        assert_eq!(text, expected.split_whitespace().collect::<Vec<_>>());
    }
}

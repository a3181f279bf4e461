//! Rows as a Parquet file, for query engines (<https://parquet.apache.org/docs/file-format/>).
//!
//! The columns are those of JSON, with the same names. Rows wait until there are enough for a row
//! group, which is then written at once. So memory grows only by the metadata, some kilobytes for
//! each group.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use vxcli::Failure;

use super::columns::{Column, Facts, Kind};
use super::value::Value;
use crate::out::time_utc::Utc;

/// Rows of a row group: about ten megabytes while they wait.
const GROUP: usize = 32 * 1024;

/// A file that is being written.
pub(super) struct ParquetFile {
    /// `row` and `end` take away what it has written
    writer: SerializedFileWriter<Vec<u8>>,
    chunks: Vec<Chunk>,
    waiting: usize,
    utc: Utc,
}

impl ParquetFile {
    /// A file with these columns and no rows yet.
    pub(super) fn new(columns: &[&'static Column]) -> Result<Self, Failure> {
        let fields = columns.iter().map(|column| field(column).map(Arc::new));
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
            chunks: columns.iter().copied().map(Chunk::new).collect(),
            waiting: 0,
            utc: Utc::default(),
        })
    }

    /// Takes a row. Appends a row group to `out` once there are enough rows for one.
    pub(super) fn row<'a>(
        &mut self,
        facts: &impl Facts<'a>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        for chunk in &mut self.chunks {
            chunk.push(&facts.value(chunk.column), &mut self.utc);
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
        // the writer counts its offsets itself, so its buffer may be emptied
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for chunk in &mut self.chunks {
            if let Some(mut writer) = group.next_column()? {
                chunk.write(&mut writer)?;
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

/// Does every row have a value?
const fn is_in_every_row(kind: Kind) -> bool {
    matches!(kind, Kind::Time | Kind::Count)
}

/// A column as the schema has it.
fn field(column: &Column) -> Result<Type, ParquetError> {
    let physical = match column.kind {
        Kind::Time | Kind::Count | Kind::SomeCount => Physical::INT64,
        Kind::Number => Physical::INT32,
        Kind::Fraction => Physical::DOUBLE,
        Kind::Text => Physical::BYTE_ARRAY,
    };
    let logical = match column.kind {
        Kind::Time => Some(LogicalType::timestamp(true, TimeUnit::NANOS)),
        Kind::Text => Some(LogicalType::String),
        _ => None,
    };
    let repetition =
        if is_in_every_row(column.kind) { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    let field = Type::primitive_type_builder(column.name, physical);
    field.with_logical_type(logical).with_repetition(repetition).build()
}

/// The values of a column that wait to be written.
struct Chunk {
    column: &'static Column,
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

impl Chunk {
    fn new(column: &'static Column) -> Self {
        let values = match column.kind {
            Kind::Time | Kind::Count | Kind::SomeCount => Values::Int64(Vec::new()),
            Kind::Number => Values::Int32(Vec::new()),
            Kind::Fraction => Values::Double(Vec::new()),
            Kind::Text => Values::Text(Vec::new()),
        };
        Self { column, values, levels: Vec::new() }
    }

    /// Takes a value. One that is no such number, as the network of `(others)`, counts as absent.
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
        if !is_in_every_row(self.column.kind) {
            self.levels.push(there.into());
        }
    }

    /// Writes the values, and clears them.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = (!is_in_every_row(self.column.kind)).then_some(self.levels.as_slice());
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
    use parquet::file::metadata::RowGroupMetaData;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::super::columns::{Row as _, named};
    use super::super::flow_row::example;
    use super::*;

    /// Each row group is written when it is full, so that waiting rows are bounded.
    #[test]
    fn groups_are_bounded() {
        let columns = ["first", "vni", "src"].map(named);
        let mut file = ParquetFile::new(&columns).unwrap();
        let map = podmap::Builder::new().build();
        let mut flow = example();
        let mut out = Vec::new();
        let rows = 2 * GROUP + 5;
        for row in 0..rows {
            flow.key.vni = if row % 2 == 0 { None } else { vxlan::Vni::new(row as u32) };
            let before = out.len();
            file.row(&flow.facts(&map), &mut out).unwrap();
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
}

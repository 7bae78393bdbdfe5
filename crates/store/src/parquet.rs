//! Parquet: one record a request, the chunks as lists, for whoever analyses many runs.
//!
//! The file's index stands at its end, so it can be read only once the run has ended well; a run
//! that was killed leaves its JSON Lines. Plain numbers are delta-encoded, repeated words kept once
//! in a dictionary; nothing else is compressed.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use crate::column::{
    CHUNK_LAG_NS, CHUNK_NS, Column, Read, ReadCount, ReadFlag, ReadId, ReadMillis, ReadText,
    Record, flat,
};

/// The most records of a row group, which stays in memory until it is whole.
const ROWS_MAX: usize = 50_000;
/// The most chunks of a row group: 16 bytes each in memory.
const CHUNKS_MAX: usize = 500_000;

/// Writes records into a Parquet file, a row group at a time.
///
/// Most calls only fill memory; one in some ten thousand also encodes a row group, which takes some
/// tens of milliseconds: keep it off a thread that must be quick.
#[derive(Debug)]
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Buffer>,
    chunks: List,
    lags: List,
    rows: usize,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Begins a file in `out`.
    ///
    /// # Errors
    /// What `out` refused.
    pub fn new(out: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(&schema())?);
        Ok(Self {
            file: SerializedFileWriter::new(out, schema, Arc::new(properties()))?,
            columns: flat().map(|(_, column)| Buffer::of(column)).collect(),
            chunks: List::default(),
            lags: List::default(),
            rows: 0,
        })
    }

    /// Takes in a record.
    ///
    /// # Errors
    /// What the output refused; the file is lost.
    pub fn write(&mut self, record: &Record<'_>) -> Result<(), ParquetError> {
        self.columns.iter_mut().for_each(|buffer| buffer.push(record));
        let signed = |&nanos: &u64| i64::try_from(nanos).unwrap_or(i64::MAX);
        self.chunks.push(record.chunk_nanos().iter().map(signed));
        self.lags.push(record.chunk_lag_nanos().iter().map(|&nanos| i64::from(nanos)));
        self.rows += 1;
        if self.rows >= ROWS_MAX || self.chunks.values.len() >= CHUNKS_MAX {
            self.write_row_group()?;
        }
        Ok(())
    }

    /// Ends the file and gives the output back.
    ///
    /// # Errors
    /// What the output refused; the file is lost.
    pub fn finish(mut self) -> Result<W, ParquetError> {
        if self.rows > 0 {
            self.write_row_group()?;
        }
        self.file.into_inner()
    }

    fn write_row_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for buffer in &mut self.columns {
            buffer.write(&mut group)?;
        }
        self.chunks.write(&mut group)?;
        self.lags.write(&mut group)?;
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

/// The schema in Parquet's own notation, named after the columns.
fn schema() -> String {
    let mut schema = String::from("message request {\n");
    for (group, column) in flat() {
        let kind = match column.read {
            Read::Id(_) | Read::Text(_) => ("BYTE_ARRAY", " (UTF8)"),
            Read::Count(_) => ("INT64", ""),
            Read::Flag(_) => ("BOOLEAN", ""),
            Read::Millis(_) => ("DOUBLE", ""),
        };
        let name = flat_name(group, column);
        schema.push_str(&format!("  OPTIONAL {} {name}{};\n", kind.0, kind.1));
    }
    for name in [CHUNK_NS, CHUNK_LAG_NS] {
        schema.push_str(&format!(
            "  REQUIRED GROUP {name} (LIST) {{ REPEATED GROUP list {{ REQUIRED INT64 element; }} }}\n"
        ));
    }
    schema.push('}');
    schema
}

pub(crate) fn flat_name(group: Option<&str>, column: &Column) -> String {
    group.map_or_else(|| column.name.to_owned(), |group| format!("{group}_{}", column.name))
}

fn properties() -> WriterProperties {
    encode(WriterProperties::builder().set_created_by(CREATED_BY.to_owned())).build()
}

/// Who wrote a file, in its own words.
pub(crate) const CREATED_BY: &str = concat!("prony version ", env!("CARGO_PKG_VERSION"));

/// Gives each column the encoding that suits its values.
pub(crate) fn encode(mut properties: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    let lists = [CHUNK_NS, CHUNK_LAG_NS]
        .map(|name| ColumnPath::new([name, "list", "element"].map(str::to_owned).to_vec()));
    let counts = flat()
        .filter(|(_, column)| matches!(column.read, Read::Count(_)))
        .map(|(group, column)| ColumnPath::from(flat_name(group, column)));
    for path in counts.chain(lists) {
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    for (group, column) in flat() {
        // Nearly every value is another one, which a dictionary would only hold twice.
        if matches!(column.read, Read::Id(_) | Read::Millis(_)) {
            let path = ColumnPath::from(flat_name(group, column));
            properties = properties.set_column_dictionary_enabled(path, false);
        }
    }
    properties
}

/// How a column is read, and its values since the last row group.
#[derive(Debug)]
enum Buffer {
    Id(ReadId, Values<ByteArray>),
    Text(ReadText, Values<ByteArray>),
    Count(ReadCount, Values<i64>),
    Flag(ReadFlag, Values<bool>),
    Millis(ReadMillis, Values<f64>),
}

impl Buffer {
    fn of(column: &Column) -> Self {
        match column.read {
            Read::Id(read) => Self::Id(read, Values::default()),
            Read::Text(read) => Self::Text(read, Values::default()),
            Read::Count(read) => Self::Count(read, Values::default()),
            Read::Flag(read) => Self::Flag(read, Values::default()),
            Read::Millis(read) => Self::Millis(read, Values::default()),
        }
    }

    fn push(&mut self, record: &Record<'_>) {
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        match self {
            Self::Id(read, values) => {
                values.push(Some(ByteArray::from(read(record).to_string().into_bytes())));
            }
            Self::Text(read, values) => values.push(read(record).map(ByteArray::from)),
            Self::Count(read, values) => values.push(read(record).map(signed)),
            Self::Flag(read, values) => values.push(read(record)),
            Self::Millis(read, values) => {
                values.push(read(record).map(|nanos| nanos as f64 / 1e6));
            }
        }
    }

    fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        match self {
            Self::Id(_, values) | Self::Text(_, values) => values.write::<ByteArrayType, W>(group),
            Self::Count(_, values) => values.write::<Int64Type, W>(group),
            Self::Flag(_, values) => values.write::<BoolType, W>(group),
            Self::Millis(_, values) => values.write::<DoubleType, W>(group),
        }
    }
}

/// Values that may be missing, as Parquet wants them: those present, and for each row a level that
/// says whether it has one.
#[derive(Debug)]
struct Values<T> {
    present: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self { present: Vec::new(), levels: Vec::new() }
    }
}

impl<T> Values<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.present.extend(value);
    }

    fn write<D: DataType<T = T>, W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        write_column::<D, W>(group, &self.present, &self.levels, None)?;
        self.present.clear();
        self.levels.clear();
        Ok(())
    }
}

/// Lists of numbers, none of them missing: all their values, and the length of each.
#[derive(Debug, Default)]
struct List {
    values: Vec<i64>,
    lengths: Vec<usize>,
}

impl List {
    fn push(&mut self, values: impl ExactSizeIterator<Item = i64>) {
        self.lengths.push(values.len());
        self.values.extend(values);
    }

    /// Writes the lists as Dremel's levels: a value is there (definition 1) and goes on its list
    /// (repetition 1) or begins one (0); an empty list is a single level without a value.
    fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let mut definition = Vec::with_capacity(self.values.len());
        let mut repetition = Vec::with_capacity(self.values.len());
        for &length in &self.lengths {
            definition.push(i16::from(length > 0));
            repetition.push(0);
            for _ in 1..length {
                definition.push(1);
                repetition.push(1);
            }
        }
        write_column::<Int64Type, W>(group, &self.values, &definition, Some(&repetition))?;
        self.values.clear();
        self.lengths.clear();
        Ok(())
    }
}

fn write_column<D: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[D::T],
    definition: &[i16],
    repetition: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("the schema has a column for each buffer");
    column.typed::<D>().write_batch(values, Some(definition), repetition)?;
    column.close()
}

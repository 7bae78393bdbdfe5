//! What a query amounts to, in any of the forms it is printed in.

use std::io::Write;
use std::path::PathBuf;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::arrow::util::pretty::pretty_format_batches;

use crate::durable::DurableError;
use crate::{csv, jsonl};

/// A query's rows.
#[derive(Clone, Debug)]
pub struct Answer {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Whether there are more rows than the limit allows.
    pub is_cut: bool,
    /// Damaged partitions, whose records are not in the answer.
    pub left_out: Vec<PathBuf>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerFormat {
    /// A table to look at.
    Table,
    /// CSV with a header, as RFC 4180 says.
    Csv,
    /// JSON Lines: an object a row.
    Jsonl,
}

impl Answer {
    pub(super) fn new(schema: SchemaRef, batches: Vec<RecordBatch>, rows_max: usize) -> Self {
        let mut room = rows_max;
        let mut kept = Vec::new();
        let mut is_cut = false;
        for batch in batches {
            is_cut |= batch.num_rows() > room;
            let taken = batch.num_rows().min(room);
            room -= taken;
            if taken > 0 {
                kept.push(batch.slice(0, taken));
            }
        }
        Self { schema, batches: kept, is_cut, left_out: Vec::new() }
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The columns' names.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.schema.fields().iter().map(|field| &**field.name())
    }

    /// Writes the rows.
    ///
    /// # Errors
    /// Where `out` cannot be written, or a value has no form as text.
    pub fn write(&self, format: AnswerFormat, out: &mut impl Write) -> Result<(), DurableError> {
        let text = match format {
            AnswerFormat::Table => self.table(),
            AnswerFormat::Csv => self.lines(self.csv_header(), append_csv_line),
            AnswerFormat::Jsonl => self.lines(Vec::new(), append_json_line),
        };
        let text = text.map_err(|error| DurableError::Query { message: error.to_string() })?;
        out.write_all(&text).map_err(DurableError::Output)
    }

    fn table(&self) -> Result<Vec<u8>, ArrowError> {
        let empty = RecordBatch::new_empty(self.schema.clone());
        let batches = if self.batches.is_empty() { &[empty][..] } else { &self.batches[..] };
        Ok(format!("{}\n", pretty_format_batches(batches)?).into_bytes())
    }

    fn csv_header(&self) -> Vec<u8> {
        let mut line = Vec::new();
        for name in self.columns() {
            csv::append_text(&mut line, name);
            line.push(b',');
        }
        end_line(&mut line);
        line
    }

    fn lines(
        &self,
        mut out: Vec<u8>,
        append: fn(&mut Vec<u8>, &[Cell<'_>]),
    ) -> Result<Vec<u8>, ArrowError> {
        let options = FormatOptions::default();
        for batch in &self.batches {
            let columns = batch.columns().iter().zip(self.columns()).map(|(array, name)| {
                let formatter = ArrayFormatter::try_new(array, &options)?;
                Ok((array, name, formatter))
            });
            let columns: Vec<_> = columns.collect::<Result<_, ArrowError>>()?;
            for row in 0..batch.num_rows() {
                let cells = columns.iter().map(|(array, name, formatter)| {
                    let text = array.is_valid(row).then(|| formatter.value(row).try_to_string());
                    Ok(Cell { name, kind: array.data_type(), text: text.transpose()? })
                });
                append(&mut out, &cells.collect::<Result<Vec<_>, ArrowError>>()?);
            }
        }
        Ok(out)
    }
}

/// A value in words; `None` where it is missing.
struct Cell<'a> {
    name: &'a str,
    kind: &'a DataType,
    text: Option<String>,
}

fn append_csv_line(out: &mut Vec<u8>, cells: &[Cell<'_>]) {
    for cell in cells {
        cell.text.iter().for_each(|text| csv::append_text(out, text));
        out.push(b',');
    }
    end_line(out);
}

fn append_json_line(out: &mut Vec<u8>, cells: &[Cell<'_>]) {
    out.push(b'{');
    for cell in cells {
        jsonl::append_text(out, cell.name);
        out.push(b':');
        match &cell.text {
            Some(text) if is_json(cell.kind, text) => out.extend_from_slice(text.as_bytes()),
            // JSON has no such numbers.
            Some(_) if cell.kind.is_floating() => out.extend_from_slice(b"null"),
            Some(text) => jsonl::append_text(out, text),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b',');
    }
    end_line(out);
    if let Some(last) = out.last_mut() {
        *last = b'}';
    }
    out.push(b'\n');
}

/// Whether a value's text is what JSON calls it.
fn is_json(kind: &DataType, text: &str) -> bool {
    match kind {
        DataType::Boolean => true,
        DataType::List(_) => serde_json::from_str::<Vec<i64>>(text).is_ok(),
        kind if kind.is_integer() => true,
        kind if kind.is_floating() => text.parse().is_ok_and(f64::is_finite),
        _ => false,
    }
}

/// Turns the last comma into the line's end.
fn end_line(line: &mut Vec<u8>) {
    match line.last_mut() {
        Some(last) if *last == b',' => *last = b'\n',
        _ => line.push(b'\n'),
    }
}

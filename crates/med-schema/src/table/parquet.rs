//! Parquet in and out.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use polars::prelude::{
    BatchedWriter, DataFrame, DataType, IntoColumn, ParallelStrategy, ParquetCompression, ParquetReader, ParquetWriter,
    PlSmallStr, PolarsResult, SerReader, TimeZone,
};

use super::held::{Decimals, Held, Wanted, type_name};
use super::{Table, TableError};

/// The rows of a file. Columns that no frame holds are an error if they are needed, else they are left out and come beside it as what
/// they would have been one for.
pub(super) fn read(path: &Path, needed: &dyn Fn(&str) -> bool) -> Result<(DataFrame, Vec<TableError>), TableError> {
    let file = File::open(path).map_err(|source| TableError::Io { path: path.to_owned(), source })?;
    let parquet = |source| TableError::Parquet { path: path.to_owned(), source };
    let mut reader = ParquetReader::new(file);
    let metadata = reader.get_metadata().map_err(parquet)?.clone();
    let schema = reader.schema().map_err(parquet)?;
    let (mut columns, mut alone, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for (name, field) in schema.iter() {
        match Held::of(field) {
            Held::No(_) if !needed(name) => {
                left_out.push(TableError::Type { column: name.to_string(), found: type_name(&field.dtype) });
            }
            // Its values decide.
            Held::Decimal { .. } | Held::Wide if !needed(name) => alone.push(name.to_string()),
            _ => columns.push(name.to_string()),
        }
    }
    let read = |columns: &[String]| {
        let file = File::open(path).map_err(|source| TableError::Io { path: path.to_owned(), source })?;
        let mut reader = ParquetReader::new(file);
        reader.set_metadata(metadata.clone());
        let (rows, decimals) = (0..metadata.num_rows, &Decimals::Numbers);
        Wanted { path, columns, rows, before: 0, parallel: ParallelStrategy::Auto, decimals }.read(reader)
    };
    let mut frame = read(&columns)?;
    for name in alone {
        match read(std::slice::from_ref(&name)) {
            Ok(one) => frame = frame.hstack(one.columns()).map_err(parquet)?,
            Err(misfit @ TableError::Misfit { .. }) => left_out.push(misfit),
            Err(other) => return Err(other),
        }
    }
    let in_order = schema.iter_names().map(|n| n.as_str()).filter(|name| frame.column(name).is_ok());
    let in_order: Vec<PlSmallStr> = in_order.map(Into::into).collect();
    Ok((frame.select(in_order).map_err(parquet)?, left_out))
}

pub(super) fn names(path: &Path) -> Result<Vec<String>, TableError> {
    let file = File::open(path).map_err(|source| TableError::Io { path: path.to_owned(), source })?;
    let parquet = |source| TableError::Parquet { path: path.to_owned(), source };
    let schema = ParquetReader::new(file).schema().map_err(parquet)?;
    Ok(schema.iter_names().map(ToString::to_string).collect())
}

pub(super) fn write(path: &Path, table: &Table) -> Result<u64, TableError> {
    super::whole::write(path, |file| {
        let writer = ParquetWriter::new(file).with_compression(ParquetCompression::Zstd(None));
        zoned(table.frame(), Some(&TimeZone::UTC))
            .and_then(|mut frame| writer.finish(&mut frame))
            .map_err(|source| TableError::Parquet { path: path.to_owned(), source })
            .map(|_| ())
    })
}

/// The frame with its moments said to be of this zone, whose instants they are already. In a table they are UTC without saying so; a file
/// says it, so that other readers take them for instants and not for the time on some wall.
pub(super) fn zoned(frame: &DataFrame, zone: Option<&TimeZone>) -> PolarsResult<DataFrame> {
    let mut columns = frame.columns().to_vec();
    for column in &mut columns {
        let DataType::Datetime(unit, there) = column.dtype().clone() else { continue };
        if there.as_ref() != zone {
            *column = column.datetime()?.physical().clone().into_datetime(unit, zone.cloned()).into_column();
        }
    }
    DataFrame::new(frame.height(), columns)
}

/// A Parquet file (zstd) written batch by batch, in the memory of one batch; moments are marked as UTC, which they are. It appears under its name when it is
/// finished; what is dropped before leaves nothing behind.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("med-schema-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// use med_schema::{CsvOptions, ParquetFile, Table};
/// use polars::prelude::df;
/// let path = folder.join("visits.parquet");
/// let mut file = ParquetFile::create(&path);
/// file.write(&df!("client" => [1_i64, 2])?)?;
/// file.write(&df!("client" => [3_i64])?)?;
/// assert_eq!(file.finish()?.rows, 3);
/// assert_eq!(Table::read(&path, &CsvOptions::default())?.n_rows(), 3);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ParquetFile {
    path: PathBuf,
    partial: PathBuf,
    writer: Option<BatchedWriter<File>>,
    /// Keeps other writers from the file until it has its name.
    held: Option<File>,
    rows: u64,
}

/// What a [`ParquetFile`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetFile").field("path", &self.path).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl ParquetFile {
    /// A file to be. Nothing is written before the first batch, whose columns are those of the file.
    pub fn create(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let partial = super::whole::partial_name(&path);
        Self { path, partial, writer: None, held: None, rows: 0 }
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// When the file cannot be written or the columns differ from those of the first batch.
    pub fn write(&mut self, batch: &DataFrame) -> Result<(), TableError> {
        let parquet = |source| TableError::Parquet { path: self.path.clone(), source };
        let batch = &zoned(batch, Some(&TimeZone::UTC)).map_err(parquet)?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let file = super::whole::begin(&self.path)?;
                let held = file.try_clone();
                self.held = Some(held.map_err(|source| TableError::Io { path: self.partial.clone(), source })?);
                let writer = ParquetWriter::new(file).with_compression(ParquetCompression::Zstd(None));
                self.writer.insert(writer.batched(batch.schema()).map_err(parquet)?)
            }
        };
        writer.write_batch(batch).map_err(parquet)?;
        self.rows += batch.height() as u64;
        Ok(())
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When it cannot be written, or no batch was.
    pub fn finish(mut self) -> Result<Written, TableError> {
        let io = |source| TableError::Io { path: self.path.clone(), source };
        let Some(writer) = self.writer.take() else {
            return Err(io(std::io::Error::other("no batch was written, so the columns are not known")));
        };
        writer.finish().map_err(|source| TableError::Parquet { path: self.path.clone(), source })?;
        drop(writer);
        let file = File::open(&self.partial).map_err(io)?;
        file.sync_all().map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        std::fs::rename(&self.partial, &self.path).map_err(io)?;
        Ok(Written { rows: self.rows, bytes })
    }
}

impl Drop for ParquetFile {
    fn drop(&mut self) {
        if self.writer.is_some() {
            // Nobody is left to tell; a left-over partial file does no harm.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CsvOptions;
    use polars::prelude::{ArrowDataType, ArrowTimeUnit, Column, TimeUnit, df};

    #[test]
    fn moments_in_files_say_that_they_are_utc() {
        let folder = tempfile::tempdir().unwrap();
        let moments = Column::new("at".into(), [Some(1_700_000_000_123_456_i64), None, Some(-1)]);
        let moments = moments.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
        let frame = DataFrame::new(3, vec![moments]).unwrap();
        let table = Table::infer(frame.clone()).unwrap();
        let (whole, batched) = (folder.path().join("whole.parquet"), folder.path().join("batched.parquet"));
        table.write(&whole).unwrap();
        let mut file = ParquetFile::create(&batched);
        file.write(&frame).unwrap();
        file.write(&frame).unwrap();
        file.finish().unwrap();
        for path in [&whole, &batched] {
            let schema = ParquetReader::new(File::open(path).unwrap()).schema().unwrap();
            let expected = ArrowDataType::Timestamp(ArrowTimeUnit::Microsecond, Some("UTC".into()));
            assert_eq!(schema.get("at").unwrap().dtype(), &expected);
            // Here they are held as ever.
            let part = crate::ParquetParts::open(path).unwrap().column(0, "at").unwrap();
            assert_eq!(part.dtype(), frame.columns()[0].dtype());
        }
        let back = Table::read(&whole, &CsvOptions::default()).unwrap();
        assert_eq!(back.fingerprint().unwrap(), table.fingerprint().unwrap());
    }

    #[test]
    fn a_table_survives_parquet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let table =
            Table::infer(df!("x" => [Some(0.1), None], "t" => ["é", ""], "i" => [i64::MAX, 1]).unwrap()).unwrap();
        assert!(table.write(&path).unwrap() > 0);
        assert_eq!(Table::column_names(&path).unwrap(), ["x", "t", "i"]);
        let back = Table::read(&path, &CsvOptions::default()).unwrap();
        assert_eq!(back.fingerprint().unwrap(), table.fingerprint().unwrap());
    }

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let mut file = ParquetFile::create(&path);
        file.write(&df!("x" => [1.0]).unwrap()).unwrap();
        assert!(file.write(&df!("y" => ["a"]).unwrap()).is_err());
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(ParquetFile::create(&path).finish().is_err());
    }

    #[test]
    fn what_is_not_parquet_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.parquet");
        std::fs::write(&path, "no").unwrap();
        assert!(Table::read(&path, &CsvOptions::default()).unwrap_err().to_string().contains("bad.parquet"));
        let absent = Table::read(folder.path().join("absent.csv"), &CsvOptions::default()).unwrap_err();
        assert!(matches!(absent, TableError::Io { .. }));
        assert!(matches!(Table::read("x.txt", &CsvOptions::default()), Err(TableError::Ending { .. })));
    }
}

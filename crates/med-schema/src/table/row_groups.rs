//! Parquet files larger than memory: some rows at a time, only the columns that are needed.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{
    ArrowSchema, Column, DataFrame, ParallelStrategy, ParquetReader, PolarsResult, Schema, SerReader,
};

use super::TableError;
use super::held::{Decimals, Held, Wanted, type_name};
use super::parquet::zoned;

/// Rows of a part at most. A larger row group is read in several.
const PART_ROWS: usize = 1 << 17;

/// A Parquet file in parts of at most 131,072 rows, none of which crosses a row group. Any column of any part can be read
/// on its own, from several threads at once, in the memory of that column's part.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("med-schema-parts-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// use med_schema::{ParquetParts, Table};
/// use polars::prelude::df;
/// let path = folder.join("visits.parquet");
/// Table::infer(df!("client" => [1_i64, 2], "cost" => [0.5, 1.0])?)?.write(&path)?;
/// let parts = ParquetParts::open(&path)?;
/// assert_eq!(parts.sizes().collect::<Vec<_>>(), [2]);
/// assert_eq!(parts.column(0, "cost")?.f64()?.get(1), Some(1.0));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ParquetParts {
    path: PathBuf,
    arrow: Arc<ArrowSchema>,
    schema: Arc<Schema>,
    decimals: Decimals,
    /// Row group, first row in it and number of rows of each part.
    parts: Vec<(usize, usize, usize)>,
    rows: u64,
    /// Opens the file as if it had this row group alone.
    open: Box<dyn Fn(usize) -> PolarsResult<ParquetReader<File>> + Send + Sync>,
}

impl fmt::Debug for ParquetParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParquetParts").field("path", &self.path).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl ParquetParts {
    /// Opens a file and reads what it says of itself.
    ///
    /// # Errors
    /// When it cannot be read or is no Parquet file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TableError> {
        let path = path.as_ref().to_owned();
        let file = File::open(&path).map_err(|source| TableError::Io { path: path.clone(), source })?;
        let parquet = |source| TableError::Parquet { path: path.clone(), source };
        let mut reader = ParquetReader::new(file);
        let arrow: Arc<ArrowSchema> = reader.schema().map_err(parquet)?;
        let decimals = Decimals::default();
        let schema = Arc::new(schema_of(&arrow, &decimals));
        let mut metadata = (**reader.get_metadata().map_err(parquet)?).clone();
        let groups = std::mem::take(&mut metadata.row_groups);
        let (mut parts, mut rows) = (Vec::new(), 0);
        for (place, group) in groups.iter().enumerate() {
            let starts = (0..group.num_rows()).step_by(PART_ROWS);
            parts.extend(starts.map(|start| (place, start, PART_ROWS.min(group.num_rows() - start))));
            rows += group.num_rows() as u64;
        }
        let opened = path.clone();
        // Asked for rows of a later group, polars begins to decode the earlier ones too, so it is not told of them.
        let open = move |place: usize| {
            let mut metadata = metadata.clone();
            metadata.num_rows = groups[place].num_rows();
            metadata.row_groups = vec![groups[place].clone()];
            let mut reader = ParquetReader::new(File::open(&opened)?);
            reader.set_metadata(Arc::new(metadata));
            Ok(reader)
        };
        Ok(Self { path, arrow, schema, decimals, parts, rows, open: Box::new(open) })
    }

    /// The columns of the file and how they are held here: narrow types are not widened, decimals and wide integers are as
    /// [`Table::read`](crate::Table::read) has them. [`ParquetParts::not_held`] are of unknown type, or of one that no table holds.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The columns whose types no table holds, each with the error that reading it is.
    pub fn not_held(&self) -> impl Iterator<Item = TableError> + '_ {
        let not = self.arrow.iter_values().filter(|field| matches!(Held::of(field), Held::No(_)));
        not.map(|field| TableError::Type { column: field.name.to_string(), found: type_name(&field.dtype) })
    }

    /// Rows of the file.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows of each part, in order.
    pub fn sizes(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.parts.iter().map(|(.., rows)| *rows)
    }

    /// One column of a part, read by the calling thread alone.
    ///
    /// # Errors
    /// When the file cannot be read any more or has no such part or column.
    pub fn column(&self, part: usize, name: &str) -> Result<Column, TableError> {
        let parquet = |source| TableError::Parquet { path: self.path.clone(), source };
        let frame = self.read(part, Some(vec![name.to_owned()]), ParallelStrategy::None)?;
        frame.column(name).cloned().map_err(parquet)
    }

    fn read(
        &self,
        part: usize,
        columns: Option<Vec<String>>,
        parallel: ParallelStrategy,
    ) -> Result<DataFrame, TableError> {
        let parquet = |source| TableError::Parquet { path: self.path.clone(), source };
        let absent = || {
            let reason = format!("expected a part below {}, found {part}", self.parts.len());
            TableError::Io { path: self.path.clone(), source: std::io::Error::other(reason) }
        };
        let (group, start, rows) = *self.parts.get(part).ok_or_else(absent)?;
        let all = || self.arrow.iter_names().map(ToString::to_string).collect();
        let columns = columns.unwrap_or_else(all);
        let reader = (self.open)(group).map_err(parquet)?;
        let before = self.parts[..part].iter().map(|(.., rows)| *rows as u64).sum::<u64>() - start as u64;
        let (rows, decimals) = (start..start + rows, &self.decimals);
        let frame = Wanted { path: &self.path, columns: &columns, rows, before, parallel, decimals }.read(reader)?;
        zoned(&frame, None).map_err(parquet)
    }
}

fn schema_of(arrow: &ArrowSchema, decimals: &Decimals) -> Schema {
    arrow.iter().map(|(name, field)| (name.clone(), Held::of(field).data_type(decimals))).collect()
}

/// The parts of a Parquet file one after the other, as frames. Memory is that of a part; columns that are not asked for are
/// not read.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("med-schema-batches-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// use med_schema::{ParquetBatches, Table};
/// use polars::prelude::df;
/// let path = folder.join("visits.parquet");
/// Table::infer(df!("client" => [1_i64, 2], "cost" => [0.5, 1.0])?)?.write(&path)?;
/// let batches = ParquetBatches::open(&path)?;
/// assert_eq!(batches.rows(), 2);
/// let frames = batches.columns(["cost"]).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(frames[0].width(), 1);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ParquetBatches {
    parts: ParquetParts,
    columns: Option<Vec<String>>,
    next: usize,
}

impl ParquetBatches {
    /// Opens a file and reads what it says of itself.
    ///
    /// # Errors
    /// When it cannot be read or is no Parquet file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TableError> {
        Ok(Self { parts: ParquetParts::open(path)?, columns: None, next: 0 })
    }

    /// The columns of the file and how they are held there; narrow types are not widened.
    pub fn schema(&self) -> &Schema {
        self.parts.schema()
    }

    /// Rows of the file.
    pub fn rows(&self) -> u64 {
        self.parts.rows()
    }

    /// Hands over decimals as texts with all their digits, where they are numbers otherwise: amounts of money stay exact to any number of
    /// digits. Those of the columns `comma` have a comma for the point.
    #[must_use]
    pub fn decimals_as_text<'a>(mut self, comma: impl IntoIterator<Item = &'a str>) -> Self {
        self.parts.decimals = Decimals::Texts(comma.into_iter().map(str::to_owned).collect());
        self.parts.schema = Arc::new(schema_of(&self.parts.arrow, &self.parts.decimals));
        self
    }

    /// Reads these columns alone. Without any, batches have rows and no columns.
    #[must_use]
    pub fn columns<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.columns = Some(names.into_iter().map(str::to_owned).collect());
        self
    }
}

impl Iterator for ParquetBatches {
    type Item = Result<DataFrame, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.next < self.parts.parts.len()).then(|| {
            self.next += 1;
            self.parts.read(self.next - 1, self.columns.clone(), ParallelStrategy::Columns)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CsvOptions, ParquetFile, Table};
    use polars::prelude::df;

    #[test]
    fn batches_make_up_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let mut file = ParquetFile::create(&path);
        let sizes = [3_i64, PART_ROWS as i64 + 10, 1];
        for rows in sizes {
            let texts: Vec<String> = (0..rows).map(|i| format!("t{i}")).collect();
            file.write(&df!("x" => (0..rows).collect::<Vec<_>>(), "t" => texts).unwrap()).unwrap();
        }
        file.finish().unwrap();
        let batches = ParquetBatches::open(&path).unwrap();
        assert_eq!(batches.rows(), sizes.iter().sum::<i64>() as u64);
        assert_eq!(batches.schema().iter_names().map(|n| n.as_str()).collect::<Vec<_>>(), ["x", "t"]);
        let frames: Vec<DataFrame> = batches.map(Result::unwrap).collect();
        assert!(frames.iter().all(|frame| frame.height() <= PART_ROWS));
        let joined = frames.into_iter().reduce(|mut all, next| {
            all.vstack_mut(&next).unwrap();
            all
        });
        let whole = Table::read(&path, &CsvOptions::default()).unwrap();
        assert_eq!(Table::infer(joined.unwrap()).unwrap().fingerprint().unwrap(), whole.fingerprint().unwrap());
        let parts = ParquetParts::open(&path).unwrap();
        assert_eq!(parts.sizes().collect::<Vec<_>>(), [3, PART_ROWS, 10, 1]);
        assert_eq!(parts.column(2, "t").unwrap().str().unwrap().get(9), Some(format!("t{}", PART_ROWS + 9).as_str()));
        assert!(parts.column(4, "t").unwrap_err().to_string().contains("t.parquet"));
        assert!(parts.column(0, "z").is_err());
        let none = ParquetBatches::open(&path).unwrap().columns([]);
        assert_eq!(none.map(|frame| frame.unwrap().height() as u64).sum::<u64>(), whole.n_rows() as u64);
    }
}

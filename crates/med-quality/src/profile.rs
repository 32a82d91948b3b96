//! From tables to profiles: one pass over each column, columns in parallel.
//!
//! Values are handed to the sketches in blocks of 4,096 in row order, whatever the chunks of the frame, so that equal content gives
//! equal bits for any number of threads. Whether a column's values all differ is asked of the whole column where the sketches leave it
//! open and the column may be a key (whole numbers, texts, dates and moments that are nearly all different).

use med_schema::{Column, ColumnProfile, Kind, Profile, ProfileError, ProfileOptions, Table, ValueType};
use polars::prelude::{Column as FrameColumn, DataType, PolarsResult, Schema, TimeUnit};
use rayon::prelude::*;

use crate::cells::{Held, Key};
use crate::error::RunError;
use crate::scan::identity;

/// Values that the sketches take at once.
const BLOCK: usize = 4096;
/// A column may be a key if its estimated distinct values are at least this share of its values.
const NEARLY_ALL: f64 = 0.9;
/// Values that are told apart in one pass over a column that may be a key: 32 MiB.
const IDENTITIES: u64 = 1 << 21;

/// The profile of a table, with the default options.
///
/// ```
/// use med_quality::profile;
/// use med_schema::{CsvOptions, Table};
/// let clients = Table::from_csv(b"client,age\nann,34\nbob,51\ncem,\n", &CsvOptions::default())?;
/// let profile = profile(&clients)?;
/// let age = profile.column("age").ok_or("age")?;
/// assert_eq!((age.rows(), age.missing(), age.moments().and_then(|m| m.mean())), (3, 1, Some(42.5)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Never for a table that exists; the signature follows polars'.
pub fn profile(table: &Table) -> Result<Profile, RunError> {
    profile_with(table, &ProfileOptions::default())
}

/// The profile of a table.
///
/// # Errors
/// As [`profile`].
pub fn profile_with(table: &Table, options: &ProfileOptions) -> Result<Profile, RunError> {
    let columns = table
        .schema()
        .columns()
        .par_iter()
        .zip(table.frame().columns())
        .map(|(spec, column)| {
            let mut profile = ColumnProfile::new(spec.clone(), options);
            let other = |_| RunError::Frame { column: spec.name.clone(), found: column.dtype().to_string() };
            observe(&mut profile, spec.value_type, column).map_err(other)?;
            Ok(profile)
        })
        .collect::<Result<Vec<_>, RunError>>()?;
    let whole = |error: ProfileError| RunError::Parameters { reason: error.to_string() };
    Profile::new(table.n_rows() as u64, columns).map_err(whole)
}

fn observe(profile: &mut ColumnProfile, held: ValueType, column: &FrameColumn) -> PolarsResult<()> {
    let mut blocks = Blocks::default();
    blocks.add(profile, held, column)?;
    blocks.end(profile);
    if may_be_key(profile, held) {
        let distinct = column.n_unique()? - usize::from(column.null_count() > 0);
        profile.set_all_different(distinct as u64 == profile.present());
    }
    Ok(())
}

/// Whether it is worth a look at all values if they differ.
fn may_be_key(profile: &ColumnProfile, held: ValueType) -> bool {
    let nearly_all = profile.counts().distinct() as f64 >= NEARLY_ALL * profile.present() as f64;
    profile.all_different().is_none() && nearly_all && held != ValueType::Float
}

/// Values on their way to the sketches, in blocks that do not depend on how the column is cut.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    whole: Vec<i64>,
    real: Vec<f64>,
}

impl Blocks {
    /// Hands on the rows of a part, but for those of the last block if it is not full.
    pub(crate) fn add(
        &mut self,
        profile: &mut ColumnProfile,
        held: ValueType,
        column: &FrameColumn,
    ) -> PolarsResult<()> {
        let series = column.as_materialized_series();
        profile.add_nulls(column.null_count() as u64);
        match held {
            ValueType::Integer => self.whole(profile, series.i64()?.iter().flatten()),
            ValueType::Timestamp => self.whole(profile, series.datetime()?.physical().iter().flatten()),
            ValueType::Date => self.whole(profile, series.date()?.physical().iter().flatten().map(i64::from)),
            ValueType::Boolean => self.whole(profile, series.bool()?.iter().flatten().map(i64::from)),
            ValueType::Float => fill(&mut self.real, series.f64()?.iter().flatten(), |b| profile.add_real(b)),
            ValueType::Text => series.str()?.iter().flatten().for_each(|text| profile.add_text(text)),
        }
        Ok(())
    }

    fn whole(&mut self, profile: &mut ColumnProfile, values: impl Iterator<Item = i64>) {
        fill(&mut self.whole, values, |block| profile.add_whole(block));
    }

    /// Hands on what is left.
    pub(crate) fn end(self, profile: &mut ColumnProfile) {
        profile.add_whole(&self.whole);
        profile.add_real(&self.real);
    }
}

fn fill<T>(block: &mut Vec<T>, values: impl Iterator<Item = T>, mut take: impl FnMut(&[T])) {
    for value in values {
        block.push(value);
        if block.len() == BLOCK {
            take(block);
            block.clear();
        }
    }
}

/// The profile of rows that lie in parts of these sizes, in the memory of one column's part for each thread. `read` gives one
/// column of a part, of the type that `columns` says; it is called from several threads, and more than once where a column may be a
/// key. Kinds, roles and what may be missing are inferred as [`infer_schema`](med_schema::infer_schema) does.
///
/// It is, bit for bit, the profile of the table that the parts make up. An exception: beyond
/// [`ProfileOptions::value_capacity`] distinct values, an estimate decides between a category and a text.
///
/// ```
/// use med_quality::profile_columns;
/// use med_schema::{Kind, ProfileOptions};
/// use polars::prelude::df;
/// let parts = [df!("age" => [34_i64, 51])?, df!("age" => [51_i64])?];
/// let read = |part: usize, name: &str| Ok::<_, Box<dyn std::error::Error + Send + Sync>>(parts[part].column(name)?.clone());
/// let profile = profile_columns(parts[0].schema(), &[2, 1], read, &ProfileOptions::default())?;
/// assert_eq!((profile.rows(), profile.columns()[0].column().kind), (3, Kind::Count));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// # Errors
/// An error of `read`; a column of a type that no schema holds, or whose parts differ in type or size.
pub fn profile_columns<E: Send + From<RunError>>(
    columns: &Schema,
    sizes: &[usize],
    read: impl Fn(usize, &str) -> Result<FrameColumn, E> + Sync,
    options: &ProfileOptions,
) -> Result<Profile, E> {
    let columns: Vec<(&str, &DataType)> = columns.iter().map(|(name, dtype)| (name.as_str(), dtype)).collect();
    let profiles = columns
        .par_iter()
        .with_max_len(1)
        .map(|(name, dtype)| profile_column(name, dtype, sizes, &read, options))
        .collect::<Result<Vec<_>, E>>()?;
    let whole = |error: ProfileError| RunError::Parameters { reason: error.to_string() };
    Ok(Profile::new(sizes.iter().map(|rows| *rows as u64).sum(), profiles).map_err(whole)?)
}

fn profile_column<E: From<RunError>>(
    name: &str,
    dtype: &DataType,
    sizes: &[usize],
    read: &impl Fn(usize, &str) -> Result<FrameColumn, E>,
    options: &ProfileOptions,
) -> Result<ColumnProfile, E> {
    let other = |found: &DataType| RunError::Frame { column: name.to_owned(), found: found.to_string() };
    let (held, wide) = match Held::of(dtype).ok_or_else(|| other(dtype))? {
        Held::Bool => (ValueType::Boolean, DataType::Boolean),
        Held::Int => (ValueType::Integer, DataType::Int64),
        Held::Float => (ValueType::Float, DataType::Float64),
        Held::Text => (ValueType::Text, DataType::String),
        Held::Date => (ValueType::Date, DataType::Date),
        Held::Time => (ValueType::Timestamp, DataType::Datetime(TimeUnit::Microseconds, None)),
    };
    let part = |at: usize| -> Result<FrameColumn, E> {
        let column = read(at, name)?;
        let wide = if *column.dtype() == wide { Ok(column) } else { column.strict_cast(&wide) };
        let column = wide.map_err(|_| other(dtype))?;
        if column.len() != sizes[at] {
            let reason = format!("column {name:?}: expected {} rows in part {at}, found {}", sizes[at], column.len());
            return Err(RunError::Parameters { reason }.into());
        }
        Ok(column)
    };
    // The kind does not matter to the sketches; it is known once all values were seen.
    let mut profile = ColumnProfile::new(Column::new(name, Kind::Text, held), options);
    let mut blocks = Blocks::default();
    for at in 0..sizes.len() {
        blocks.add(&mut profile, held, &part(at)?).map_err(|_| other(dtype))?;
    }
    blocks.end(&mut profile);
    if may_be_key(&profile, held) {
        profile.set_all_different(all_differ(profile.present(), sizes.len(), part)?);
    }
    profile.infer_kind();
    Ok(profile)
}

/// Whether no value of a column occurs twice. Values are told apart by their identities, so many of them at a time, in as
/// many passes over the column as that takes.
fn all_differ<E>(present: u64, parts: usize, part: impl Fn(usize) -> Result<FrameColumn, E>) -> Result<bool, E> {
    let passes = present.div_ceil(IDENTITIES).max(1);
    let mut seen: Vec<identity::Identity> = Vec::new();
    for pass in 0..passes {
        seen.clear();
        for at in 0..parts {
            let mut take = |value| {
                if identity::hash_of(value) % passes == pass {
                    seen.push(value);
                }
            };
            let column = part(at)?;
            let series = column.as_materialized_series();
            if let Ok(texts) = series.str() {
                texts.iter().flatten().for_each(|text| take(identity::text_identity(text)));
            } else if let Ok(whole) = series.to_physical_repr().cast(&DataType::Int64) {
                let whole = whole.i64().into_iter().flat_map(|values| values.iter().flatten());
                whole.for_each(|value| take(identity::of_key(Key::Whole(value))));
            }
        }
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Profiles tables that come in parts, in the memory of one part: batches of a file, days, partitions.
///
/// ```
/// use med_quality::Profiler;
/// use med_schema::{CsvOptions, ProfileOptions, Table};
/// let mut profiler = Profiler::new(ProfileOptions::default());
/// for part in ["age\n34\n51\n", "age\n29\n51\n"] {
///     profiler.add(&Table::from_csv(part.as_bytes(), &CsvOptions::default())?)?;
/// }
/// let profile = profiler.finish().ok_or("no parts")?;
/// assert_eq!((profile.rows(), profile.columns()[0].counts().distinct()), (4, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Profiler {
    options: ProfileOptions,
    parts: u64,
    profile: Option<Profile>,
}

impl Profiler {
    /// No parts yet.
    pub fn new(options: ProfileOptions) -> Self {
        Self { options, parts: 0, profile: None }
    }

    /// Takes in a part. Each has its own seed, derived from the first.
    ///
    /// # Errors
    /// When its columns are not those of the first part; it is not taken in then.
    pub fn add(&mut self, part: &Table) -> Result<(), RunError> {
        let step = self.parts.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let options = ProfileOptions { seed: self.options.seed.wrapping_add(step), ..self.options };
        let part = profile_with(part, &options)?;
        match &mut self.profile {
            Some(profile) => {
                profile.merge(&part).map_err(|error| RunError::Parameters { reason: error.to_string() })?;
            }
            None => self.profile = Some(part),
        }
        self.parts += 1;
        Ok(())
    }

    /// The profile of all parts; none of no part.
    pub fn finish(self) -> Option<Profile> {
        self.profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{ChunkCast, df};

    #[test]
    fn chunks_of_the_frame_do_not_matter() {
        let n = 10_000;
        let frame = |range: std::ops::Range<i64>| {
            let text: Vec<String> = range.clone().map(|i| format!("t{}", i % 1500)).collect();
            let real: Vec<Option<f64>> = range.clone().map(|i| (i % 7 > 0).then_some(i as f64 / 3.0)).collect();
            df!("id" => range.collect::<Vec<_>>(), "x" => real, "t" => text).unwrap()
        };
        let whole = Table::infer(frame(0..n)).unwrap();
        let mut cut = frame(0..777);
        cut.vstack_mut(&frame(777..5_000)).unwrap();
        cut.vstack_mut(&frame(5_000..n)).unwrap();
        let cut = Table::parse(cut, whole.schema().clone()).unwrap();
        let (whole, cut) = (profile(&whole).unwrap(), profile(&cut).unwrap());
        assert_eq!(serde_json::to_string(&whole).unwrap(), serde_json::to_string(&cut).unwrap());
        assert_eq!(whole.column("id").unwrap().all_different(), Some(true));
        assert_eq!(whole.column("t").unwrap().all_different(), None);
    }

    #[test]
    fn columns_in_parts_are_profiled_as_the_whole() {
        let n = 9_000_i64;
        let text: Vec<String> = (0..n).map(|i| format!("t{}", i % 2500)).collect();
        let plan: Vec<&str> = (0..n).map(|i| ["gold", "tin", "lead"][i as usize % 3]).collect();
        let real: Vec<Option<f64>> = (0..n).map(|i| (i % 7 > 0).then_some(i as f64 / 3.0)).collect();
        let id: Vec<String> = (0..n).map(|i| format!("a long name of client {i}")).collect();
        let days: Vec<i32> = (0..n as i32).collect();
        let frame = df!(
            "number" => (0..n).rev().collect::<Vec<_>>(), "flag" => (0..n).map(|i| i % 2).collect::<Vec<_>>(),
            "x" => real, "t" => text, "plan" => plan, "id" => id,
            "small" => (0..n).map(|i| (i % 5 - 2) as i8).collect::<Vec<_>>(),
            "day" => polars::prelude::Int32Chunked::from_vec("day".into(), days).cast(&DataType::Date).unwrap()
        );
        let frame = frame.unwrap();
        let sizes = [5_000, 1, 0, 3_999];
        let starts = [0, 5_000, 5_001, 5_001];
        let read =
            |part: usize, name: &str| Ok::<_, RunError>(frame.column(name).unwrap().slice(starts[part], sizes[part]));
        let whole = profile(&Table::infer(frame.clone()).unwrap()).unwrap();
        let parts = profile_columns(frame.schema(), &sizes, read, &ProfileOptions::default()).unwrap();
        assert_eq!(serde_json::to_string(&parts).unwrap(), serde_json::to_string(&whole).unwrap());
        assert_eq!(parts.column("id").unwrap().column().kind, Kind::Identifier);
        let short = |part: usize, name: &str| read(part, name).map(|column| column.slice(0, 7));
        let error = profile_columns(frame.schema(), &sizes, short, &ProfileOptions::default()).unwrap_err();
        assert!(error.to_string().contains("expected 5000 rows"), "{error}");
    }

    #[test]
    fn parts_with_other_columns_are_refused() {
        let table = |frame| Table::infer(frame).unwrap();
        let mut profiler = Profiler::new(ProfileOptions::default());
        profiler.add(&table(df!("x" => [1.0, 2.0]).unwrap())).unwrap();
        let error = profiler.add(&table(df!("y" => [1.0]).unwrap())).unwrap_err();
        assert!(error.to_string().contains("expected columns [\"x\"]"), "{error}");
        assert_eq!(profiler.finish().unwrap().rows(), 2);
    }
}

//! From tables to profiles: one pass over each column, columns in parallel.
//!
//! Values are handed to the sketches in blocks of 4,096 in row order, whatever the chunks of the frame, so that equal content gives
//! equal bits for any number of threads. Whether a column's values all differ is asked of the whole column where the sketches leave it
//! open and the column may be a key (whole numbers, texts, dates and moments that are nearly all different).

use med_schema::{ColumnProfile, Profile, ProfileError, ProfileOptions, Table, ValueType};
use polars::prelude::{Column as FrameColumn, PolarsResult};
use rayon::prelude::*;

use crate::error::RunError;

/// Values that the sketches take at once.
const BLOCK: usize = 4096;
/// A column may be a key if its estimated distinct values are at least this share of its values.
const NEARLY_ALL: f64 = 0.9;

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
    let series = column.as_materialized_series();
    profile.add_nulls(column.null_count() as u64);
    match held {
        ValueType::Integer => whole(profile, series.i64()?.iter().flatten()),
        ValueType::Timestamp => whole(profile, series.datetime()?.physical().iter().flatten()),
        ValueType::Date => whole(profile, series.date()?.physical().iter().flatten().map(i64::from)),
        ValueType::Boolean => whole(profile, series.bool()?.iter().flatten().map(i64::from)),
        ValueType::Float => blocks(series.f64()?.iter().flatten(), |block| profile.add_real(block)),
        ValueType::Text => series.str()?.iter().flatten().for_each(|text| profile.add_text(text)),
    }
    let nearly_all = profile.counts().distinct() as f64 >= NEARLY_ALL * profile.present() as f64;
    if profile.all_different().is_none() && nearly_all && held != ValueType::Float {
        let distinct = column.n_unique()? - usize::from(column.null_count() > 0);
        profile.set_all_different(distinct as u64 == profile.present());
    }
    Ok(())
}

fn whole(profile: &mut ColumnProfile, values: impl Iterator<Item = i64>) {
    blocks(values, |block| profile.add_whole(block));
}

fn blocks<T>(values: impl Iterator<Item = T>, mut take: impl FnMut(&[T])) {
    let mut block = Vec::with_capacity(BLOCK);
    for value in values {
        block.push(value);
        if block.len() == BLOCK {
            take(&block);
            block.clear();
        }
    }
    if !block.is_empty() {
        take(&block);
    }
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
    use polars::prelude::df;

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
    fn parts_with_other_columns_are_refused() {
        let table = |frame| Table::infer(frame).unwrap();
        let mut profiler = Profiler::new(ProfileOptions::default());
        profiler.add(&table(df!("x" => [1.0, 2.0]).unwrap())).unwrap();
        let error = profiler.add(&table(df!("y" => [1.0]).unwrap())).unwrap_err();
        assert!(error.to_string().contains("expected columns [\"x\"]"), "{error}");
        assert_eq!(profiler.finish().unwrap().rows(), 2);
    }
}

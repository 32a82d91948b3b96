//! Batch after batch against one reference.

use med_schema::{FeatureColumn, FeatureMatrix};
use rayon::prelude::*;

use crate::chunks::ChunkRule;
use crate::detect::{by_name, kind_of};
use crate::{ColumnSample, DriftDetector, DriftError, DriftReport, SampleKind, TimeChunk};

/// A detector with a reference that is prepared once: sorted, counted, and where the parameters ask for chunks, its thresholds learnt. Each batch then costs
/// no more than its own rows and one walk along the reference.
///
/// With [`DriftParams::chunks`](crate::DriftParams::chunks) a batch is judged as one chunk, else as the current table of
/// [`DriftDetector::detect`]; the report is the same as that of the two tables. Batches are judged one by one: no verdict depends on those before it, and with
/// many batches some alarm by chance.
///
/// ```
/// use med_drift::{DriftDetector, Monitor};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let ages = |first: u32| FeatureMatrix::new(vec![FeatureColumn::numeric("age", (0..200).map(|i| f64::from(first + i % 50)).collect::<Vec<_>>())]);
/// let monitor = Monitor::new(DriftDetector::default(), &ages(20)?)?;
/// let verdicts = [20, 22, 40].map(|first| monitor.judge(&ages(first).unwrap()).unwrap().drifted);
/// assert_eq!(verdicts, [false, false, true]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Monitor {
    detector: DriftDetector,
    columns: Vec<(String, Prepared)>,
}

#[derive(Debug, Clone)]
enum Prepared {
    Sample(ColumnSample),
    Chunks(Box<ChunkRule>),
}

impl Prepared {
    fn kind(&self) -> SampleKind {
        match self {
            Self::Sample(sample) => sample.as_sample().kind(),
            Self::Chunks(rule) => rule.whole.as_sample().kind(),
        }
    }
}

impl Monitor {
    /// Prepares the reference.
    ///
    /// # Errors
    /// When it has no columns, or a code has no level.
    pub fn new(detector: DriftDetector, reference: &FeatureMatrix) -> Result<Self, DriftError> {
        if reference.n_columns() == 0 {
            return Err(DriftError::NoColumns);
        }
        let prepare = |column: &FeatureColumn| -> Result<(String, Prepared), DriftError> {
            let asked = detector.params().compares(kind_of(column));
            let prepared = match detector.params().chunks.filter(|_| asked) {
                Some(chunking) => Prepared::Chunks(Box::new(detector.learn(chunking, column)?)),
                None => Prepared::Sample(ColumnSample::new(column)?),
            };
            Ok((column.name().to_owned(), prepared))
        };
        let columns = reference.columns().par_iter().map(prepare).collect::<Result<_, _>>()?;
        Ok(Self { detector, columns })
    }

    /// Its detector.
    pub fn detector(&self) -> &DriftDetector {
        &self.detector
    }

    /// Compares a batch with the reference; its columns may stand in another order.
    ///
    /// # Errors
    /// When one side lacks columns of the other, or a column has another kind there; the error lists all of them.
    pub fn judge(&self, batch: &FeatureMatrix) -> Result<DriftReport, DriftError> {
        let sides = self.columns.iter().map(|(name, prepared)| (name.as_str(), prepared.kind()));
        let columns = by_name(&sides.collect::<Vec<_>>(), batch)?;
        let found = self.columns.par_iter().zip(columns).map(|((name, prepared), column)| match prepared {
            Prepared::Chunks(rule) => Ok((self.detector.chunked(rule, &[(0, column.len())], column)?, None)),
            Prepared::Sample(reference) => {
                let current = ColumnSample::new(column)?;
                let (r, c) = (reference.as_sample(), current.as_sample());
                let drift = self.detector.compare(name, r, c)?;
                Ok((drift, self.detector.besides(r, c)))
            }
        });
        Ok(self.detector.report(found.collect::<Result<_, DriftError>>()?))
    }

    /// Judges a stream of batches, each when it is asked for.
    pub fn over<'a, I>(&'a self, batches: I) -> impl Iterator<Item = Result<DriftReport, DriftError>> + 'a
    where
        I: IntoIterator<Item = FeatureMatrix>,
        I::IntoIter: 'a,
    {
        batches.into_iter().map(|batch| self.judge(&batch))
    }

    /// Judges the parts of a table, as [`by_period`](crate::by_period) or [`by_count`](crate::by_count) cut it, each when it is asked for.
    pub fn over_chunks<'a>(
        &'a self,
        table: &'a FeatureMatrix,
        chunks: &'a [TimeChunk],
    ) -> impl Iterator<Item = Result<(&'a TimeChunk, DriftReport), DriftError>> + 'a {
        chunks.iter().map(|chunk| {
            let part = table.take(&chunk.rows).map_err(|_| DriftError::ChunkRows { table: table.n_rows() })?;
            Ok((chunk, self.judge(&part)?))
        })
    }
}

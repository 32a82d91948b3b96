//! Rows that are held column by column in parts, such as a Parquet file: each column of each part is read when its turn comes,
//! scanned, and let go.
//!
//! Tasks that look at a common column form a bundle. Bundles go through the parts independently, so what is in memory at
//! once is the columns of one bundle and part for each thread, however many columns the table has. A bundle takes the parts
//! in order, so what is collected does not depend on the number of threads.

use polars::prelude::{Column as FrameColumn, DataFrame};
use rayon::prelude::*;

use crate::plan::Plan;
use crate::scan::{Chunk, Metrics, Scan, TaskState, Work};

/// Tasks that share columns.
#[derive(Debug, Default)]
struct Bundle {
    tasks: Vec<usize>,
    /// Their columns, places among the plan's fields.
    fields: Vec<usize>,
}

impl Plan<'_> {
    /// Metrics of rows that lie in parts of these sizes. `read` gives one column of a part; it is called from several threads,
    /// once for each part and each of [`Plan::columns`].
    ///
    /// A column that is not of its part's size makes the expectations on it errors.
    ///
    /// ```
    /// use med_quality::{Level, Suite, column};
    /// use polars::prelude::{Column, PolarsError, df};
    /// let suite = Suite::new("clients", [column("age").values_between(0..=120)])?;
    /// let parts = [df!("age" => [34_i64, 51])?, df!("age" => [200_i64])?];
    /// let plan = suite.plan(parts[0].schema(), Level::Summary);
    /// let metrics = plan.scan_columns(&[2, 1], |part, name| parts[part].column(name).cloned())?;
    /// assert_eq!(plan.judge(&metrics).result(Level::Summary).results[0].result["unexpected_count"], 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An error of `read`: of the first bundle that has one.
    pub fn scan_columns<E: Send>(
        &self,
        sizes: &[usize],
        read: impl Fn(usize, &str) -> Result<FrameColumn, E> + Sync,
    ) -> Result<Metrics, E> {
        let mut metrics = self.start();
        let bundles = self.bundles();
        let mut done: Vec<Option<Result<Vec<TaskState>, E>>> = bundles.iter().map(|_| None).collect();
        // First in, first out: with the longest bundles first, threads end at about the same time.
        rayon::scope_fifo(|scope| {
            for (bundle, slot) in bundles.iter().zip(&mut done) {
                let states = bundle.tasks.iter().map(|task| metrics.tasks[*task].clone()).collect();
                let read = &read;
                scope.spawn_fifo(move |_| *slot = Some(self.scan_bundle(bundle, states, sizes, read)));
            }
        });
        for (bundle, states) in bundles.iter().zip(done.into_iter().flatten()) {
            for (task, state) in bundle.tasks.iter().zip(states?) {
                metrics.tasks[*task] = state;
            }
        }
        metrics.rows = sizes.iter().map(|rows| *rows as u64).sum();
        Ok(metrics)
    }

    fn scan_bundle<E: Send>(
        &self,
        bundle: &Bundle,
        mut states: Vec<TaskState>,
        sizes: &[usize],
        read: &(impl Fn(usize, &str) -> Result<FrameColumn, E> + Sync),
    ) -> Result<Vec<TaskState>, E> {
        let scan = Scan { fields: &self.fields, conditions: &self.conditions, keep: self.options.keep() };
        let mut start = 0;
        for (part, rows) in sizes.iter().enumerate() {
            let names = bundle.fields.par_iter().map(|at| self.fields[*at].name.as_str()).with_max_len(1);
            let mut columns = names.map(|name| read(part, name)).collect::<Result<Vec<_>, E>>()?;
            columns.retain(|column| column.len() == *rows);
            // Names of fields differ and sizes are checked, so a frame it is; without it, every column is missing.
            let frame = DataFrame::new(*rows, columns).unwrap_or_default();
            let chunks = Chunk::cut(&frame, *rows, start, self.fields.len(), self.conditions.len());
            let tasks = states.par_iter_mut().zip(&bundle.tasks);
            tasks.with_max_len(1).for_each(|(state, task)| state.add(&self.tasks[*task], &scan, &chunks));
            start += *rows as u64;
        }
        Ok(states)
    }

    /// All tasks in bundles, the costliest first.
    fn bundles(&self) -> Vec<Bundle> {
        let mut bundles: Vec<Bundle> = Vec::new();
        for (at, task) in self.tasks.iter().enumerate() {
            let mut fields = match &task.work {
                Work::Rows => Vec::new(),
                Work::Column { field, .. } => vec![*field],
                Work::Together { fields, .. } => fields.clone(),
            };
            if let Some(Ok(condition)) = &self.conditions[task.condition] {
                condition.fields(&mut fields);
            }
            let mut joined = Bundle { tasks: vec![at], fields };
            bundles.retain_mut(|known| {
                let apart = known.fields.iter().all(|field| !joined.fields.contains(field));
                if !apart {
                    joined.tasks.append(&mut known.tasks);
                    joined.fields.append(&mut known.fields);
                }
                apart
            });
            joined.tasks.sort_unstable();
            joined.fields.sort_unstable();
            joined.fields.dedup();
            bundles.push(joined);
        }
        bundles.sort_by_key(|bundle| {
            let cost: usize = bundle.tasks.iter().map(|task| self.tasks[*task].work.cost()).sum();
            std::cmp::Reverse(cost)
        });
        bundles
    }
}

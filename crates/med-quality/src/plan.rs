//! From a suite and the columns of a table to the metrics that are needed, each of them once.
//!
//! Expectations on the same column under the same row condition share a task, and in it whatever metric can serve several.
//! A plan scans frames, parts of tables and streams; its metrics give the verdict.

use med_schema::{Fingerprint, Table};
use polars::prelude::{DataFrame, DataType, Schema};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cells::{Field, Held};
use crate::compat;
use crate::condition::{Condition, Prepared};
use crate::error::RunError;
use crate::evaluation::Evaluation;
use crate::expectation::{Expectation, OutlierMethod, Partition, Rule, StatisticRule, TableRule, ValueRule};
use crate::result::{Level, MAX_VALUES, ResultFormat};
use crate::scan::{Chunk, Keep, Metric, Metrics, Order, RowTest, Scan, Task, TaskState, ValueTest, Work, identity};
use crate::suite::Suite;

/// What a plan keeps, and how exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanOptions {
    /// The most that results will say: rows and values beyond it are counted and not kept.
    pub format: ResultFormat,
    /// All unexpected rows are kept whatever the level says, as [`split`](crate::Suite::split) needs them.
    pub all_rows: bool,
    /// Memory is constant, whatever the number of rows: distinct values are told apart up to 65,536 of them and estimated
    /// beyond, quantiles are known to 0.2 %. A result that is not exact for that says so, and one that cannot be had is an error.
    pub bounded: bool,
    /// Answers as Great Expectations on pandas does, also where this crate does better on purpose.
    pub compat: bool,
}

impl<F: Into<ResultFormat>> From<F> for PlanOptions {
    fn from(format: F) -> Self {
        Self { format: format.into(), ..Self::default() }
    }
}

impl PlanOptions {
    /// Keeps all unexpected rows.
    #[must_use]
    pub fn all_rows(mut self) -> Self {
        self.all_rows = true;
        self
    }

    /// Keeps memory constant.
    #[must_use]
    pub fn bounded(mut self, bounded: bool) -> Self {
        self.bounded = bounded;
        self
    }

    /// Answers as the original does.
    #[must_use]
    pub fn compat(mut self, compat: bool) -> Self {
        self.compat = compat;
        self
    }

    pub(crate) fn keep(&self) -> Keep {
        let partial = self.format.partial_unexpected_count;
        let (rows, cells) = match self.format.level {
            Level::BooleanOnly => (0, 0),
            Level::Basic => (0, partial),
            Level::Summary => (partial, partial),
            Level::Complete => (usize::MAX, partial.max(MAX_VALUES)),
        };
        Keep { rows: if self.all_rows { usize::MAX } else { rows }, cells }
    }
}

/// Where the expectations of a plan come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'s> {
    Suite(&'s Suite),
    /// One of its own, outside any suite.
    One(&'s Expectation),
}

impl<'s> Source<'s> {
    pub(crate) fn name(self) -> &'s str {
        match self {
            Self::Suite(suite) => suite.name(),
            Self::One(_) => "",
        }
    }

    fn expectations(self) -> &'s [Expectation] {
        match self {
            Self::Suite(suite) => suite.expectations(),
            Self::One(expectation) => std::slice::from_ref(expectation),
        }
    }

    /// The content of the suite, if there is one.
    pub(crate) fn fingerprint(self) -> Option<Fingerprint> {
        match self {
            Self::Suite(suite) => suite.document().ok().map(|document| document.fingerprint()),
            Self::One(_) => None,
        }
    }
}

/// The work of a suite on a table of known columns. Made by [`Suite::plan`](crate::Suite::plan).
///
/// ```
/// use med_quality::{Level, Suite, column};
/// use polars::prelude::df;
/// let suite = Suite::new("clients", [column("age").values_between(0..=120), column("age").mean_between(20..50)])?;
/// let (first, second) = (df!("age" => [34_i64, 51])?, df!("age" => [29_i64, 200])?);
/// let plan = suite.plan(first.schema(), Level::Summary);
/// let mut metrics = plan.scan(&first);
/// metrics.merge(plan.scan(&second))?;
/// let result = plan.judge(&metrics).result(Level::Summary);
/// assert_eq!(result.results[0].result["partial_unexpected_index_list"], serde_json::json!([3]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Plan<'s> {
    pub(crate) suite: Source<'s>,
    pub(crate) expectations: &'s [Expectation],
    pub(crate) options: PlanOptions,
    /// The names of all columns.
    pub(crate) names: Vec<String>,
    /// The columns that are looked at.
    pub(crate) fields: Vec<Field>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) steps: Vec<Result<Step, RunError>>,
    pub(crate) conditions: Vec<Option<Result<Prepared, RunError>>>,
    signature: u64,
}

/// Where the metrics of an expectation are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    /// The task, where there is one.
    pub(crate) task: Option<usize>,
    /// The metrics of the task, in the order the rule asks for them.
    pub(crate) metrics: Vec<usize>,
    /// The columns, among the fields.
    pub(crate) fields: Vec<usize>,
}

/// A plan in the making.
struct Planner<'s> {
    types: Vec<(String, DataType)>,
    compat: bool,
    fields: Vec<Field>,
    known_conditions: Vec<Option<&'s Condition>>,
    conditions: Vec<Option<Result<Prepared, RunError>>>,
    tasks: Vec<Task>,
}

impl<'s> Plan<'s> {
    pub(crate) fn new(suite: Source<'s>, schema: &Schema, options: PlanOptions) -> Self {
        let expectations = suite.expectations();
        let types: Vec<(String, DataType)> = schema.iter().map(|(n, t)| (n.to_string(), t.clone())).collect();
        let mut planner = Planner {
            types,
            compat: options.compat,
            fields: Vec::new(),
            known_conditions: Vec::new(),
            conditions: Vec::new(),
            tasks: Vec::new(),
        };
        let steps: Vec<_> = expectations.iter().map(|expectation| planner.step(expectation)).collect();
        let names: Vec<String> = planner.types.into_iter().map(|(name, _)| name).collect();
        let described = serde_json::json!([expectations, names, planner.fields, options.bounded, options.all_rows]);
        let signature = identity::hash_of(identity::text_identity(&format!("{described} {:?}", options.keep())));
        Self {
            suite,
            expectations,
            options,
            names,
            fields: planner.fields,
            tasks: planner.tasks,
            steps,
            conditions: planner.conditions,
            signature,
        }
    }

    /// The columns that are looked at: all that a reader has to read.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// Whether what is collected grows with the number of rows: some expectation asks for every value exactly.
    pub fn grows(&self) -> bool {
        let wants_all = |metric: &Metric| matches!(metric, Metric::Numbers { .. } | Metric::Distinct { .. });
        !self.options.bounded
            && (self.options.keep().rows == usize::MAX
                || self.tasks.iter().any(|task| match &task.work {
                    Work::Rows => false,
                    Work::Column { metrics, .. } => metrics.iter().any(wants_all),
                    Work::Together { test, .. } => matches!(test, Ok(RowTest::Unique)),
                }))
    }

    /// Metrics of no rows.
    pub fn start(&self) -> Metrics {
        let keep = self.options.keep();
        let state = |task| TaskState::new(task, &self.fields, keep, self.options.bounded);
        Metrics { plan: self.signature, rows: 0, keep, tasks: self.tasks.iter().map(state).collect() }
    }

    /// Adds the rows of a frame. It needs to have no more than [`Plan::columns`].
    ///
    /// A frame whose columns are missing or of other types makes the expectations on them errors.
    pub fn add(&self, metrics: &mut Metrics, frame: &DataFrame) {
        let chunks = Chunk::cut(frame, frame.height(), metrics.rows, self.fields.len(), self.conditions.len());
        let scan = Scan { fields: &self.fields, conditions: &self.conditions, keep: metrics.keep };
        let tasks = metrics.tasks.par_iter_mut().zip(&self.tasks);
        // A few long tasks and many short ones: each is handed out on its own.
        tasks.with_max_len(1).for_each(|(state, task)| state.add(task, &scan, &chunks));
        metrics.rows += frame.height() as u64;
    }

    /// Metrics of a frame.
    pub fn scan(&self, frame: &DataFrame) -> Metrics {
        let mut metrics = self.start();
        self.add(&mut metrics, frame);
        metrics
    }

    /// Metrics of a stream of frames; the next one is fetched while one is scanned.
    ///
    /// # Errors
    /// The first error of the stream.
    pub fn scan_stream<E: Send>(
        &self,
        frames: impl IntoIterator<Item = Result<DataFrame, E>, IntoIter: Send>,
    ) -> Result<Metrics, E> {
        let mut frames = frames.into_iter();
        let mut metrics = self.start();
        let mut next = frames.next().transpose()?;
        while let Some(frame) = next {
            let (following, ()) = rayon::join(|| frames.next().transpose(), || self.add(&mut metrics, &frame));
            next = following?;
        }
        Ok(metrics)
    }

    /// The verdicts on what was collected.
    pub fn judge(&self, metrics: &Metrics) -> Evaluation<'s> {
        Evaluation::new(self, metrics)
    }

    pub(crate) fn fields_of(&self, step: &Step) -> Vec<Field> {
        step.fields.iter().filter_map(|at| self.fields.get(*at)).cloned().collect()
    }

    /// Plans for a frame and scans it. In compatibility its columns are first held as pandas would.
    pub(crate) fn evaluate(suite: Source<'s>, frame: &DataFrame, options: PlanOptions) -> Evaluation<'s> {
        let held;
        let frame = if options.compat {
            held = compat::as_pandas(frame);
            &held
        } else {
            frame
        };
        let plan = Self::new(suite, frame.schema(), options);
        plan.judge(&plan.scan(frame))
    }

    pub(crate) fn evaluate_table(suite: Source<'s>, table: &Table, options: PlanOptions) -> Evaluation<'s> {
        Self::evaluate(suite, table.frame(), options)
    }
}

impl<'s> Planner<'s> {
    fn step(&mut self, expectation: &'s Expectation) -> Result<Step, RunError> {
        let wanted = expectation.condition.as_ref();
        match &expectation.rule {
            Rule::Values { column, rule } => {
                let field = self.field(column, is_exact(&expectation.rule))?;
                let metrics = self.value_metrics(rule, field)?;
                Ok(self.column_task(wanted, field, metrics))
            }
            Rule::Statistic { column, rule } => {
                let field = self.field(column, is_exact(&expectation.rule))?;
                Ok(self.column_task(wanted, field, statistic_metrics(rule)))
            }
            Rule::Rows { columns, rule, ignore } => {
                let mut fields: Vec<usize> = Vec::new();
                for name in columns {
                    let field = self.field(name, false)?;
                    // One that is listed twice counts once, except in a pair.
                    if rule.is_pair() || !fields.contains(&field) {
                        fields.push(field);
                    }
                }
                let of: Vec<&Field> = fields.iter().map(|at| &self.fields[*at]).collect();
                let test = RowTest::new(rule, &of)?;
                let condition = self.condition(wanted);
                let work = Work::Together { fields: fields.clone(), test, ignore: *ignore };
                self.tasks.push(Task { condition, work });
                Ok(Step { task: Some(self.tasks.len() - 1), metrics: Vec::new(), fields })
            }
            Rule::Table(TableRule::ColumnType { column, .. }) => {
                Ok(Step { fields: vec![self.field(column, false)?], ..Step::default() })
            }
            Rule::Table(rule) if rule.counts_rows() => {
                let condition = self.condition(wanted);
                let known = self.tasks.iter().position(|t| t.condition == condition && matches!(t.work, Work::Rows));
                let task = known.unwrap_or_else(|| {
                    self.tasks.push(Task { condition, work: Work::Rows });
                    self.tasks.len() - 1
                });
                Ok(Step { task: Some(task), ..Step::default() })
            }
            Rule::Table(_) => Ok(Step::default()),
        }
    }

    fn value_metrics(&self, rule: &ValueRule, field: usize) -> Result<Vec<Metric>, RunError> {
        let field = &self.fields[field];
        Ok(match rule {
            ValueRule::Unique => vec![Metric::Distinct { rows: true }],
            ValueRule::Between(bounds) if bounds.is_reversed() => {
                let text = |bound: Option<crate::Bound>| bound.map_or_else(String::new, |b| b.to_json().to_string());
                return Err(RunError::EmptyRange { min: text(bounds.min), max: text(bounds.max) });
            }
            ValueRule::Increasing { strictly } => vec![Metric::Order(Order { falling: false, strictly: *strictly })],
            ValueRule::Decreasing { strictly } => vec![Metric::Order(Order { falling: true, strictly: *strictly })],
            ValueRule::ZScore { .. } | ValueRule::NotOutlier { method: OutlierMethod::Std, .. } => {
                vec![Metric::Moments { squares: true }, Metric::Numbers { rows: true }]
            }
            ValueRule::NotOutlier { method: OutlierMethod::Iqr, .. } => vec![Metric::Numbers { rows: true }],
            // Dates are listed value by value, as the original does.
            ValueRule::OfType(_) | ValueRule::InTypeList(_) if field.held == Held::Date => {
                vec![Metric::Test(ValueTest::Always(true))]
            }
            rule => match ValueTest::new(rule, field)? {
                Some(Ok(test)) => vec![Metric::Test(test)],
                Some(Err(error)) => vec![Metric::Unfit(error)],
                None => Vec::new(),
            },
        })
    }

    fn column_task(&mut self, condition: Option<&'s Condition>, field: usize, wanted: Vec<Metric>) -> Step {
        let condition = self.condition(condition);
        let same = |task: &Task| {
            task.condition == condition && matches!(task.work, Work::Column { field: f, .. } if f == field)
        };
        let task = self.tasks.iter().position(same).unwrap_or_else(|| {
            self.tasks.push(Task { condition, work: Work::Column { field, metrics: Vec::new() } });
            self.tasks.len() - 1
        });
        let mut places = Vec::new();
        if let Work::Column { metrics, .. } = &mut self.tasks[task].work {
            for metric in wanted {
                let shared = metrics.iter_mut().position(|known| known.absorb(&metric));
                places.push(shared.unwrap_or_else(|| {
                    metrics.push(metric);
                    metrics.len() - 1
                }));
            }
        }
        Step { task: Some(task), metrics: places, fields: vec![field] }
    }

    fn condition(&mut self, wanted: Option<&'s Condition>) -> usize {
        if let Some(known) = self.known_conditions.iter().position(|known| *known == wanted) {
            return known;
        }
        let prepared = wanted.map(|condition| {
            let mut names = Vec::new();
            condition.columns(&mut names);
            let places = names.iter().map(|name| self.field(name, true)).collect::<Result<Vec<_>, _>>()?;
            let place = |name: &str| {
                let at = names.iter().position(|known| *known == name);
                at.map(|at| places[at]).ok_or_else(|| RunError::no_column(name, []))
            };
            condition.prepare(&self.fields, &place)
        });
        self.known_conditions.push(wanted);
        self.conditions.push(prepared);
        self.conditions.len() - 1
    }

    /// The field of this name: the exact column first, else the only one that is the same when case is ignored.
    fn field(&mut self, name: &str, exact: bool) -> Result<usize, RunError> {
        let place = self.place(name, exact)?;
        let (name, dtype) = &self.types[place];
        if let Some(known) = self.fields.iter().position(|field| field.name == *name) {
            return Ok(known);
        }
        let other = || RunError::Frame { column: name.clone(), found: dtype.to_string() };
        let held = Held::of(dtype).ok_or_else(other)?;
        let type_name = compat::type_name(dtype, held, self.compat);
        self.fields.push(Field { name: name.clone(), held, type_name, compat: self.compat });
        Ok(self.fields.len() - 1)
    }

    fn place(&self, name: &str, exact: bool) -> Result<usize, RunError> {
        let known = || self.types.iter().map(|(name, _)| name.as_str());
        // The original takes the first column that is the same without case, even if another one is so exactly.
        if (exact || !self.compat)
            && let Some(place) = known().position(|known| known == name)
        {
            return Ok(place);
        }
        let folded = name.to_lowercase();
        let same: Vec<usize> =
            known().enumerate().filter(|(_, known)| known.to_lowercase() == folded).map(|(place, _)| place).collect();
        match same.as_slice() {
            [place] if !exact => Ok(*place),
            [place, ..] if !exact && self.compat => Ok(*place),
            [_, _, ..] if !exact => Err(RunError::Ambiguous {
                column: name.to_owned(),
                candidates: same.iter().map(|place| self.types[*place].0.clone()).collect(),
            }),
            _ => Err(RunError::no_column(name, known())),
        }
    }
}

/// Rules that take the column's name as it is written, without regard to how other rules fold its case.
fn is_exact(rule: &Rule) -> bool {
    matches!(
        rule,
        Rule::Values { rule: ValueRule::OfType(_) | ValueRule::InTypeList(_), .. }
            | Rule::Statistic {
                rule: StatisticRule::KlDivergence { partition: Some(Partition::Categorical { .. }), .. },
                ..
            }
    )
}

fn statistic_metrics(rule: &StatisticRule) -> Vec<Metric> {
    match rule {
        StatisticRule::Min(_) | StatisticRule::Max(_) => vec![Metric::Extremes],
        StatisticRule::Mean(_) | StatisticRule::Sum(_) => vec![Metric::Moments { squares: false }],
        StatisticRule::Stdev(_) => vec![Metric::Moments { squares: true }],
        StatisticRule::Median(_) | StatisticRule::Quantiles { .. } => vec![Metric::Numbers { rows: false }],
        StatisticRule::NonNullShare(_) => Vec::new(),
        StatisticRule::UniqueCount(_)
        | StatisticRule::UniqueShare(_)
        | StatisticRule::MostCommonInSet { .. }
        | StatisticRule::DistinctInSet(_)
        | StatisticRule::DistinctContainSet(_)
        | StatisticRule::DistinctEqualSet(_) => vec![Metric::Distinct { rows: false }],
        StatisticRule::KlDivergence { partition, bucketize, .. } => match partition {
            Some(Partition::Continuous(histogram)) => vec![Metric::Bins(histogram.bins.clone())],
            Some(Partition::Categorical { .. }) => vec![Metric::Distinct { rows: false }],
            None if *bucketize => vec![Metric::Numbers { rows: false }],
            None => vec![Metric::Distinct { rows: false }],
        },
    }
}

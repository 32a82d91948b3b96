//! Random search and successive halving.

use std::ops::ControlFlow;

use med_schema::Dataset;
use serde_json::Value;

use super::choose::{TrialSelection, choose, loss};
use super::space::SearchSpace;
use crate::counted::Counted;
use crate::{
    AnyModel, FitError, FoldError, Folds, Metric, MetricSummary, ModelSpec, ParameterError, Regressor, cross_validate,
};

/// A search that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// A setting of the search out of its range.
    #[error(transparent)]
    Setting(#[from] ParameterError),
    /// Folds that cannot be made of these rows.
    #[error(transparent)]
    Folds(#[from] FoldError),
    /// Folds of another table.
    #[error("the folds are of {folds} rows, the dataset has {rows}")]
    Rows {
        /// Rows the folds divide.
        folds: usize,
        /// Rows there are.
        rows: usize,
    },
    /// Not one trial with a score.
    #[error("none of {trials} trials could be scored; the first error was: {first}")]
    NothingScored {
        /// Trials made.
        trials: usize,
        /// The first error.
        first: String,
    },
    /// The fit of the chosen parameters on all rows.
    #[error("the chosen parameters could not be fitted on all rows: {0}")]
    Fit(#[from] FitError),
}

/// How a trial went.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialOutcome {
    /// Mean and standard error over the folds.
    Scored(MetricSummary),
    /// Why there is no score: a parameter out of range, a fold that could not be fitted, a metric that is not defined.
    Failed(String),
}

/// One set of parameters, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The parameters drawn and those fixed; the others have their defaults.
    pub params: Value,
    /// Share of the resource it was judged on; 1 in random search.
    pub share: f64,
    /// How it went.
    pub outcome: TrialOutcome,
}

/// Settings of a search.
///
/// | setting | meaning | default |
/// | --- | --- | --- |
/// | `trials` | sets of parameters that are drawn | 20 |
/// | `metric` | what they are judged by | `mae` |
/// | `selection` | which one is taken | the simplest within one standard error of the best |
/// | `seed` | of the draws | 42 |
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Sets of parameters that are drawn.
    pub trials: usize,
    /// What they are judged by.
    pub metric: Metric,
    /// Which one is taken.
    pub selection: TrialSelection,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Search {
    fn default() -> Self {
        Self { trials: 20, metric: Metric::Mae, selection: TrialSelection::default(), seed: 42 }
    }
}

/// What is given out step by step in successive halving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// Rows of each fold's training part, the first of them in an order by chance.
    Rows,
    /// A whole-number parameter, such as `num_iterations`: shares are of this value.
    Parameter {
        /// Its name.
        name: String,
        /// Its value in the last round.
        most: u64,
    },
}

/// Settings of successive halving.
#[derive(Debug, Clone, PartialEq)]
pub struct Halving {
    /// The search: draws, metric, selection.
    pub search: Search,
    /// What is given out.
    pub resource: Resource,
    /// Each round keeps one trial in this many and gives those this many times as much; at least 2.
    pub factor: u32,
    /// Share of the resource in the first round, above 0 and at most 1.
    pub first_share: f64,
}

/// All trials, and the one to take.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResult {
    /// All trials in the order they were made.
    pub trials: Vec<Trial>,
    /// The place of the one chosen.
    pub chosen: usize,
    /// The model with the parameters chosen, ready to fit.
    pub spec: ModelSpec,
    /// Whether the caller ended the search before its time.
    pub cancelled: bool,
}

/// Called after each trial with its place; breaking ends the search with what there is.
pub type TrialProgress<'a> = &'a mut dyn FnMut(usize, &Trial) -> ControlFlow<()>;

fn judge(space: &SearchSpace, params: &Value, data: &Dataset, folds: &Folds, metric: Metric) -> TrialOutcome {
    let failed = |error: &dyn std::fmt::Display| TrialOutcome::Failed(error.to_string());
    let spec = match ModelSpec::parse(space.model(), params) {
        Ok(spec) => spec,
        Err(error) => return failed(&error),
    };
    match cross_validate(&spec, data, folds) {
        Ok(found) => match found.summary(metric) {
            Some(summary) if summary.mean.is_finite() => TrialOutcome::Scored(summary),
            _ => failed(&format_args!("{metric} is not defined on every fold")),
        },
        Err(error) => failed(&error),
    }
}

fn setting(holds: bool, name: &'static str, expected: &str, found: impl ToString) -> Result<(), TuneError> {
    if holds {
        return Ok(());
    }
    let (expected, found) = (expected.to_owned(), found.to_string());
    Err(ParameterError::Range { model: "search", name, expected, found }.into())
}

fn finish(
    space: &SearchSpace,
    trials: Vec<Trial>,
    search: &Search,
    cancelled: bool,
) -> Result<SearchResult, TuneError> {
    let Some(chosen) = choose(&trials, search.metric, &search.selection) else {
        let failure = trials.iter().find_map(|t| match &t.outcome {
            TrialOutcome::Failed(error) => Some(error.clone()),
            TrialOutcome::Scored(_) => None,
        });
        let first = failure.unwrap_or_else(|| "cancelled before the last round".to_owned());
        return Err(TuneError::NothingScored { trials: trials.len(), first });
    };
    let spec = ModelSpec::parse(space.model(), &trials[chosen].params)?;
    Ok(SearchResult { trials, chosen, spec, cancelled })
}

fn check(data: &Dataset, folds: &Folds, search: &Search) -> Result<(), TuneError> {
    if folds.n_rows() != data.n_rows() {
        return Err(TuneError::Rows { folds: folds.n_rows(), rows: data.n_rows() });
    }
    setting(search.trials >= 1, "trials", "at least 1", search.trials)
}

/// Draws sets of parameters and judges each by cross-validation.
///
/// ```
/// use std::ops::ControlFlow;
/// use med_model::{Folds, Range, Search, SearchSpace, random_search};
/// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
/// let age: Vec<f64> = (0..60).map(f64::from).collect();
/// let cost: Vec<f64> = age.iter().map(|a| 30.0 * a + (a * 7.0) % 11.0).collect();
/// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", age)])?;
/// let data = Dataset::new(x, "cost", cost)?;
/// let space = SearchSpace::new("ridge", serde_json::Value::Null)?
///     .with("alpha", Range::LogUniform { low: 1e-3, high: 1e6 })?;
/// let search = Search { trials: 8, ..Search::default() };
/// let folds = Folds::shuffled(60, 4, 1)?;
/// let found = random_search(&space, &data, &folds, &search, &mut |_, _| ControlFlow::Continue(()))?;
/// assert_eq!((found.trials.len(), found.spec.name()), (8, "ridge"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a setting is out of range, the folds are of another table, or no trial has a score. A trial that fails is a row of
/// the table, not an error.
pub fn random_search(
    space: &SearchSpace,
    data: &Dataset,
    folds: &Folds,
    search: &Search,
    progress: TrialProgress<'_>,
) -> Result<SearchResult, TuneError> {
    check(data, folds, search)?;
    let mut trials = Vec::with_capacity(search.trials);
    let mut cancelled = false;
    for params in space.draw(search.trials, search.seed) {
        let outcome = judge(space, &params, data, folds, search.metric);
        let trial = Trial { params, share: 1.0, outcome };
        cancelled = progress(trials.len(), &trial).is_break();
        trials.push(trial);
        if cancelled {
            break;
        }
    }
    finish(space, trials, search, cancelled)
}

/// Judges all trials on a share of the resource, the best of them on more, until those left are judged on all of it.
///
/// # Errors
/// As [`random_search`], and when the parameter that is the resource is none of the model's.
pub fn successive_halving(
    space: &SearchSpace,
    data: &Dataset,
    folds: &Folds,
    halving: &Halving,
    progress: TrialProgress<'_>,
) -> Result<SearchResult, TuneError> {
    let Halving { search, resource, factor, first_share } = halving;
    check(data, folds, search)?;
    setting(*factor >= 2, "factor", "at least 2", factor)?;
    setting(*first_share > 0.0 && *first_share <= 1.0, "first_share", "above 0 and at most 1", first_share)?;
    if let Resource::Parameter { name, most } = resource {
        setting(*most >= 1, "most", "at least 1", most)?;
        // Told here, and not by each trial.
        ModelSpec::parse(space.model(), &serde_json::json!({ name.as_str(): most }))?;
    }
    let mut live = space.draw(search.trials, search.seed);
    let mut share = *first_share;
    let mut trials: Vec<Trial> = Vec::new();
    loop {
        let reduced = match resource {
            Resource::Rows if share < 1.0 => folds.with_train_share(share, search.seed),
            _ => folds.clone(),
        };
        let first = trials.len();
        for mut params in live {
            if let (Resource::Parameter { name, most }, Value::Object(map)) = (resource, &mut params) {
                let amount = ((*most as f64 * share).round() as u64).max(1);
                map.insert(name.clone(), Value::from(amount));
            }
            let outcome = judge(space, &params, data, &reduced, search.metric);
            let trial = Trial { params, share, outcome };
            let flow = progress(trials.len(), &trial);
            trials.push(trial);
            if flow.is_break() {
                return finish(space, trials, search, true);
            }
        }
        if share >= 1.0 {
            return finish(space, trials, search, false);
        }
        let mut scored: Vec<(f64, usize)> = (first..trials.len())
            .filter_map(|i| match &trials[i].outcome {
                TrialOutcome::Scored(s) => Some((loss(search.metric, s.mean), i)),
                TrialOutcome::Failed(_) => None,
            })
            .collect();
        scored.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let kept = (trials.len() - first).div_ceil(*factor as usize).min(scored.len());
        if kept == 0 {
            return finish(space, trials, search, false);
        }
        live = scored[..kept].iter().map(|&(_, i)| trials[i].params.clone()).collect();
        share = if kept == 1 { 1.0 } else { (share * f64::from(*factor)).min(1.0) };
    }
}

/// How it calls itself in errors.
const TUNED: &str = "a tuned model";

/// A model that finds its own parameters: a random search on shuffled folds of the rows it is given, then a fit on all of
/// them. In [`cross_validate`] this is nested cross-validation: rows a fold holds back take no part in the search.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// What is tried.
    pub space: SearchSpace,
    /// How.
    pub search: Search,
    /// Folds of the search; their shuffle has the seed of the search.
    pub folds: usize,
}

impl Tuned {
    /// The search on these rows.
    ///
    /// # Errors
    /// As [`random_search`], and when fewer rows count than there are folds.
    pub fn search(&self, train: &Dataset) -> Result<SearchResult, TuneError> {
        let train = &*Counted::new(train, TUNED)?.data;
        let folds = Folds::shuffled(train.n_rows(), self.folds, self.search.seed)?;
        random_search(&self.space, train, &folds, &self.search, &mut |_, _| ControlFlow::Continue(()))
    }
}

impl Regressor for Tuned {
    type Fitted = AnyModel;

    fn fit(&self, train: &Dataset) -> Result<AnyModel, FitError> {
        match self.search(train) {
            Ok(found) => found.spec.fit(train),
            Err(source) => Err(FitError::Backend { model: TUNED, source: Box::new(source) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Range;
    use med_schema::{FeatureColumn, FeatureMatrix};
    use serde_json::json;

    fn data(n: usize) -> Dataset {
        let column = |k: usize| (0..n).map(|i| ((i * k) % 97) as f64).collect::<Vec<f64>>();
        let (a, b) = (column(31), column(57));
        let y: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 10.0 + a + if *b > 50.0 { 60.0 } else { 0.0 }).collect();
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", a), FeatureColumn::numeric("b", b)]);
        Dataset::new(x.unwrap(), "y", y).unwrap()
    }

    fn space() -> SearchSpace {
        SearchSpace::new("decision_tree", Value::Null)
            .and_then(|s| s.with("max_depth", Range::Integer { low: 1, high: 9 }))
            .unwrap()
    }

    fn go(_: usize, _: &Trial) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn a_search_is_the_same_every_time_and_on_any_threads() {
        let (data, search) = (data(120), Search { trials: 6, selection: TrialSelection::Best, ..Default::default() });
        let folds = Folds::shuffled(120, 3, 1).unwrap();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| random_search(&space(), &data, &folds, &search, &mut go).unwrap())
        };
        let found = on(1);
        assert_eq!(found, on(3));
        let scores = found.trials.iter().map(|t| match &t.outcome {
            TrialOutcome::Scored(s) => s.mean,
            TrialOutcome::Failed(error) => panic!("{error}"),
        });
        let scores: Vec<f64> = scores.collect();
        assert!(scores.iter().all(|s| *s >= scores[found.chosen]));
    }

    #[test]
    fn parameters_a_model_refuses_are_told_in_the_table() {
        let space = SearchSpace::new("gbdt", json!({ "num_iterations": 3 }))
            .and_then(|s| s.with("num_leaves", Range::Choices(vec![json!(1), json!("many"), json!(4)])))
            .unwrap();
        let folds = Folds::shuffled(120, 3, 1).unwrap();
        let search = Search { trials: 12, ..Default::default() };
        let found = random_search(&space, &data(120), &folds, &search, &mut go).unwrap();
        for trial in &found.trials {
            let valid = trial.params["num_leaves"] == 4;
            assert_eq!(valid, matches!(trial.outcome, TrialOutcome::Scored(_)), "{trial:?}");
        }
        let none = space.with("num_leaves", Range::Choices(vec![json!(1)])).unwrap();
        let error = random_search(&none, &data(120), &folds, &search, &mut go).unwrap_err();
        assert!(error.to_string().contains("num_leaves"), "{error}");
    }

    #[test]
    fn halving_spends_more_on_fewer() {
        let data = data(240);
        let folds = Folds::shuffled(240, 3, 1).unwrap();
        let search = Search { trials: 9, ..Default::default() };
        let mut halving = Halving { search, resource: Resource::Rows, factor: 3, first_share: 1.0 / 9.0 };
        let rounds = |found: &SearchResult| {
            let mut shares: Vec<f64> = found.trials.iter().map(|t| t.share).collect();
            shares.dedup();
            shares
        };
        let found = successive_halving(&space(), &data, &folds, &halving, &mut go).unwrap();
        assert_eq!((found.trials.len(), rounds(&found).len()), (9 + 3 + 1, 3));
        assert_eq!(found.trials[found.chosen].share, 1.0);
        halving.resource = Resource::Parameter { name: "num_iterations".to_owned(), most: 18 };
        let boosting = SearchSpace::new("gbdt", Value::Null)
            .and_then(|s| s.with("num_leaves", Range::Integer { low: 2, high: 9 }))
            .unwrap();
        let found = successive_halving(&boosting, &data, &folds, &halving, &mut go).unwrap();
        let trees: Vec<u64> = found.trials.iter().map(|t| t.params["num_iterations"].as_u64().unwrap()).collect();
        assert_eq!((trees[0], trees[9], trees[12]), (2, 6, 18));
        halving.resource = Resource::Parameter { name: "trees".to_owned(), most: 18 };
        assert!(matches!(
            successive_halving(&boosting, &data, &folds, &halving, &mut go),
            Err(TuneError::Setting(ParameterError::Unknown { .. }))
        ));
    }

    #[test]
    fn a_caller_can_end_it() {
        let folds = Folds::shuffled(120, 3, 1).unwrap();
        let mut stop = |place: usize, _: &Trial| {
            if place == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let found = random_search(&space(), &data(120), &folds, &Search::default(), &mut stop).unwrap();
        assert!(found.cancelled && found.trials.len() == 2);
    }

    #[test]
    fn rows_held_back_take_no_part_in_the_search() {
        let data = data(120);
        let folds = Folds::shuffled(120, 3, 5).unwrap();
        let tuned = Tuned { space: space(), search: Search { trials: 4, ..Default::default() }, folds: 3 };
        let honest = cross_validate(&tuned, &data, &folds).unwrap();
        // Other costs on the rows the first fold judges: its predictions stay the same to the bit.
        let held_back = folds.iter().next().unwrap().test().to_vec();
        let mut y = data.y().to_vec();
        held_back.iter().for_each(|&r| y[r] = 1e6 - y[r]);
        let changed = Dataset::new(data.x().clone(), "y", y).unwrap();
        let other = cross_validate(&tuned, &changed, &folds).unwrap();
        for row in held_back {
            assert_eq!(honest.predictions[row], other.predictions[row]);
        }
        assert_ne!(honest.predictions, other.predictions);
    }
}

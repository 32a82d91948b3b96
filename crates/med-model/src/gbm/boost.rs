//! Fitting: checks, the automatic choices, the boosting loop.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use med_schema::{Dataset, FeatureColumn, FeatureKind, FeatureMatrix, FeatureSchema, near_names};
use rayon::prelude::*;

use super::Gbdt;
use super::binning::{BinOptions, Binned, LevelOptions, told_apart};
use super::control::{EarlyStopping, FitOptions, Halt, LearningCurve, Progress};
use super::growth::Growth;
use super::model::{FittedObjective, GbdtModel};
use super::objective::{Link, Loss, Warning, check_target, choose, power, warnings};
use super::params::{Calibration, GbdtParams, GrowPolicy, MonotoneConstraints, Objective};
use super::rounds::{Metric, Part, Rounds, overflow};
use super::sampling::{Sampler, hold_back};
use super::sums::exact_sum;
use crate::counted::{Counted, of_whole};
use crate::input::{annualised, no_infinities};
use crate::kernel::exp::exp_in_place;
use crate::parameters::Parameters;
use crate::tree::ensemble::Column;
use crate::tree::{Ensemble, Tree, ensemble};
use crate::{FitError, InputError, Regressor};

const MODEL: &str = GbdtParams::MODEL;

/// The short fit that the Tweedie power is estimated from.
const FIRST_FIT: (usize, usize, f64) = (10, 16, 0.3);
/// Columns of bytes that a categorical feature takes at most: 254 levels each, so 4,064 have bins of their own.
const MOST_PARTS: usize = 16;

impl Regressor for Gbdt {
    type Fitted = GbdtModel;

    fn fit(&self, train: &Dataset) -> Result<GbdtModel, FitError> {
        self.fit_with(train, FitOptions::default())
    }
}

/// Target per unit of exposure, weights and offset of a dataset.
struct Targets<'a> {
    y: Cow<'a, [f64]>,
    weights: Option<Cow<'a, [f64]>>,
    offset: Option<&'a [f64]>,
}

impl<'a> Targets<'a> {
    /// Of the rows that count; the offset is checked.
    fn new(data: &'a Dataset, offset: Option<&'a [f64]>) -> Result<Self, FitError> {
        let (y, weights) = annualised(data);
        if y.iter().any(|v| !v.is_finite()) {
            return Err(overflow("the cost per unit of exposure"));
        }
        let targets = Self { y, weights, offset };
        if targets.part().total_weight() > 0.0 {
            Ok(targets)
        } else {
            Err(FitError::TooFewRows { model: MODEL, expected: 1, found: 0 })
        }
    }

    fn part(&self) -> Part<'_> {
        Part { y: &self.y, weights: self.weights.as_deref(), offset: self.offset }
    }
}

impl Gbdt {
    /// What in these data the model does not suit: a target that is not the objective's, levels that it does not tell apart.
    /// Fitting goes on all the same.
    pub fn warnings(&self, train: &Dataset) -> Vec<Warning> {
        let (y, weights) = annualised(train);
        let mut found = warnings(&self.params, &y, weights.as_deref());
        if let Ok(counted) = Counted::new(train, MODEL) {
            found.extend(levels_together(counted.data.x(), level_options(&self.params)));
        }
        found
    }

    /// Fits the model, with a validation part, offsets, or a callback.
    ///
    /// ```
    /// use med_model::{FitOptions, Gbdt, GbdtParams};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// let part = |from: u32| -> Result<Dataset, Box<dyn std::error::Error>> {
    ///     let age: Vec<f64> = (0..300).map(|i| f64::from((i * 7 + from) % 83)).collect();
    ///     let cost: Vec<f64> = age.iter().map(|a| 500.0 + 3.0 * a * a).collect();
    ///     Ok(Dataset::new(FeatureMatrix::new(vec![FeatureColumn::numeric("age", age)])?, "cost", cost)?)
    /// };
    /// let (train, validation) = (part(0)?, part(3)?);
    /// let params = GbdtParams { num_iterations: 500, early_stopping_round: 10, ..GbdtParams::default() };
    /// let mut trees = 0;
    /// let mut count = |progress: med_model::Progress| {
    ///     trees = progress.iteration;
    ///     std::ops::ControlFlow::Continue(())
    /// };
    /// let options = FitOptions::default().validation(&validation).progress(&mut count);
    /// let model = Gbdt::new(params)?.fit_with(&train, options)?;
    /// assert!(model.n_trees() <= trees && model.learning_curve().validation().len() == trees);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Regressor::fit`]; also when the offset or the validation part does not go with the training part, and with
    /// [`FitError::Cancelled`] when the callback discards the fit.
    pub fn fit_with(&self, train: &Dataset, options: FitOptions<'_>) -> Result<GbdtModel, FitError> {
        let FitOptions { validation, offset, validation_offset, progress } = options;
        let validation = validation.map(|data| Counted::with_offset(data, validation_offset, MODEL)).transpose()?;
        if let Some(validation) = &validation {
            validation.fit(|data| Ok(check_values(data.x())?))?;
        }
        let counted = Counted::with_offset(train, offset, MODEL)?;
        let options = FitOptions {
            validation: validation.as_ref().map(|v| &*v.data),
            offset: counted.offset.as_deref(),
            validation_offset: validation.as_ref().and_then(|v| v.offset.as_deref()),
            progress: match progress {
                Some(progress) => Some(progress),
                None => None,
            },
        };
        counted.fit(|train| self.fit_counted(train, options))
    }

    fn fit_counted(&self, train: &Dataset, options: FitOptions<'_>) -> Result<GbdtModel, FitError> {
        let params = &self.params;
        if params.early_stopping_round == 0 || options.validation.is_some() || train.n_rows() < 2 {
            return self.fit_parts(train, options);
        }
        // All rows are looked at before they are divided.
        check_values(train.x())?;
        Targets::new(train, options.offset)?;
        let (kept, held) = hold_back(train.n_rows(), params.validation_fraction, params.seed);
        let take = |rows: &[usize]| {
            train.take(rows).map_err(|source| FitError::Backend { model: MODEL, source: Box::new(source) })
        };
        let offset_of = |rows: &[usize]| options.offset.map(|o| rows.iter().map(|&r| o[r]).collect::<Vec<f64>>());
        let (part, rest) = (take(&kept)?, take(&held)?);
        let (offset, validation_offset) = (offset_of(&kept), offset_of(&held));
        let whole_offset = options.offset;
        let options = FitOptions {
            validation: Some(&rest),
            offset: offset.as_deref(),
            validation_offset: validation_offset.as_deref(),
            progress: match options.progress {
                Some(progress) => Some(progress),
                None => None,
            },
        };
        let mut model = self.fit_parts(&part, options).map_err(|error| of_whole(error, &kept))?;
        // Rows that were held back are of the training part, and their costs are part of what predictions are to add up to.
        if self.is_calibrated(model.objective().link()) {
            let targets = Targets::new(train, whole_offset)?;
            let scores = scores_of(&model.ensemble.trees, model.ensemble.base, train.x(), targets.part());
            let shift = shift(targets.part(), scores);
            model.ensemble.base += shift;
            model.calibration *= shift.exp();
        }
        Ok(model)
    }

    fn is_calibrated(&self, link: Link) -> bool {
        self.params.calibration == Calibration::Auto && link == Link::Log
    }

    fn fit_parts(&self, train: &Dataset, mut options: FitOptions<'_>) -> Result<GbdtModel, FitError> {
        let params = &self.params;
        check_values(train.x())?;
        let features = train.x().schema();
        let growth = growth(params, &features)?;
        let targets = Targets::new(train, options.offset)?;
        let part = targets.part();
        let objective = choose(params.objective, part.y, part.weights);
        let bin_options = BinOptions {
            max_bin: params.max_bin,
            min_data_in_bin: params.min_data_in_bin,
            levels: level_options(params),
        };
        let binned = Binned::new(train.x(), &bin_options, params.bin_layout)?;
        let loss = |power| Loss::new(objective, params.alpha, params.poisson_max_delta_step, power);
        check_target(objective, loss(power::POWER_UNKNOWN).domain(), part.y, part.weights)?;
        let power = match (objective, params.tweedie_variance_power) {
            (Objective::Tweedie, Some(power)) => power,
            (Objective::Tweedie, None) => first_fit(&binned, &growth, part)?,
            _ => power::POWER_UNKNOWN,
        };
        let loss = loss(power);

        let held_back =
            options.validation.map(|data| Validation::new(&features, data, options.validation_offset, loss));
        let mut held_back = held_back.transpose()?;
        let base = if params.boost_from_average { loss.start(&part.start()) } else { 0.0 };
        if !base.is_finite() {
            return Err(overflow("the start value"));
        }
        let mut rounds = Rounds::new(&binned, growth, part, loss, base, params.learning_rate);
        let mut sampler = Sampler::new(params);
        let mut curve = LearningCurve { metric: loss.metric().0.to_owned(), ..LearningCurve::default() };
        let mut stopping = match &mut held_back {
            Some(held_back) => EarlyStopping::new(params.early_stopping_round, held_back.start(base)?),
            None => None,
        };
        let mut trees = Vec::with_capacity(params.num_iterations.min(10_000));
        rounds.refresh()?;
        for iteration in 0..params.num_iterations {
            sampler.draw(iteration, train.n_rows(), features.features().len());
            match rounds.step(&sampler) {
                Some(tree) => trees.push(tree),
                // Other rows or features may allow a split.
                None if sampler.varies() => continue,
                None => break,
            }
            let metric = rounds.refresh()?;
            curve.train.push(metric);
            let validation = match (&mut held_back, trees.last()) {
                (Some(held_back), Some(tree)) => Some(held_back.add(tree)?),
                _ => None,
            };
            curve.validation.extend(validation);
            if let Some(progress) = &mut options.progress {
                let state = Progress {
                    iteration: trees.len(),
                    num_iterations: params.num_iterations,
                    train: metric,
                    validation,
                };
                match progress(state) {
                    ControlFlow::Continue(()) => {}
                    ControlFlow::Break(Halt::Keep) => break,
                    ControlFlow::Break(Halt::Discard) => {
                        return Err(FitError::Cancelled { model: MODEL, iterations: trees.len() });
                    }
                }
            }
            if let (Some(stopping), Some(validation)) = (&mut stopping, validation)
                && stopping.should_stop(trees.len(), validation)
            {
                break;
            }
        }
        let mut scores = rounds.into_scores();
        curve.best_iteration = trees.len();
        if let Some(stopping) = stopping
            && stopping.best_iteration() < trees.len()
        {
            curve.best_iteration = stopping.best_iteration();
            trees.truncate(curve.best_iteration);
            scores = scores_of(&trees, base, train.x(), part);
        }
        if scores.iter().any(|s| !s.is_finite()) {
            return Err(overflow("a prediction"));
        }
        let shift = if self.is_calibrated(loss.link()) { shift(part, scores) } else { 0.0 };
        Ok(GbdtModel {
            features,
            objective: FittedObjective::new(objective, params.alpha, power),
            ensemble: Ensemble::new(base + shift, trees),
            calibration: shift.exp(),
            exposure: train.exposure().is_some(),
            offset: options.offset.is_some(),
            curve,
        })
    }

    /// Every seed is in range, so this needs no check.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.params.seed = seed;
    }
}

/// Splits of many levels leave those of fewer than `cat_smooth` rows on the right, with or without a bin of their own.
fn level_options(params: &GbdtParams) -> LevelOptions {
    LevelOptions { most_parts: MOST_PARTS, min_rows: (params.cat_smooth.ceil() as usize).max(params.min_data_in_bin) }
}

fn levels_together(x: &FeatureMatrix, options: LevelOptions) -> Vec<Warning> {
    let of_column = |column: &FeatureColumn| {
        let (codes, levels) = column.as_categorical()?;
        let (levels, own) = told_apart(codes, levels.len(), options);
        (own < levels).then(|| Warning::LevelsTogether { column: column.name().to_owned(), levels, own })
    };
    x.columns().iter().filter_map(of_column).collect()
}

/// A part that is only looked at.
struct Validation<'a> {
    x: FeatureMatrix,
    targets: Targets<'a>,
    metric: Metric,
    scores: Vec<f64>,
}

impl<'a> Validation<'a> {
    fn new(
        features: &FeatureSchema,
        data: &'a Dataset,
        offset: Option<&'a [f64]>,
        loss: Loss,
    ) -> Result<Self, FitError> {
        check_values(data.x())?;
        let x = features.align(data.x()).map_err(FitError::Validation)?;
        let targets = Targets::new(data, offset)?;
        let metric = Metric::new(loss, targets.part());
        Ok(Self { x, targets, metric, scores: Vec::new() })
    }

    fn start(&mut self, base: f64) -> Result<f64, FitError> {
        self.scores = self.targets.part().scores(base);
        self.metric.of(self.targets.part().rows(&self.scores))
    }

    fn add(&mut self, tree: &Tree) -> Result<f64, FitError> {
        add_tree(tree, &ensemble::columns(&self.x), &mut self.scores);
        self.metric.of(self.targets.part().rows(&self.scores))
    }
}

/// Refuses infinite values; missing ones are welcome.
fn check_values(x: &FeatureMatrix) -> Result<(), InputError> {
    if x.n_columns() == 0 {
        return Err(InputError::NoFeatures);
    }
    no_infinities(x, MODEL)
}

/// Scores of the training part after these trees.
fn scores_of(trees: &[Tree], base: f64, x: &FeatureMatrix, part: Part<'_>) -> Vec<f64> {
    let mut scores = part.scores(base);
    let columns = ensemble::columns(x);
    trees.iter().for_each(|tree| add_tree(tree, &columns, &mut scores));
    scores
}

/// Adds each row's leaf value, in the order of the rows' own values alone.
fn add_tree(tree: &Tree, columns: &[Column<'_>], scores: &mut [f64]) {
    const TASK: usize = 4096;
    let walk = |(t, scores): (usize, &mut [f64])| {
        for (i, score) in scores.iter_mut().enumerate() {
            *score += tree.predict(|j| columns[j].value(t * TASK + i));
        }
    };
    if scores.len() < 4 * TASK {
        scores.chunks_mut(TASK).enumerate().for_each(walk);
    } else {
        scores.par_chunks_mut(TASK).enumerate().for_each(walk);
    }
}

/// What must be added to all scores so that the predictions `exp` of them add up to the target.
fn shift(part: Part<'_>, mut scores: Vec<f64>) -> f64 {
    exp_in_place(&mut scores);
    let weight = |i: usize| part.weights.map_or(1.0, |w| w[i]);
    let predicted = exact_sum(scores.iter().enumerate().map(|(i, p)| weight(i) * p));
    let actual = exact_sum(part.y.iter().enumerate().map(|(i, y)| weight(i) * y));
    let shift = (actual / predicted).ln();
    if shift.is_finite() { shift } else { 0.0 }
}

/// The Tweedie power, from a few small trees of the middle power.
fn first_fit(binned: &Binned, growth: &Growth, part: Part<'_>) -> Result<f64, FitError> {
    let (num_iterations, num_leaves, learning_rate) = FIRST_FIT;
    let loss = Loss::new(Objective::Tweedie, 0.0, 0.0, power::POWER_UNKNOWN);
    let growth = Growth { num_leaves: growth.num_leaves.min(num_leaves), ..growth.clone() };
    let base = loss.start(&part.start());
    let mut rounds = Rounds::new(binned, growth, part, loss, base, learning_rate);
    let sampler = Sampler::new(&GbdtParams::default());
    for _ in 0..num_iterations {
        rounds.refresh()?;
        if rounds.step(&sampler).is_none() {
            break;
        }
    }
    let mut means = rounds.into_scores();
    exp_in_place(&mut means);
    Ok(power::estimate(part.y, &means, part.weights))
}

fn growth(params: &GbdtParams, features: &FeatureSchema) -> Result<Growth, FitError> {
    let names: Vec<&str> = features.names().collect();
    let place = |parameter: &'static str, column: &str| {
        names.iter().position(|n| *n == column).ok_or_else(|| FitError::UnknownFeature {
            model: MODEL,
            parameter,
            column: column.to_owned(),
            near: near_names(column, names.iter().copied()),
        })
    };
    let mut monotone = vec![0_i8; names.len()];
    match &params.monotone_constraints {
        MonotoneConstraints::ByName(map) => {
            for (name, &direction) in map {
                monotone[place("monotone_constraints", name)?] = direction;
            }
        }
        MonotoneConstraints::ByPosition(list) if list.is_empty() => {}
        MonotoneConstraints::ByPosition(list) if list.len() == names.len() => monotone.copy_from_slice(list),
        MonotoneConstraints::ByPosition(list) => {
            let (expected, found) = (format!("one for each of {} features", names.len()), list.len().to_string());
            return Err(FitError::Parameter { model: MODEL, parameter: "monotone_constraints", expected, found });
        }
    }
    let sorted = |kind: &FeatureKind| !matches!(kind, FeatureKind::Categorical { .. });
    if let Some(j) = (0..names.len()).find(|&j| monotone[j] != 0 && !sorted(&features.features()[j].kind)) {
        let (expected, found) = ("numeric features".to_owned(), format!("the categorical feature {:?}", names[j]));
        return Err(FitError::Parameter { model: MODEL, parameter: "monotone_constraints", expected, found });
    }
    let mut interactions = Vec::with_capacity(params.interaction_constraints.len());
    for group in &params.interaction_constraints {
        let places: Result<Vec<u32>, FitError> =
            group.iter().map(|name| place("interaction_constraints", name).map(|j| j as u32)).collect();
        interactions.push(places?);
    }
    if !interactions.is_empty() {
        // A column in no group may be used, but meets no other.
        let grouped: BTreeSet<u32> = interactions.iter().flatten().copied().collect();
        interactions.extend((0..names.len() as u32).filter(|j| !grouped.contains(j)).map(|j| vec![j]));
    }
    Ok(Growth {
        num_leaves: params.num_leaves,
        max_depth: usize::try_from(params.max_depth).ok().filter(|&d| d > 0),
        depth_wise: params.grow_policy == GrowPolicy::DepthWise,
        lambda_l1: params.lambda_l1,
        lambda_l2: params.lambda_l2,
        max_delta_step: params.max_delta_step,
        min_data_in_leaf: params.min_data_in_leaf,
        min_sum_hessian_in_leaf: params.min_sum_hessian_in_leaf,
        min_gain_to_split: params.min_gain_to_split,
        cat_smooth: params.cat_smooth,
        cat_l2: params.cat_l2,
        max_cat_threshold: params.max_cat_threshold,
        max_cat_to_onehot: params.max_cat_to_onehot,
        min_data_per_group: params.min_data_per_group,
        monotone,
        interactions,
        feature_fraction_bynode: params.feature_fraction_bynode,
        extra_trees: params.extra_trees,
        seed: params.seed,
    })
}

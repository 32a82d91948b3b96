//! What this run made from what, for `med lake lineage`.

use med_schema::Verdict;
use med_store::{Artifact, ArtifactKind, LineageStep};

use super::record::Record;

// The jobs of a run, in order; [`Record::done`] notes when each was.
pub(super) const LOAD: &str = "load";
pub(super) const TRAINING_SET: &str = "training_set";
pub(super) const TRAIN: &str = "train";
pub(super) const PREDICT: &str = "predict";

/// Loading, freezing the training set, training and predicting, as far as the run came; if a gate stayed closed, the last step says so.
pub(super) fn steps(record: &Record) -> Vec<LineageStep> {
    let step = |job: &str| {
        let (start, end) = record.span(job);
        LineageStep::new(record.id.clone(), job, record.lineage.as_of, &record.lineage.code).done(start, end)
    };
    let source =
        |input: &med_schema::Input| Artifact::new(ArtifactKind::Source, &input.name).fingerprint(input.fingerprint);
    let group = |version| Artifact::new(ArtifactKind::FeatureGroup, &record.feature_group).version(version);
    let model = |version| Artifact::new(ArtifactKind::Model, &record.registered_model).version(version);
    let loaded = record.commit.as_ref().map(|commit| commit.version);
    let set = record.training_set.as_ref();
    let trained: Vec<Artifact> = record.models.iter().filter_map(|m| m.version).map(model).collect();
    let promoted = record.models.iter().find(|m| record.promoted.as_ref() == Some(&m.name)).and_then(|m| m.version);
    let predicts = record.kept.or(promoted).map(model);
    // The set may be older than what was loaded now: it is what it was made of.
    let rows = set.map(|set| group(set.made_of));
    let set = set.map(|set| set.artifact.clone());

    let predictions = predicts.as_ref().map(|_| Artifact::new(ArtifactKind::Predictions, record.id.as_str()));
    let predictor = predicts.or_else(|| set.clone());

    let all: [(&str, Vec<Artifact>, Vec<Artifact>); 4] = [
        (LOAD, record.sources.iter().map(source).collect(), Vec::from_iter(loaded.map(group))),
        (TRAINING_SET, Vec::from_iter(rows.clone()), Vec::from_iter(set.clone())),
        (TRAIN, Vec::from_iter(set), trained),
        (PREDICT, predictor.into_iter().chain(rows).collect(), Vec::from_iter(predictions)),
    ];
    let closed = record.gates.last().filter(|(_, verdict)| *verdict == Verdict::Failed).map(|(gate, _)| *gate);
    let mut steps = Vec::new();
    for (job, inputs, outputs) in all {
        let gate = closed.filter(|gate| job_of(gate) == job);
        if outputs.is_empty() && gate.is_none() {
            continue;
        }
        let step = step(job).inputs(inputs).outputs(outputs);
        steps.push(match gate {
            Some(gate) => step.failed(gate, record.closed.clone()),
            None => step,
        });
    }
    steps
}

/// The job that a gate is part of: what it stops is not done.
fn job_of(gate: &str) -> &'static str {
    match gate {
        "drift" | "models" => TRAIN,
        "predictions" => PREDICT,
        _ => LOAD,
    }
}

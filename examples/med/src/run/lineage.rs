//! What this run made from what, for `med lake lineage`.

use med_store::{Artifact, ArtifactKind, LineageStep};

use super::record::Record;

/// Loading, freezing the training set, training and predicting; a step that did not happen is left out.
pub(super) fn steps(record: &Record) -> Vec<LineageStep> {
    let Some(commit) = &record.commit else { return Vec::new() };
    let step = |job: &str, inputs: Vec<Artifact>, outputs: Vec<Artifact>| LineageStep {
        run: record.id.clone(),
        job: job.to_owned(),
        at: record.lineage.as_of,
        code: record.lineage.code.clone(),
        inputs,
        outputs,
    };
    let group = Artifact::new(ArtifactKind::FeatureGroup, &record.feature_group).version(commit.version);
    let sources = record
        .lineage
        .inputs
        .iter()
        .map(|input| Artifact::new(ArtifactKind::Source, &input.name).fingerprint(input.fingerprint));
    let mut steps = vec![step("load", sources.collect(), vec![group.clone()])];
    let model = |version| Artifact::new(ArtifactKind::Model, &record.registered_model).version(version);
    let trained: Vec<Artifact> = record.models.iter().filter_map(|m| m.version).map(model).collect();
    if let Some(set) = &record.training_set {
        steps.push(step("training_set", vec![group.clone()], vec![set.clone()]));
        if !trained.is_empty() {
            steps.push(step("train", vec![set.clone()], trained));
        }
    }
    let promoted = record.models.iter().find(|m| record.promoted.as_ref() == Some(&m.name)).and_then(|m| m.version);
    if let Some(version) = record.kept.or(promoted) {
        let predictions = Artifact::new(ArtifactKind::Predictions, record.id.as_str());
        steps.push(step("predict", vec![model(version), group], vec![predictions]));
    }
    steps
}

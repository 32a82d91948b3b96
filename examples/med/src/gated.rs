//! Feature groups that take no rows but those which their suite has admitted.

use anyhow::Context;
use med_quality::Suite;
use med_schema::{Fingerprint, RunId, SuiteDocument};
use med_store::StoreError;
use med_store::blocking::{FeatureGroup, Lakehouse};

/// The group with this suite. Where it has another, or none, this one is attached in a commit of its own; versions before it keep the
/// one they came by.
pub(crate) fn by(suite: &SuiteDocument, group: FeatureGroup, lake: &Lakehouse) -> anyhow::Result<FeatureGroup> {
    if group.definition().suite.as_ref() == Some(suite) {
        return Ok(group);
    }
    let now = format!("{} {}", group.definition().id(), group.table().version()?);
    let attaching = RunId::derived_from([Fingerprint::of("suite"), suite.fingerprint(), Fingerprint::of(now)]);
    let (name, version) = (group.definition().name.clone(), group.definition().version);
    match group.attach_suite(attaching, suite.clone()) {
        Err(error @ StoreError::Definition { .. }) => {
            // Another run may have been faster, and wanted the same.
            let group = lake.open_feature_group(&name, Some(version))?;
            if group.definition().suite.as_ref() == Some(suite) { Ok(group) } else { Err(error.into()) }
        }
        attached => Ok(attached?),
    }
}

/// The suite that a group keeps, to check rows by.
pub(crate) fn suite_of(group: &FeatureGroup) -> anyhow::Result<Option<Suite>> {
    let definition = group.definition();
    let kept = definition.suite.as_ref().map(|suite| Suite::from_json(&suite.document().to_string()));
    kept.transpose().with_context(|| format!("the suite of feature group {}", definition.id()))
}

//! med-model through its public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "integration/any_model.rs"]
mod any_model;
#[path = "integration/boosting.rs"]
mod boosting;
#[path = "integration/boosting_levels.rs"]
mod boosting_levels;
#[path = "integration/clients.rs"]
mod clients;
#[path = "integration/explain.rs"]
mod explain;
#[path = "integration/fixtures.rs"]
mod fixtures;
#[path = "integration/glm_goldens.rs"]
mod glm_goldens;
#[path = "integration/glm_invariances.rs"]
mod glm_invariances;
#[path = "integration/glm_links.rs"]
mod glm_links;
#[path = "integration/goldens.rs"]
mod goldens;
#[path = "integration/health.rs"]
mod health;
#[path = "integration/invariances.rs"]
mod invariances;
#[path = "integration/lightgbm.rs"]
mod lightgbm;
#[path = "integration/nasty.rs"]
mod nasty;
#[path = "integration/quality.rs"]
mod quality;
#[path = "integration/stored_models.rs"]
mod stored_models;
#[path = "integration/trees.rs"]
mod trees;
#[path = "integration/trees_levels.rs"]
mod trees_levels;
#[path = "integration/weightless.rs"]
mod weightless;

//! Where everything lies: object paths under the root of the lake.
//!
//! ```text
//! feature_groups/<name>_v<version>/            a Delta table
//! feature_groups/<name>_v<version>/_med/group.json   its definition
//! feature_groups/<name>_v<version>/_med/inserts/<run id>.json   report and statistics of an insert
//! feature_groups/<name>_v<version>/_med/checkpoints/<checkpoint>/<size>-<blake3>   digest of a checkpoint
//! feature_views/<name>_v<version>.json         a view over groups
//! training_sets/<view>_v<version>/<number>.json   the manifest of a training set, and data/<blake3>.parquet
//! lineage/<run id>/<blake3>.json               one step of a run, named after all but its times
//! tables/<name>/                               a Delta table without keys
//! <result kind>/<run id>/<name>                a result, and <name>.blake3 beside it; <name>.erased/ once rows of it were forgotten
//! registry/<name>/versions/<number>.json       a model version
//! registry/<name>/artifacts/<blake3>           the bytes of a model
//! registry/<name>/aliases/<alias>/<number>.json   one move of an alias
//! registry/<name>/log/<number>.json            one step of its lifecycle
//! ```

use med_schema::{Fingerprint, RunId};
use object_store::path::Path;

use crate::{Result, ResultKind, StoreError};

pub(crate) const FEATURE_GROUPS: &str = "feature_groups";
pub(crate) const FEATURE_VIEWS: &str = "feature_views";
pub(crate) const LINEAGE: &str = "lineage";
pub(crate) const TRAINING_SETS: &str = "training_sets";
pub(crate) const REGISTRY: &str = "registry";
/// Ending of the object that holds the digest of the one beside it, in the format of `b3sum`.
pub(crate) const DIGEST: &str = ".blake3";
/// Ending of the object that tells of rows that were erased from the one beside it.
pub(crate) const ERASED: &str = ".erased";

/// Checks a name that becomes part of a path.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<()> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let starts_well = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if starts_well && name.len() <= 128 && name.chars().all(safe) && !name.ends_with(DIGEST) && !name.ends_with(ERASED)
    {
        Ok(())
    } else {
        Err(StoreError::Name { what, found: name.to_owned() })
    }
}

pub(crate) fn group_id(name: &str, version: u32) -> String {
    format!("{name}_v{version}")
}

pub(crate) fn group(name: &str, version: u32) -> Path {
    Path::from_iter([FEATURE_GROUPS, &group_id(name, version)])
}

pub(crate) fn group_definition(name: &str, version: u32) -> Path {
    definition_in(&group(name, version))
}

pub(crate) fn definition_in(group: &Path) -> Path {
    group.clone().join("_med").join("group.json")
}

pub(crate) fn view(name: &str, version: u32) -> Path {
    Path::from_iter([FEATURE_VIEWS, &format!("{}.json", group_id(name, version))])
}

pub(crate) fn training_sets(view: &str, version: u32) -> Path {
    Path::from_iter([TRAINING_SETS, &group_id(view, version)])
}

pub(crate) fn lineage(run: &RunId) -> Path {
    Path::from_iter([LINEAGE, run.as_str()])
}

pub(crate) fn table(name: &str) -> Path {
    Path::from_iter(["tables", name])
}

pub(crate) fn results(kind: ResultKind) -> Path {
    Path::from(kind.folder())
}

pub(crate) fn run_results(kind: ResultKind, run: &RunId) -> Path {
    results(kind).join(run.as_str())
}

pub(crate) fn model(name: &str) -> Path {
    Path::from_iter([REGISTRY, name])
}

pub(crate) fn model_versions(name: &str) -> Path {
    model(name).join("versions")
}

pub(crate) fn model_log(name: &str) -> Path {
    model(name).join("log")
}

pub(crate) fn model_aliases(name: &str) -> Path {
    model(name).join("aliases")
}

pub(crate) fn model_alias(name: &str, alias: &str) -> Path {
    model_aliases(name).join(alias)
}

pub(crate) fn model_bytes(name: &str, content: Fingerprint) -> Path {
    model(name).join("artifacts").join(content.to_string())
}

/// Twenty digits, so that names sort as numbers do.
pub(crate) fn numbered(folder: &Path, number: u64) -> Path {
    folder.clone().join(format!("{number:020}.json"))
}

/// The number of a path made by [`numbered`].
pub(crate) fn number_of(path: &Path) -> Option<u64> {
    path.filename()?.strip_suffix(".json").filter(|digits| digits.len() == 20)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_folder() {
        for good in ["medical_costs", "linear.json", "A-1"] {
            assert!(check_name("name", good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "_delta_log", "a b", "é", "x.blake3", "x.erased", &"x".repeat(129)] {
            assert!(check_name("name", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_sort_as_text_and_come_back() {
        let folder = model_log("m");
        assert!(numbered(&folder, 9) < numbered(&folder, 10));
        assert_eq!(number_of(&numbered(&folder, 42)), Some(42));
        assert_eq!(number_of(&Path::from("registry/m/log/x.json")), None);
    }
}

//! The stages of a model's versions as the sum of its log.

use std::collections::BTreeMap;

use med_schema::{Report, RunId, Version};
use serde::{Deserialize, Serialize};

use crate::{Cause, Stage};

/// Why an entry is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Move {
    /// A version was moved.
    Transition,
    /// The former production version was put back.
    Rollback,
}

/// One step in the life of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// Its number, from 1, without gaps.
    pub sequence: u64,
    /// Why.
    #[serde(rename = "move")]
    pub kind: Move,
    /// The version moved.
    pub version: Version,
    /// Where it was.
    pub from: Stage,
    /// Where it is.
    pub to: Stage,
    /// The production version archived by the same step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<Version>,
    /// The report that allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Report>,
    /// The run that asked for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

/// The state after some entries.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    log: Vec<LogEntry>,
    stages: BTreeMap<Version, Stage>,
    production: Option<Version>,
    /// Versions that were in production before, the latest last: what rollbacks go back through.
    former: Vec<Version>,
}

impl Lifecycle {
    /// Takes in the next entry, unless it does not follow from those before it.
    pub(super) fn push(&mut self, entry: LogEntry) -> Result<(), Cause> {
        let expected = self.entry(entry.kind, entry.version, entry.to, None);
        let found = LogEntry { evidence: None, run: None, ..entry.clone() };
        if found != expected {
            return Err(format!("does not follow from the log: expected {expected:?}, found {found:?}").into());
        }
        match entry.kind {
            Move::Rollback => {
                self.former.pop();
            }
            Move::Transition if entry.to == Stage::Production => match entry.archived {
                Some(archived) => self.former.push(archived),
                // Put back by hand after the present one was withdrawn: as if rolled back.
                None => _ = self.former.pop_if(|former| *former == entry.version),
            },
            Move::Transition => {}
        }
        if let Some(archived) = entry.archived {
            self.stages.insert(archived, Stage::Archived);
        }
        self.stages.insert(entry.version, entry.to);
        if entry.to == Stage::Production {
            self.production = Some(entry.version);
        } else if self.production == Some(entry.version) {
            self.production = None;
        }
        self.log.push(entry);
        Ok(())
    }

    /// The entry that would come next.
    pub(super) fn entry(&self, kind: Move, version: Version, to: Stage, report: Option<&Report>) -> LogEntry {
        LogEntry {
            sequence: self.log.len() as u64 + 1,
            kind,
            version,
            from: self.stage(version),
            to,
            archived: self.production.filter(|&p| to == Stage::Production && p != version),
            evidence: report.cloned(),
            run: None,
        }
    }

    pub(super) fn stage(&self, version: Version) -> Stage {
        self.stages.get(&version).copied().unwrap_or_default()
    }

    pub(super) fn production(&self) -> Option<Version> {
        self.production
    }

    pub(super) fn former_production(&self) -> Option<Version> {
        self.former.last().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    pub(super) fn log(&self) -> &[LogEntry] {
        &self.log
    }

    pub(super) fn into_log(self) -> Vec<LogEntry> {
        self.log
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(life: &mut Lifecycle, kind: Move, version: u64, to: Stage) {
        let entry = life.entry(kind, Version(version), to, None);
        life.push(entry).unwrap();
    }

    #[test]
    fn rollbacks_go_back_through_former_production_versions() {
        let mut life = Lifecycle::default();
        for version in 1..=3 {
            step(&mut life, Move::Transition, version, Stage::Production);
        }
        for expected in [2, 1] {
            let former = life.former_production().unwrap();
            step(&mut life, Move::Rollback, former.0, Stage::Production);
            assert_eq!(life.production(), Some(Version(expected)));
            assert_eq!(life.stage(Version(3)), Stage::Archived);
        }
        assert_eq!(life.former_production(), None);
    }

    #[test]
    fn a_gap_or_a_false_entry_is_found() {
        let mut life = Lifecycle::default();
        step(&mut life, Move::Transition, 1, Stage::Production);
        let next = life.entry(Move::Transition, Version(2), Stage::Production, None);
        assert_eq!(next.archived, Some(Version(1)));
        assert!(life.push(LogEntry { sequence: 3, ..next.clone() }).is_err());
        assert!(life.push(LogEntry { archived: None, ..next.clone() }).is_err());
        assert!(life.push(next).is_ok());
    }

    proptest! {
        #[test]
        fn at_most_one_version_is_in_production(moves in prop::collection::vec((1_u64..5, 0..3_usize), 0..40)) {
            let mut life = Lifecycle::default();
            for (version, to) in moves {
                let to = [Stage::Staging, Stage::Production, Stage::Archived][to];
                if life.stage(Version(version)).allows(to) {
                    step(&mut life, Move::Transition, version, to);
                }
                let holders: Vec<Version> =
                    (1..5).map(Version).filter(|v| life.stage(*v) == Stage::Production).collect();
                prop_assert_eq!(holders, life.production().into_iter().collect::<Vec<_>>());
            }
        }
    }
}

//! Aliases: names such as `champion` that stand for a version and may be moved.
//!
//! A log of numbered documents for each alias, as for stages: who reads it has the history, who appends to it moves the alias.

use std::collections::BTreeMap;

use med_schema::{RunId, Version};
use serde::{Deserialize, Serialize};

use super::{ATTEMPTS, ModelRegistry};
use crate::{Result, StoreError, layout, object, sealed};

/// One move of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AliasEntry {
    /// Its number, from 1, without gaps.
    pub sequence: u64,
    /// The version it stood for before.
    pub from: Option<Version>,
    /// The version it stands for; `None` when it was taken away.
    pub to: Option<Version>,
    /// The run that moved it.
    pub run: RunId,
}

impl ModelRegistry {
    /// Lets an alias of the model stand for a version, or for none. Asking for what it stands for already writes nothing.
    ///
    /// # Errors
    /// When the alias is not a name, there is no such version, or the store fails.
    pub async fn set_alias(&self, name: &str, alias: &str, to: Option<Version>, run: &RunId) -> Result<()> {
        layout::check_name("alias", alias)?;
        if let Some(version) = to {
            self.version(name, version).await?;
        }
        let folder = layout::model_alias(name, alias);
        for _ in 0..ATTEMPTS {
            let log = self.alias_log(name, alias).await?;
            let from = log.last().and_then(|entry| entry.to);
            if from == to {
                return Ok(());
            }
            let entry = AliasEntry { sequence: log.len() as u64 + 1, from, to, run: run.clone() };
            let path = layout::numbered(&folder, entry.sequence);
            if object::put_new(&*self.store, &path, sealed::seal(path.as_ref(), &entry)?).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended { object: folder.to_string(), attempts: ATTEMPTS })
    }

    /// Every move of an alias, oldest first.
    ///
    /// # Errors
    /// When the name is not one, or an entry is damaged.
    pub async fn alias_log(&self, name: &str, alias: &str) -> Result<Vec<AliasEntry>> {
        layout::check_name("model", name)?;
        layout::check_name("alias", alias)?;
        let mut log: Vec<AliasEntry> = Vec::new();
        for meta in object::objects(&*self.store, &layout::model_alias(name, alias)).await? {
            let Some(bytes) = object::get(&*self.store, &meta.location).await? else { continue };
            let entry: AliasEntry = sealed::unseal(&meta.location, &bytes)?;
            if entry.sequence != log.len() as u64 + 1 {
                let source = format!("expected number {} of the log, found {}", log.len() + 1, entry.sequence).into();
                return Err(StoreError::Malformed { object: meta.location.to_string(), source });
            }
            log.push(entry);
        }
        Ok(log)
    }

    /// The aliases that a model has or had, in ascending order.
    ///
    /// # Errors
    /// When the name is not one, or the store fails.
    pub async fn alias_names(&self, name: &str) -> Result<Vec<String>> {
        layout::check_name("model", name)?;
        object::folders(&*self.store, &layout::model_aliases(name)).await
    }

    /// The aliases of a model and the versions they stand for.
    ///
    /// # Errors
    /// As [`ModelRegistry::alias_log`].
    pub async fn aliases(&self, name: &str) -> Result<BTreeMap<String, Version>> {
        let mut aliases = BTreeMap::new();
        for alias in self.alias_names(name).await? {
            if let Some(version) = self.alias_log(name, &alias).await?.last().and_then(|entry| entry.to) {
                aliases.insert(alias, version);
            }
        }
        Ok(aliases)
    }
}

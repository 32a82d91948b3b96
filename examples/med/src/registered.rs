//! Models by the name they are used under: a file, or a version in the registry of a lake.

use std::path::Path;

use anyhow::{Context, bail};
use med_schema::Version;
use med_store::blocking::{Lakehouse, ModelRegistry};
use med_store::{ModelVersion, StoreError};

use crate::command::lake;
use crate::prepared::Prepared;

/// The word for the version that is in production.
pub(crate) const PRODUCTION: &str = "production";

/// The model of this file; or if there is none and it is called `name@version`, that of the registry in the lake, with what
/// the registry says about it.
pub(crate) fn find(model: &Path, location: &str) -> anyhow::Result<(Prepared, Option<ModelVersion>)> {
    let Some((name, wanted)) = named(model).filter(|_| !model.exists()) else {
        return Ok((Prepared::load(model)?, None));
    };
    let registry = lake::open(location)?.registry();
    let version = version(&registry, name, wanted)?;
    Ok((load(&registry, &version)?, Some(version)))
}

/// The model in production, and what the registry says about it.
pub(crate) fn production(lake: &Lakehouse, name: &str) -> anyhow::Result<(Prepared, ModelVersion)> {
    let registry = lake.registry();
    let found = match registry.production(name) {
        Err(StoreError::NotFound { .. }) => None,
        other => other?,
    };
    let version = found.with_context(|| {
        format!("no version of {name} is in production: `med run` or `med model promote` puts one there, --model FILE names another")
    })?;
    Ok((load(&registry, &version)?, version))
}

/// The model of a version, from its verified bytes.
pub(crate) fn load(registry: &ModelRegistry, version: &ModelVersion) -> anyhow::Result<Prepared> {
    let bytes = registry.load(version)?;
    Prepared::from_json(std::str::from_utf8(&bytes)?).with_context(|| format!("{} {}", version.name, version.version))
}

/// Name and version, if it has the form.
fn named(model: &Path) -> Option<(&str, &str)> {
    let (name, version) = model.to_str()?.split_once('@')?;
    let safe = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    (safe(name) && safe(version)).then_some((name, version))
}

/// The version of this number, the one in production, or the one that an alias stands for.
fn version(registry: &ModelRegistry, name: &str, wanted: &str) -> anyhow::Result<ModelVersion> {
    if let Ok(number) = wanted.parse() {
        return Ok(registry.version(name, Version(number))?);
    }
    if wanted == PRODUCTION {
        return registry.production(name)?.with_context(|| format!("no version of {name} is in production"));
    }
    // A model that is not there is told as that, with the names of those that are.
    let aliases = registry.show(name)?.aliases;
    match aliases.get(wanted) {
        Some(version) => Ok(registry.version(name, *version)?),
        None if aliases.is_empty() => {
            bail!("{name} has no alias {wanted:?}, and no other; `med model alias set` makes one")
        }
        None => {
            bail!("{name} has no alias {wanted:?}; there is {}", aliases.into_keys().collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_model_is_told_from_a_path() {
        assert_eq!(named(Path::new("cost@champion")), Some(("cost", "champion")));
        assert_eq!(named(Path::new("cost_v1@3")), Some(("cost_v1", "3")));
        for path in ["model.json", "models/a@b", "cost@", "@3", "a@b@c", "a b@c"] {
            assert_eq!(named(Path::new(path)), None, "{path}");
        }
    }
}

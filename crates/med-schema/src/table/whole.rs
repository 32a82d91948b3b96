//! Files that appear whole or not at all.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::TableError;

/// Writes a file that appears whole or not at all, and is on disk when this returns. Gives its size in bytes.
///
/// # Errors
/// When it cannot be written; nothing is left behind then.
pub fn write_file(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<u64, TableError> {
    let path = path.as_ref();
    write(path, |file| {
        file.write_all(content.as_ref()).map_err(|source| TableError::Io { path: path.to_owned(), source })
    })
}

/// The name a file has while it is written.
pub(super) fn partial_name(path: &Path) -> std::path::PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

/// Writes beside the file and renames, so that the file appears whole or not at all. Returns its size in bytes.
pub(super) fn write(path: &Path, write: impl FnOnce(&mut File) -> Result<(), TableError>) -> Result<u64, TableError> {
    let io = |source| TableError::Io { path: path.to_owned(), source };
    let partial = partial_name(path);
    let mut file = File::create(&partial).map_err(io)?;
    let written = write(&mut file).and_then(|()| {
        file.sync_all().map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        std::fs::rename(&partial, path).map_err(io)?;
        Ok(bytes)
    });
    if written.is_err() {
        // The first error is the one to report; a left-over partial file does no harm.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_a_failed_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.json");
        write_file(&path, "one").unwrap();
        assert_eq!(write_file(&path, "three").unwrap(), 5);
        let failed = write(&path, |_| Err(TableError::Ending { path: path.clone() }));
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write_file(folder.path().join("absent/model.json"), "x").is_err());
    }
}

//! Files that appear whole or not at all.

use std::fs::{File, TryLockError};
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

/// A file to write beside `path`, empty, and held for as long as a handle to it is open: two writers to one path would mix what they
/// write. What a killed one left is no longer held, and written over.
pub(super) fn begin(path: &Path) -> Result<File, TableError> {
    let partial = partial_name(path);
    let io = |source| TableError::Io { path: partial.clone(), source };
    let file = File::options().write(true).create(true).truncate(false).open(&partial).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io(std::io::Error::other("another process is writing it"))),
        // Some file systems have no locks.
        Err(TryLockError::Error(_)) => {}
    }
    file.set_len(0).map_err(io)?;
    Ok(file)
}

/// Writes beside the file and renames, so that the file appears whole or not at all. Returns its size in bytes.
pub(super) fn write(path: &Path, write: impl FnOnce(&mut File) -> Result<(), TableError>) -> Result<u64, TableError> {
    let io = |source| TableError::Io { path: path.to_owned(), source };
    let partial = partial_name(path);
    let mut file = begin(path)?;
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

    #[test]
    fn two_writers_of_one_file_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(partial_name(&path), "left by a killed one").unwrap();
        write(&path, |file| {
            file.write_all(b"first").unwrap();
            let error = write_file(&path, "second").unwrap_err();
            assert!(error.to_string().contains("another process is writing it"), "{error}");
            Ok(())
        })
        .unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(write_file(&path, "second").unwrap(), 6);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

//! Columns that are encrypted in the lake, with keys from the environment.

use std::path::Path;

use super::{Done, command};

const CONFIGURATION: &str = "[encryption]\nfooter = \"FOOTER_KEY\"\n[encryption.columns]\nsmoker = \"SMOKER_KEY\"\n";

fn med(folder: &Path, smoker_key: Option<&str>, arguments: &[&str]) -> Done {
    let mut command = command(folder, arguments);
    command.env("FOOTER_KEY", "00112233445566778899aabbccddeeff").env_remove("SMOKER_KEY");
    if let Some(key) = smoker_key {
        command.env("SMOKER_KEY", key);
    }
    let done = command.output().unwrap();
    Done {
        code: done.status.code().unwrap_or(-1),
        stdout: String::from_utf8(done.stdout).unwrap(),
        stderr: String::from_utf8(done.stderr).unwrap(),
    }
}

#[test]
#[cfg(feature = "encryption")]
fn a_protected_column_is_encrypted_from_the_first_run_on() {
    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("med.toml"), CONFIGURATION).unwrap();
    let run = ["run", "--config", "med.toml"];
    let first = med(folder, Some(KEY), &run);
    let printed = first.stdout.clone();
    let summary = first.passed();
    assert_eq!(summary["rows"]["loaded"], 5000);
    assert_eq!(med(folder, Some(KEY), &run).stdout, printed, "again it is the same");

    // With the keys it reads as ever; without, the column is named.
    let read = ["lake", "read", "medical_costs", "--out", "rows.csv"];
    let with_keys = [&read[..], &["--config", "med.toml"]].concat();
    assert_eq!(med(folder, Some(KEY), &with_keys).passed()["rows"], 5000);
    let refused = med(folder, Some(KEY), &read).refused();
    assert!(refused.contains("\"smoker\" is encrypted, and there is no key for it"), "{refused}");
    let wrong = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let refused = med(folder, Some(wrong), &with_keys).refused();
    assert!(!refused.contains(wrong) && !refused.contains(KEY), "{refused}");
    // A run without the keys does not write the column plainly beside it.
    let refused = med(folder, None, &["run"]).refused();
    assert!(refused.contains("smoker"), "{refused}");
    // Keys are in no file.
    for (name, content) in crate::tree(folder) {
        let told = content.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!told, "{name} holds a key");
    }
}

#[test]
fn keys_that_are_not_there_are_named_by_their_variable() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("med.toml"), CONFIGURATION).unwrap();
    let expected = if cfg!(feature = "encryption") { "SMOKER_KEY" } else { "feature \"encryption\"" };
    for key in [None, Some("not a key")] {
        let refused = med(folder, key, &["run", "--config", "med.toml"]).refused();
        assert!(refused.contains(expected) && !refused.contains("not a key"), "{refused}");
    }
}

//! The binary from outside: its output, its exit codes, and what it leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod claims;
mod drift;
mod encrypted;
mod explain;
mod extract;
mod extract_group;
mod feeds;
mod files;
mod killed;
mod lake;
mod novelty;
mod odd_files;
mod pipeline;
mod profile;
mod roles;
mod scoring;
mod served;
mod vacuumed;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// What one call of `med` came to.
struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("stdout is not one JSON document: {e}\n{}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    fn passed(self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.json()
    }

    /// One message on stderr, no panic, nothing on stdout.
    #[track_caller]
    fn refused(self) -> String {
        assert_eq!(self.code, 2, "{}", self.stderr);
        assert_eq!(self.stdout, "");
        assert!(self.stderr.starts_with("error: ") && !self.stderr.contains("panicked"), "{}", self.stderr);
        self.stderr
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_med"));
    command.current_dir(folder).args(arguments).env_remove("MED_LAKE").env_remove("MED_DATABASE_URL");
    command
}

fn med(folder: &Path, arguments: &[&str]) -> Done {
    let Output { status, stdout, stderr } = command(folder, arguments).output().unwrap();
    Done {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

/// Every file under a folder with its content, but for what is dated by the clock: Delta's log and lineage.
fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(at: &Path, root: &Path, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                // What a killed write leaves under `name#1` is seen by no reader of the store.
                if name.rsplit_once('#').is_some_and(|(_, n)| n.parse::<u32>().is_ok()) {
                    continue;
                }
                let dated = name.contains("_delta_log") || name.contains("/lineage/") || name.starts_with("lineage/");
                found.push((name, if dated { Vec::new() } else { std::fs::read(&path).unwrap() }));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

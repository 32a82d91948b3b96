//! A run that is killed is completed by running it again.

use std::process::Stdio;
use std::time::Duration;

use super::{command, med, tree};

/// Kills at ten moments from before the database is made to after the summary is written. Where exactly each
/// falls depends on the machine; what has to be true at the end does not.
#[test]
fn a_killed_run_is_completed_by_the_next_one() {
    let undisturbed = tempfile::tempdir().unwrap();
    let expected = med(undisturbed.path(), &["run"]).passed();
    let expected_tree = tree(undisturbed.path());
    for moment in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let mut run = command(folder.path(), &["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 + 37 * moment));
        run.kill().unwrap();
        run.wait().unwrap();
        assert_eq!(med(folder.path(), &["run"]).passed(), expected, "killed at moment {moment}");
        let names = |t: &[(String, Vec<u8>)]| t.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        let found = tree(folder.path());
        assert_eq!(names(&found), names(&expected_tree), "killed at moment {moment}");
        let different: Vec<&str> =
            found.iter().zip(&expected_tree).filter(|(a, b)| a.1 != b.1).map(|(a, _)| a.0.as_str()).collect();
        assert!(different.is_empty(), "{different:?}");
    }
}

#[test]
fn runs_that_start_at_once_come_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let start = || command(folder.path(), &["run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let runs: Vec<_> = (0..3).map(|_| start()).collect();
    let done: Vec<_> = runs.into_iter().map(|run| run.wait_with_output().unwrap()).collect();
    for one in &done {
        assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
        assert_eq!(one.stdout, done[0].stdout);
    }
    assert_eq!(med(folder.path(), &["model", "ls"]).passed()["models"][0]["versions"].as_array().unwrap().len(), 4);
}

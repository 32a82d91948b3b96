//! `med`: the whole pipeline as one thin command. Each subcommand parses, calls the crates, and prints.
//!
//! Exit codes: 0 done and every gate passed, 1 done but a check or gate failed, 2 could not be done.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cli;
mod command;
mod config;
mod encryption;
mod feed;
mod gated;
mod intervals;
mod learner;
mod memory;
mod notes;
mod output;
mod prepared;
mod progress;
mod registered;
mod run;
mod table_file;
mod toml_text;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::output::Outcome;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run(args) => {
            memory::give_back();
            run::run(&args)
        }
        Command::Check(args) => command::check::run(&args),
        Command::Profile(args) => command::profile::run(&args),
        Command::Drift(args) => command::drift::run(&args),
        Command::Select(args) => command::select::run(&args),
        Command::Train(args) => command::train::run(&args),
        Command::Predict(args) => command::predict::run(&args),
        Command::Evaluate(args) => command::evaluate::run(&args),
        Command::Explain(args) => command::explain::run(&args),
        Command::Extract(args) => command::extract::run(&args),
        Command::Generate(args) => command::generate::run(&args),
        Command::Lake(args) => command::lake::run(&args),
        Command::Model(args) => command::model::run(&args),
        Command::Report(args) => command::report::run(&args),
    };
    match done {
        Ok(Outcome::Passed) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Err(error) => {
            output::note(&format!("error: {}", output::chain(&error)));
            ExitCode::from(2)
        }
    }
}

//! Search for hyper-parameters: what to try (`space`), how (`search`), which of it to take (`choose`).
//!
//! Random search (Bergstra and Bengio 2012, JMLR 13:281) and successive halving (Jamieson and Talwalkar 2016): many trials
//! on few trees or rows, the best share of them on more, and so on. Trials are judged by cross-validation and run one
//! after the other, the folds of each in parallel; the table of trials is the same for any number of threads.

mod choose;
mod search;
mod space;

pub use choose::{Simpler, TrialSelection};
pub use search::{
    Halving, Resource, Search, SearchResult, Trial, TrialOutcome, TrialProgress, TuneError, Tuned, random_search,
    successive_halving,
};
pub use space::{Range, SearchSpace};

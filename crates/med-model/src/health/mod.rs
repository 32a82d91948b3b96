//! Models made for medical cost: many people without any, a few with very much.
//!
//! `two_part` multiplies the probability of a cost by its expected size; `log_ols` is least squares on the logarithm,
//! brought back to money by smearing; `extended` estimates link and variance with the coefficients; `diagnostics` says which link and which variance a cost asks for. `scoring` holds
//! the likelihoods they share.

mod diagnostics;
mod extended;
mod log_ols;
mod scoring;
mod summary;
mod two_part;

pub use diagnostics::{
    BoxCox, CopasTest, HosmerLemeshow, LinkTest, ParkTest, ResetTest, box_cox, box_cox_regression, copas_test,
    hosmer_lemeshow, link_test, park_test, reset_test,
};
pub use extended::{Eee, EeeErrors, EeeModel, EeeParams};
pub use log_ols::{LogOls, LogOlsModel, LogOlsParams, Smearing};
pub use summary::{MarginalEffect, PartSummary, TwoPartSummary};
pub use two_part::{FirstPart, TwoPart, TwoPartCalibration, TwoPartEngine, TwoPartModel, TwoPartParams};

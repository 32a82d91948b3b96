//! Accounts in double entry: charges, payments of the same money, and transfers in and out.

use med_etl::client_year::{OutsideEnrolment, Rule};

use super::{config, floats, roll_up, whole};

#[test]
fn only_charges_are_costs() {
    let mut config = config("synthea");
    config.rules.outside_enrolment = OutsideEnrolment::Keep;
    let years = roll_up("synthea", &config);
    let ledger = &years.report.tables[0].ledger;
    assert_eq!((ledger.read, ledger.kept, ledger.kept_cents), (5_228, 1_545, 109_240_273));
    let entries = ledger.of(Rule::EntryType).unwrap();
    // Payments and transfers out have no amount in this column; transfers in tell 557,125.52 again.
    assert_eq!((entries.removed, entries.removed_cents), (1_843 + 2 * 920, 55_712_552));
    assert_eq!(years.report.first_day.unwrap().to_string(), "1968-01-21");
    assert_eq!(years.report.clients, 27);
}

#[test]
fn payments_can_be_the_cost_instead_and_exceed_the_charges() {
    let mut config = config("synthea");
    config.rules.outside_enrolment = OutsideEnrolment::Keep;
    config.transactions[0].amount = "PAYMENTS".to_owned();
    let entry = config.transactions[0].entry.as_mut().unwrap();
    std::mem::swap(&mut entry.cost[0], &mut entry.ignore[0]);
    let years = roll_up("synthea", &config);
    assert_eq!(years.report.tables[0].ledger.kept_cents, 110_350_395);
}

#[test]
fn an_entry_type_in_no_list_is_an_error() {
    let mut config = config("synthea");
    config.transactions[0].entry.as_mut().unwrap().ignore.pop();
    let error = std::panic::catch_unwind(|| roll_up("synthea", &config)).unwrap_err();
    let text = error.downcast_ref::<String>().unwrap();
    assert!(text.contains("UnknownCode") && text.contains("920"), "{text}");
}

#[test]
fn years_without_cost_are_true_zeros() {
    let years = roll_up("synthea", &config("synthea"));
    assert_eq!(years.report.windows.len(), 5);
    let zeros: u64 = years.report.windows.iter().map(|w| w.true_zeros).sum();
    assert!(zeros > 0);
    assert!(floats(&years, "exposure_years").iter().all(|&e| e > 0.0 && e <= 1.0));
    // Two years of history give the year before and the one before that.
    let prior = whole(&years, "prior_year_cost_cents");
    let older = whole(&years, "prior_year_2_cost_cents");
    let history = whole(&years, "history_cost_cents");
    assert!(prior.iter().zip(&older).zip(&history).all(|((a, b), all)| a + b == *all));
    // A client's target of one year is the prior year's cost at the next cut-off.
    let ids: Vec<&str> = years.table.frame().column("client_id").unwrap().str().unwrap().iter().flatten().collect();
    let targets = whole(&years, "target_cost_cents");
    let exposure = floats(&years, "exposure_years");
    let mut compared = 0;
    for row in 1..ids.len() {
        if ids[row] == ids[row - 1] && exposure[row - 1] == 1.0 {
            assert_eq!(targets[row - 1], prior[row]);
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

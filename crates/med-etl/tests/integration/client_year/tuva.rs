//! Claim lines of 100 members: the figures are those of `fixtures/SOURCES.md`, counted apart from this code.

use med_etl::client_year::{ClaimsConfig, MissingKnownAt, OutsideEnrolment, Rule, Windows};

use super::{config, floats, roll_up, whole};

fn year_2018() -> Windows {
    Windows { cut_offs: vec!["2018-01-01".parse().unwrap()], history_months: 12, target_months: 12 }
}

#[test]
fn header_amounts_count_once() {
    let mut config = config("tuva");
    config.rules.outside_enrolment = OutsideEnrolment::Keep;
    let years = roll_up("tuva", &config);
    let [medical, pharmacy] = &years.report.tables[..] else { panic!() };
    assert_eq!((medical.ledger.read, medical.ledger.read_cents), (6_075, 397_027_495));
    // 289,024.62 of institutional claims, each counted once, and 227,236.83 of professional lines.
    assert_eq!(medical.ledger.kept_cents, 28_902_462 + 22_723_683);
    let repeats = medical.ledger.of(Rule::HeaderAmount).unwrap();
    assert_eq!((repeats.removed, repeats.removed_cents), (1_205 - 237, 374_303_812 - 28_902_462));
    assert_eq!((pharmacy.ledger.read, pharmacy.ledger.kept_cents), (612, 18_800_097));
}

#[test]
fn the_trap_is_noticed_when_the_configuration_does_not_name_it() {
    let mut config = config("tuva");
    config.transactions[0].header_claim_types.clear();
    config.rules.outside_enrolment = OutsideEnrolment::Keep;
    let years = roll_up("tuva", &config);
    assert_eq!(years.report.tables[0].ledger.kept_cents, 374_303_812 + 22_723_683);
    let header =
        |form: &str| years.report.headers.iter().find(|h| h.claim_type.as_deref() == Some(form)).unwrap().clone();
    let institutional = header("institutional");
    assert_eq!((institutional.claims, institutional.repeated), (190, 190), "five more have no amount at all");
    assert!(institutional.suspect() && !header("professional").suspect());
    let report = years.report.checks("client_years");
    let failed: Vec<_> =
        report.results.iter().filter(|r| r.check == "header_amounts_count_once" && !r.passed()).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].message.as_ref().unwrap().contains("190 of 190 claims of form type \"institutional\""));
}

#[test]
fn negative_lines_net_or_go() {
    use med_etl::client_year::Reversals;
    let mut config = config("tuva");
    config.rules.reversals = Reversals::Drop;
    let years = roll_up("tuva", &config);
    // Five lines, each with the amount of one claim: four repeat it, the fifth is the reversal.
    let reversal = years.report.tables[0].ledger.of(Rule::Reversal).unwrap();
    assert_eq!((reversal.removed, reversal.removed_cents), (1, -9_955));
}

#[test]
fn exposure_is_the_union_of_spans() {
    let mut config = config("tuva");
    config.windows = year_2018();
    let years = roll_up("tuva", &config);
    let enrolment = years.report.enrolment;
    assert_eq!((enrolment.spans, enrolment.clients, enrolment.gaps, enrolment.overlaps), (219, 100, 119, 0));
    assert_eq!(years.report.clients, 100);
    let window = &years.report.windows[0];
    assert_eq!(window.rows + window.without_exposure, 100);
    // All spans begin on the first day of a month and end on its last, so days and months tell the same, but for deaths.
    let months: f64 = floats(&years, "exposure_years").iter().sum::<f64>() * 12.0;
    assert!(window.true_zeros > 0 && (months - window.exposure_years * 12.0).abs() < 1e-9);
    let targets = whole(&years, "target_cost_cents");
    assert_eq!(targets.iter().map(|&t| i128::from(t)).sum::<i128>(), window.target.kept_cents);
    let zeros = targets.iter().filter(|&&t| t == 0).count() as u64;
    assert!(zeros >= window.true_zeros, "{zeros}");
}

#[test]
fn costs_outside_enrolment_are_told() {
    let years = roll_up("tuva", &config("tuva"));
    let outside: u64 =
        years.report.tables.iter().filter_map(|t| t.ledger.of(Rule::OutsideEnrolment)).map(|e| e.removed).sum();
    let repeats = years.report.tables[0].ledger.of(Rule::HeaderAmount).unwrap().removed;
    assert!(outside > 0 && repeats == 968, "{outside}");
    let check =
        years.report.checks("c").results.into_iter().find(|r| r.check == "transactions_within_enrolment").unwrap();
    assert!(!check.passed() && check.unexpected_rows == Some(outside));
}

/// The sample says of no line when it was paid: the column is there and tells nothing.
#[test]
fn days_of_payment_that_are_empty_throughout_keep_no_line_from_features() {
    let mut config = config("tuva");
    let history = |config: &ClaimsConfig| whole(&roll_up("tuva", config), "history_cost_cents");
    let unseen = history(&config);
    assert!(unseen.iter().sum::<i64>() > 0);
    let report = roll_up("tuva", &config).report;
    let check = report.checks("c").failures().find(|r| r.check == "rows_say_since_when_they_are_known").cloned();
    assert!(check.is_some() && report.tables[0].oddities.unknown_since > 6_000);
    config.rules.missing_known_at = MissingKnownAt::OwnDay;
    assert_eq!(history(&config), unseen);
}

#[test]
fn conditions_follow_codes_and_hierarchy() {
    let years = roll_up("tuva", &config("tuva"));
    let flags = |name: &str| whole(&years, &format!("condition_{name}"));
    assert!(flags("hypertension").iter().sum::<i64>() > 0 && flags("ischaemic_heart").iter().sum::<i64>() > 0);
    let both = flags("heart_failure").iter().zip(flags("hypertension")).filter(|(a, b)| **a == 1 && *b == 1).count();
    assert_eq!(both, 0, "heart failure supersedes hypertension");
}

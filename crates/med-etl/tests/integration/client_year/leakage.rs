//! Whatever happens after a cut-off, or becomes known after it, no feature moves.

use chrono::{NaiveDate, TimeDelta};
use med_etl::client_year::{ClaimsConfig, ClientYears, DuplicateLines, MissingKnownAt, OutsideEnrolment, Reversals};
use med_schema::Role;
use proptest::prelude::*;

use super::{csv, of_frames};

const CUT_OFF: &str = "2020-01-01";
const CODES: [&str; 4] = ["E11.9", "E11.22", "I10", "Z00"];

/// A transaction by its days from the cut-off.
#[derive(Debug, Clone)]
struct Entry {
    client: u8,
    claim: u8,
    line: u8,
    day: i64,
    /// Days from service to being known; nothing where the row does not say it.
    delay: Option<i64>,
    cents: i64,
    institutional: bool,
    service: bool,
    code: usize,
}

impl Entry {
    fn is_past(&self) -> bool {
        self.day < 0 && self.delay.is_some_and(|delay| self.day + delay < 0)
    }
}

/// Few claims, lines and amounts, so that repetitions, duplicates and reversals are common.
fn entry(day: impl Strategy<Value = i64>, delay: impl Strategy<Value = Option<i64>>) -> impl Strategy<Value = Entry> {
    let cents = prop_oneof![Just(100), Just(-100), Just(250), -400..1_000_i64];
    (0..3_u8, 0..4_u8, 0..3_u8, day, delay, cents, any::<bool>(), any::<bool>(), 0..CODES.len()).prop_map(
        |(client, claim, line, day, delay, cents, institutional, service, code)| Entry {
            client,
            claim,
            line,
            day,
            delay,
            cents,
            institutional,
            service,
            code,
        },
    )
}

/// With a row that says when it became known: a column where none does says nothing.
fn past() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(entry(-500..0_i64, (0..60_i64).prop_map(Some)), 0..25).prop_map(|mut past| {
        past.push(paid());
        past
    })
}

/// A line of the second client that was known at the cut-off.
fn paid() -> Entry {
    Entry { client: 1, claim: 3, ..drug(-200, Some(1)) }
}

/// Dated after the cut-off, or before it and known after it or nobody knows when.
fn future() -> impl Strategy<Value = Vec<Entry>> {
    let after = entry(0..500_i64, prop::option::of(-30..60_i64));
    let late = entry(-300..0_i64, prop::option::of(300..600_i64));
    prop::collection::vec(prop_oneof![after, late], 0..25)
}

fn config(reversals: Reversals, duplicate_lines: DuplicateLines, outside_enrolment: OutsideEnrolment) -> ClaimsConfig {
    let mut config: ClaimsConfig = toml::from_str(&format!(
        r#"
        windows = {{ cut_offs = ["{CUT_OFF}"], history_months = 14, target_months = 9 }}
        enrolment = {{ table = "spans", client = "id", start = "from", end = "to" }}
        features = {{ rolling_months = [1, 6] }}

        [[transactions]]
        table = "lines"
        client = "id"
        date = "day"
        known_at = "known"
        amount = "cents"
        amount_unit = "cents"
        claim = "claim"
        line = "line"
        claim_type = "form"
        header_claim_types = ["institutional"]
        codes = ["code"]
        services = [{{ service = "drug", column = "service", values = ["drug"] }}]

        [conditions]
        categories = [
            {{ name = "diabetes", prefixes = ["E11"] }},
            {{ name = "kidney", prefixes = ["E112"], over = ["diabetes"] }},
            {{ name = "pressure", codes = ["I10"] }},
        ]
        "#
    ))
    .unwrap();
    config.rules.reversals = reversals;
    config.rules.duplicate_lines = duplicate_lines;
    config.rules.outside_enrolment = outside_enrolment;
    config
}

fn any_config() -> impl Strategy<Value = ClaimsConfig> {
    let reversals = prop_oneof![Just(Reversals::Net), Just(Reversals::Pair), Just(Reversals::Drop)];
    let duplicates = prop_oneof![Just(DuplicateLines::Drop), Just(DuplicateLines::Keep)];
    let outside =
        prop_oneof![Just(OutsideEnrolment::Drop), Just(OutsideEnrolment::Keep), Just(OutsideEnrolment::GraceDays(40))];
    (reversals, duplicates, outside).prop_map(|(r, d, o)| config(r, d, o))
}

const SPANS: &str =
    "id,from,to\n0,2018-01-01,2020-12-31\n1,2018-06-01,2019-03-31\n1,2019-06-01,2020-06-30\n2,2019-11-15,\n";

fn years(config: &ClaimsConfig, entries: &[Entry]) -> ClientYears {
    let cut_off: NaiveDate = CUT_OFF.parse().unwrap();
    let mut lines = "id,day,known,cents,claim,line,form,service,code\n".to_owned();
    for e in entries {
        let day = cut_off + TimeDelta::days(e.day);
        let known = e.delay.map_or_else(String::new, |delay| (day + TimeDelta::days(delay)).to_string());
        let form = if e.institutional { "institutional" } else { "professional" };
        let service = if e.service { "drug" } else { "visit" };
        let Entry { client, claim, line, cents, code, .. } = e;
        lines += &format!("{client},{day},{known},{cents},{claim},{line},{form},{service},{}\n", CODES[*code]);
    }
    of_frames(config, |table| csv(if table == "spans" { SPANS } else { &lines }))
}

/// Every column but target and exposure.
fn features(years: &ClientYears) -> Vec<(String, Vec<String>)> {
    let outcome = |role| matches!(role, Role::Target | Role::Exposure);
    let columns = years.table.schema().columns().iter().filter(|c| !outcome(c.role));
    columns
        .map(|c| {
            let column = years.table.frame().column(&c.name).unwrap();
            let cells = (0..column.len()).map(|row| format!("{:?}", column.get(row).unwrap()));
            (c.name.clone(), cells.collect())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_feature_moves_with_the_future(
        config in any_config(), past in past(), one in future(), other in future(), turn in any::<prop::sample::Index>(),
    ) {
        let past: Vec<Entry> = past.into_iter().filter(Entry::is_past).collect();
        let mut first: Vec<Entry> = past.iter().chain(&one).cloned().collect();
        let second: Vec<Entry> = past.iter().chain(&other).cloned().collect();
        // Neither does the order of rows matter.
        let place = turn.index(first.len().max(1));
        if !first.is_empty() {
            first.rotate_left(place);
        }
        let expected = features(&years(&config, &past));
        prop_assert_eq!(&features(&years(&config, &first)), &expected);
        prop_assert_eq!(&features(&years(&config, &second)), &expected);
    }
}

/// A line of the first client: kidneys, and a drug for 7.00.
fn drug(day: i64, delay: Option<i64>) -> Entry {
    Entry { client: 0, claim: 1, line: 1, day, delay, cents: 700, institutional: false, service: true, code: 1 }
}

fn first(years: &ClientYears, column: &str) -> i64 {
    super::whole(years, column)[0]
}

#[test]
fn what_does_not_say_since_when_it_is_known_is_seen_by_no_feature_and_told() {
    let mut config = config(Reversals::Net, DuplicateLines::Drop, OutsideEnrolment::Drop);
    let of = |years: &ClientYears| ["cost_drug_cents", "claim_count", "condition_kidney"].map(|c| first(years, c));
    let check = |years: &ClientYears| {
        let report = years.report.checks("client_years");
        let found = report.results.iter().find(|r| r.check == "rows_say_since_when_they_are_known").unwrap();
        (found.passed(), found.message.clone().unwrap_or_default())
    };
    let unknown = years(&config, &[drug(-300, None), paid()]);
    assert_eq!(of(&unknown), [0, 0, 0]);
    assert_eq!(unknown.report.tables[0].oddities.unknown_since, 1);
    let (passed, message) = check(&unknown);
    assert!(!passed && message.contains("1 of 2 transactions and 0 diagnoses have no day in known_at"), "{message}");
    // Where no row says it by then, the column says nothing.
    for silent in [vec![drug(-300, None)], vec![drug(-300, None), Entry { client: 1, ..drug(-200, Some(200)) }]] {
        let silent = years(&config, &silent);
        assert_eq!((of(&silent), check(&silent).0), ([700, 1, 1], false));
    }
    // A cost of its day it is all the same.
    assert_eq!(first(&years(&config, &[drug(10, None)]), "target_cost_cents"), 700);
    assert!(check(&years(&config, &[drug(-300, Some(5))])).0);

    config.rules.missing_known_at = MissingKnownAt::OwnDay;
    let at_once = years(&config, &[drug(-300, None)]);
    assert_eq!(of(&at_once), [700, 1, 1]);
    assert!(!check(&at_once).0, "it is told whatever the rule");
    // Where no column is mapped there is nothing to be missing.
    config.rules.missing_known_at = MissingKnownAt::Unseen;
    config.transactions[0].known_at = None;
    let unmapped = years(&config, &[drug(-300, None)]);
    assert_eq!(of(&unmapped), [700, 1, 1]);
    assert!(check(&unmapped).0);
}

#[test]
fn diagnoses_that_do_not_say_since_when_they_are_known_raise_no_flag() {
    let mut config = config(Reversals::Net, DuplicateLines::Drop, OutsideEnrolment::Drop);
    let table = "table = 'notes'\nclient = 'id'\ndate = 'day'\nknown_at = 'known'\ncodes = ['code']";
    config.diagnoses.push(toml::from_str(table).unwrap());
    let flags = |config: &ClaimsConfig| {
        let years = of_frames(config, |table| {
            csv(match table {
                "spans" => SPANS,
                "notes" => "id,day,known,code\n0,2019-06-01,,I10\n0,2019-06-01,2019-06-02,E11\n",
                _ => "id,day,known,cents,claim,line,form,service,code\n",
            })
        });
        let of = |name| first(&years, name);
        (of("condition_pressure"), of("condition_diabetes"), years.report.diagnoses_unknown_since)
    };
    assert_eq!(flags(&config), (0, 1, 1));
    config.rules.missing_known_at = MissingKnownAt::OwnDay;
    assert_eq!(flags(&config), (1, 1, 1));
}

#[test]
fn what_is_known_late_comes_to_the_target_of_its_own_day_only() {
    let config = config(Reversals::Net, DuplicateLines::Drop, OutsideEnrolment::Drop);
    let line = |day, delay| drug(day, Some(delay));
    let known = years(&config, &[line(-20, 5)]);
    assert_eq!((first(&known, "cost_drug_cents"), first(&known, "condition_kidney")), (700, 1));
    let late = years(&config, &[line(-20, 25)]);
    assert_eq!((first(&late, "cost_drug_cents"), first(&late, "condition_kidney")), (0, 0));
    assert_eq!(first(&late, "target_cost_cents"), 0, "its service was before the target window");
    let after = years(&config, &[line(10, 25)]);
    assert_eq!((first(&after, "history_cost_cents"), first(&after, "target_cost_cents")), (0, 700));
}

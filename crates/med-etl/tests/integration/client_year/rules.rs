//! Each rule on a feed made up for it, and what must hold for any feed.

use med_etl::client_year::{
    ClaimsConfig, ClientYearError, ClientYears, Inclusion, LargeClaims, MemberMonths, Pooling, RollUp, Rule,
    UnknownClients, Unreadable, in_currency_units,
};
use proptest::prelude::*;

use super::{csv, floats, of_frames, whole};

fn config(more: &str) -> ClaimsConfig {
    toml::from_str(&format!(
        r#"
        windows = {{ cut_offs = ["2020-01-01"] }}
        {more}
        [enrolment]
        table = "spans"
        client = "id"
        start = "from"
        end = "to"

        [[transactions]]
        table = "lines"
        client = "id"
        date = "day"
        amount = "paid"
        claim = "claim"
        "#
    ))
    .unwrap()
}

const SPANS: &str = "id,from,to\nann,2019-01-01,2020-12-31\nbob,2019-07-01,2020-06-30\ncid,2018-01-01,2019-12-31\n";

fn years(config: &ClaimsConfig, lines: &str) -> ClientYears {
    of_frames(config, |table| csv(if table == "spans" { SPANS } else { lines }))
}

fn refused(config: &ClaimsConfig, lines: &str) -> String {
    let mut roll_up = RollUp::new(config).unwrap();
    roll_up.push_reference("spans", &csv(SPANS)).unwrap();
    roll_up.push_events("lines", &csv(lines)).unwrap_err().to_string()
}

#[test]
fn clients_without_a_transaction_are_true_zeros() {
    let years =
        years(&config(""), "id,day,paid,claim\nann,2020-03-01,10.00,1\ncid,2020-03-01,5.00,2\nann,2019-05-01,1.00,3\n");
    assert_eq!(whole(&years, "target_cost_cents"), [1_000, 0]);
    assert_eq!(whole(&years, "prior_year_cost_cents"), [100, 0]);
    assert_eq!(floats(&years, "exposure_years"), [1.0, 0.5]);
    assert_eq!(floats(&years, "history_member_months"), [12.0, 6.0]);
    let window = &years.report.windows[0];
    assert_eq!((window.rows, window.true_zeros, window.without_exposure), (2, 1, 1));
    assert_eq!(years.report.total().of(Rule::OutsideEnrolment).unwrap().removed_cents, 500);
}

#[test]
fn enrolment_may_be_told_month_by_month() {
    let mut config = config("");
    let enrolment = config.enrolment.as_mut().unwrap();
    (enrolment.whole_months, enrolment.end, enrolment.date_format) = (true, None, Some("%Y%m".to_owned()));
    let months = "id,from\nann,202001\nann,202002\nann,202002\nann,202004\n";
    let lines = "id,day,paid,claim\nann,2020-02-29,1,1\nann,2020-03-01,1,2\n";
    config.transactions[0].date_format = Some("%Y-%m-%d".to_owned());
    let years = of_frames(&config, |table| csv(if table == "spans" { months } else { lines }));
    assert_eq!((whole(&years, "target_cost_cents")[0], floats(&years, "exposure_years")[0]), (100, 0.25));
    config.enrolment.as_mut().unwrap().end = Some("to".to_owned());
    assert!(RollUp::new(&config).unwrap_err().to_string().contains("there is no end"));
}

#[test]
fn clients_may_have_several_rows_and_no_enrolment() {
    let config: ClaimsConfig = toml::from_str(
        r#"
        windows = { cut_offs = ["2020-01-01"] }
        clients = { table = "people", client = "id", birth_date = "born", death_date = "died", valid_from = "since", attributes = ["plan", { column = "score", numeric = true }] }
        transactions = [{ table = "lines", client = "id", date = "day", amount = "paid", amount_unit = "decimal_comma" }]
        "#,
    )
    .unwrap();
    let people = "id,born,died,since,plan,score\n\
        ann,1980-01-02,,2018-01-01,bronze,1.5\nann,1980-01-02,,2019-06-01,silver,2\nann,1980-01-02,,2020-02-01,gold,3\n\
        bob,1950-06-01,2020-03-31,2019-01-01,bronze,\nbob,1950-06-01,2020-03-31,2019-01-01,silver,\n";
    let lines = "id,day,paid\nann,2020-05-01,\"1.234,50\"\nbob,2020-04-01,\"9,99\"\n";
    let years = of_frames(&config, |table| csv(if table == "people" { people } else { lines }));
    let plan: Vec<Option<&str>> = years.table.frame().column("plan").unwrap().str().unwrap().iter().collect();
    assert_eq!(plan, [Some("silver"), None], "as it held on the cut-off day; contradictions are missing");
    assert_eq!(years.report.conflicting_attributes, 1);
    assert_eq!(whole(&years, "age"), [39, 69]);
    assert_eq!(years.table.numbers("score").unwrap().as_slice()[0], 2.0);
    assert_eq!(whole(&years, "target_cost_cents"), [123_450, 0], "nothing after death");
    assert!((floats(&years, "exposure_years")[1] - 0.25).abs() < 1e-12);
    assert_eq!(years.report.enrolment.ended_by_death, 1);
}

#[test]
fn who_has_a_row_can_be_narrowed() {
    let mut config = config("");
    config.rules.inclusion = Inclusion { min_history_months: 9.0, ..Inclusion::default() };
    let years = years(&config, "id,day,paid,claim\nbob,2020-03-01,10.00,1\n");
    assert_eq!((years.report.windows[0].rows, years.report.windows[0].not_included), (1, 1));
    let target = &years.report.windows[0].target;
    assert_eq!((target.read_cents, target.kept_cents), (1_000, 0));
    assert_eq!(target.of(Rule::NoRow).unwrap().removed_cents, 1_000);
}

#[test]
fn every_day_of_a_window_is_all_of_its_months() {
    // From a leap day on, shares of calendar months add up to less than twelve.
    let mut config = config("");
    config.windows.cut_offs = vec!["2020-02-29".parse().unwrap()];
    config.rules.inclusion = Inclusion { min_target_months: 12.0, min_history_months: 12.0, ..Inclusion::default() };
    let rows = |spans: &str| {
        let spans = format!("id,from,to\n{spans}\n");
        let lines = "id,day,paid,claim\nann,2020-03-01,10.00,1\n";
        of_frames(&config, |table| csv(if table == "spans" { &spans } else { lines })).report.windows[0].rows
    };
    assert_eq!(rows("ann,2019-02-28,2020-06-30\nann,2020-07-01,2021-02-27"), 1);
    assert_eq!(rows("ann,2019-02-28,2021-02-26"), 0, "the last day is missing");
    assert_eq!(rows("ann,2019-02-28,2020-06-30\nann,2020-07-02,2021-02-27"), 0, "a day between is missing");
}

#[test]
fn currencies_and_prices_are_brought_to_one_base() {
    let mut config = config(
        r#"
        [rules]
        currency = { base = "EUR", rates = { USD = 0.5 } }
        inflation = { index = { base_year = 2020, by_year = { 2019 = 100.0, 2020 = 110.0 } } }
        "#,
    );
    config.transactions[0].currency = Some("currency".to_owned());
    let lines =
        "id,day,paid,claim,currency\nann,2020-03-01,10.00,1,USD\nann,2019-03-01,10.00,2,EUR\nann,2020-03-01,1.00,3,\n";
    let years = years(&config, lines);
    assert_eq!(whole(&years, "target_cost_cents")[0], 600);
    assert_eq!(whole(&years, "history_cost_cents")[0], 1_100);
    let total = years.report.total();
    assert_eq!(total.of(Rule::Currency).unwrap().changed_cents, -500);
    assert_eq!(total.of(Rule::Inflation).unwrap().changed_cents, 100);
    let text = refused(&config, "id,day,paid,claim,currency\nann,2020-03-01,1,1,GBP\n");
    assert!(text.contains("rules.currency.rates, GBP for one, in 1 rows"), "{text}");
    let text = refused(&config, "id,day,paid,claim,currency\nann,2018-03-01,1,1,EUR\n");
    assert!(text.contains("years without an index"), "{text}");
}

#[test]
fn large_claims_are_cut_and_pooled() {
    let mut config = config("");
    config.rules.large_claims = Some(LargeClaims { threshold: 100.0, pooling: Pooling::Exposure });
    let lines = "id,day,paid,claim\nann,2020-03-01,400.00,1\nbob,2020-03-01,7.00,2\n";
    let cut = years(&config, lines);
    assert_eq!(whole(&cut, "target_cost_cents"), [30_000, 10_700]);
    assert_eq!(cut.report.windows[0].truncated, 1);
    config.rules.large_claims = Some(LargeClaims { threshold: 100.0, pooling: Pooling::None });
    let cut = years(&config, lines);
    assert_eq!(whole(&cut, "target_cost_cents"), [10_000, 700]);
    assert_eq!(cut.report.windows[0].target.of(Rule::LargeClaim).unwrap().changed_cents, -30_000);
}

#[test]
fn targets_below_zero_become_zero_and_say_so() {
    let years = years(&config(""), "id,day,paid,claim\nann,2020-03-01,-4.00,1\n");
    assert_eq!(whole(&years, "target_cost_cents"), [0, 0]);
    assert_eq!(years.report.windows[0].target.of(Rule::NegativeTotal).unwrap().changed_cents, 400);
    assert_eq!(years.report.windows[0].true_zeros, 1, "the one client without a transaction");
}

#[test]
fn a_reversed_claim_is_not_counted() {
    let mut config = config("");
    config.transactions[0].reverses = Some("of".to_owned());
    let lines = "id,day,paid,claim,of\nann,2019-03-01,10,1,\nann,2019-04-01,-10,2,1\nann,2019-05-01,0,3,\n";
    let years = years(&config, lines);
    assert_eq!((whole(&years, "claim_count")[0], whole(&years, "history_cost_cents")[0]), (1, 0));
    assert_eq!(whole(&years, "days_since_last_claim")[0], 245);
}

#[test]
fn what_cannot_be_read_names_column_count_and_first_row() {
    let mut config = config("");
    let lines = "id,day,paid,claim\nann,2020-03-01,4,1\nann,03/01/2020,4,1\nann,2020-03-01,four,1\n";
    let text = refused(&config, lines);
    assert!(text.contains("\"day\": 1 values are no ISO 8601 days, the first in row 1"), "{text}");
    assert!(!text.contains("03/01"), "no value in an error");
    config.rules.unreadable = Unreadable::Drop;
    let unreadable = years(&config, lines).report.total();
    assert_eq!(unreadable.of(Rule::Unreadable).unwrap().removed, 2);
    config.transactions[0].date_format = Some("%m/%d/%Y".to_owned());
    let years = years(&config, "id,day,paid,claim\nann,03/01/2020,4,1\n,03/01/2020,1,1\nann,03/01/2020,,1\nann,,1,1\n");
    assert_eq!(whole(&years, "target_cost_cents")[0], 400);
    assert_eq!(years.report.total().of(Rule::MissingValue).unwrap().removed, 3);
}

#[test]
fn clients_whom_nobody_knows_are_left_out_or_refused() {
    let mut config = config("");
    let lines = "id,day,paid,claim\nzoe,2020-03-01,4,1\n";
    assert_eq!(years(&config, lines).report.total().of(Rule::UnknownClient).unwrap().removed_cents, 400);
    config.rules.unknown_clients = UnknownClients::Fail;
    assert!(refused(&config, lines).contains("1 rows belong to clients"));
}

#[test]
fn a_missing_column_is_named_with_its_like() {
    let text = refused(&config(""), "id,service_day,paid_amount,claim\nann,2020-01-01,1,1\n");
    assert!(text.contains("table \"lines\" lacks columns"), "{text}");
    assert!(text.contains("\"day\"; did you mean service_day?"), "{text}");
    assert!(text.contains("\"paid\"; did you mean id, paid_amount?"), "{text}");
}

#[test]
fn tables_come_in_order_and_all_of_them() {
    let mut roll_up = RollUp::new(&config("")).unwrap();
    assert!(roll_up.push_events("line", &csv("id\n")).unwrap_err().to_string().contains("there is lines"));
    roll_up.push_events("lines", &csv("id,day,paid,claim\nann,2020-01-01,1,1\n")).unwrap();
    assert!(matches!(roll_up.push_reference("spans", &csv(SPANS)), Err(ClientYearError::Order { .. })));
    let error = roll_up.finish().unwrap_err();
    assert!(error.to_string().contains("spans"), "{error}");
}

#[test]
fn configurations_that_contradict_themselves_are_refused() {
    let wrong = |change: &dyn Fn(&mut ClaimsConfig)| {
        let mut config = config("");
        change(&mut config);
        RollUp::new(&config).unwrap_err().to_string()
    };
    assert!(wrong(&|c| c.enrolment = None).contains("found neither"));
    assert!(wrong(&|c| c.transactions.clear()).contains("at least one table"));
    assert!(wrong(&|c| c.transactions[0].header_claim_types.push("i".to_owned())).contains("claim_type"));
    assert!(wrong(&|c| c.transactions[0].currency = Some("c".to_owned())).contains("rules.currency"));
    assert!(wrong(&|c| c.transactions[0].service = "in patient".to_owned()).contains("\"in patient\""));
    assert!(wrong(&|c| c.transactions[0].codes.push("dx".to_owned())).contains("conditions.categories"));
    assert!(wrong(&|c| c.features.rolling_months = Some(vec![13])).contains("found 13"));
    assert!(
        toml::from_str::<ClaimsConfig>("transactions = []\nwindow = 1").unwrap_err().to_string().contains("window")
    );
}

#[test]
fn a_name_that_a_feature_has_is_no_name_of_an_attribute() {
    let wrong = |attributes: &str, change: &dyn Fn(&mut ClaimsConfig)| {
        let mut config = config("");
        let clients = format!("table = 'people'\nclient = 'id'\nbirth_date = 'born'\nattributes = [{attributes}]");
        config.clients = Some(toml::from_str(&clients).unwrap());
        change(&mut config);
        RollUp::new(&config).map(|_| ()).map_err(|e| e.to_string())
    };
    for (attributes, named) in [
        ("'history_cost'", "\"history_cost_cents\" in units of the currency"),
        ("'history_cost_cents'", "\"history_cost_cents\" that every"),
        ("'cost_per_member_month'", "\"cost_per_member_month_cents\" in units"),
        ("'exposure_years'", "\"exposure_years\""),
        ("'client_id'", "\"client_id\""),
        ("'target_cost'", "\"target_cost_cents\""),
        ("'age'", "\"age\""),
        ("'plan', { column = 'scheme', name = 'plan' }", "the attribute of column \"plan\""),
    ] {
        let error = wrong(attributes, &|_| ()).unwrap_err();
        assert!(error.contains(named) && error.contains("name = \"client_"), "{attributes}: {error}");
    }
    assert_eq!(wrong("{ column = 'history_cost', name = 'client_history_cost' }, 'plan'", &|_| ()), Ok(()));
    let service = wrong("", &|c| c.transactions[0].service = "last_3m".to_owned()).unwrap_err();
    assert!(service.contains("\"cost_last_3m_cents\" and \"cost_last_3m_cents\""), "{service}");
}

#[test]
fn a_cut_off_that_the_feed_does_not_reach_back_to_is_told() {
    let mut config = config("");
    config.windows.cut_offs = ["2019-01-01", "2020-01-01"].map(|day| day.parse().unwrap()).to_vec();
    let told = |first: &str| {
        let lines = format!("id,day,paid,claim\ncid,{first},1,1\nann,2020-12-30,1,2\n");
        let report = years(&config, &lines).report.checks("client_years");
        let odd = report.failures().filter(|r| r.check == "history_window_is_in_the_feed");
        odd.map(|r| (r.severity, r.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(told("2018-01-20"), [], "there may be no transaction for a month");
    let part = told("2018-06-01");
    assert_eq!(part.len(), 1);
    assert!(part[0].1.contains("\"2019-01-01\"") && part[0].1.contains("after 2018-01-01"), "{part:?}");
    let empty = told("2019-01-20");
    assert!(empty[0].1.contains("no feature of this cut-off has seen a transaction"), "{empty:?}");
    let nothing = told("2020-03-01");
    assert!(nothing[0].1.contains("neither features nor target"), "{nothing:?}");
    assert_eq!((nothing.len(), nothing[0].0), (2, med_schema::Severity::Warning));
}

#[test]
fn a_line_that_is_billed_again_counts_once() {
    let mut config = config("");
    config.windows.cut_offs =
        ["2019-02-15", "2019-04-15", "2019-06-15", "2020-01-01"].map(|day| day.parse().unwrap()).to_vec();
    (config.windows.history_months, config.windows.target_months) = (6, 6);
    config.transactions[0].line = Some("line".to_owned());
    let lines = |known: [&str; 3]| {
        let rows = ["10.00", "-10.00", "10.00"].iter().zip(known);
        let rows: String = rows.map(|(paid, known)| format!("ann,2019-02-01,{paid},1,1,{known}\n")).collect();
        format!("id,day,paid,claim,line,known\n{rows}ann,2019-02-01,2.00,1,2,2019-02-02\n")
    };
    let of = |config: &ClaimsConfig, known| {
        let years = years(config, &lines(known));
        let again = years.report.total().of(Rule::DuplicateLine).map_or(0, |e| e.removed);
        // The rows of the first client come first, one a cut-off.
        (whole(&years, "history_cost_cents")[..3].to_vec(), again)
    };
    let billed = ["2019-02-05", "2019-03-05", "2019-05-05"];
    config.transactions[0].known_at = Some("known".to_owned());
    assert_eq!(of(&config, billed), (vec![1_200, 200, 1_200], 0), "before, between and after");
    assert_eq!(of(&config, ["2019-02-05"; 3]), (vec![200; 3], 1), "all equal: loaded twice");
    config.transactions[0].known_at = None;
    assert_eq!(of(&config, billed), (vec![200; 3], 1), "nothing says when");
}

#[test]
fn money_leaves_cents_in_one_step() {
    let years = years(&config(""), "id,day,paid,claim\nann,2020-03-01,10.50,1\nann,2019-03-01,1.25,1\n");
    let table = in_currency_units(years.table).unwrap();
    let first = |name: &str| table.numbers(name).unwrap().as_slice()[0];
    assert_eq!((first("target_cost"), first("prior_year_cost"), first("cost_other")), (10.5, 1.25, 1.25));
    assert!(table.schema().names().all(|n| !n.contains("cents")));
    assert_eq!(table.dataset().unwrap().exposure().unwrap()[0], 1.0);
}

#[test]
fn a_claim_below_zero_is_a_cost_and_no_claim() {
    // A claim, one that its reversal brings to nothing, and the refund of one from before the history.
    let lines = "id,day,paid,claim\nann,2019-03-01,10.00,1\nann,2019-03-02,5.00,2\nann,2019-03-09,-5.00,2\nann,2019-04-01,-4.00,3\n";
    let years = years(&config(""), lines);
    assert_eq!(whole(&years, "history_cost_cents")[0], 600);
    assert_eq!((whole(&years, "claim_count")[0], whole(&years, "max_claim_cost_cents")[0]), (1, 1_000));
}

#[test]
fn entries_that_nobody_named_are_told_with_the_reversals_among_them() {
    let mut config = config("");
    let entry = |text: &str| Some(toml::from_str(text).unwrap());
    config.transactions[0].entry = entry("column = 'kind'\ncost = ['P']");
    let lines =
        "id,day,paid,claim,kind\nann,2020-03-01,10.00,1,P\nann,2020-03-02,-10.00,1,V\nann,2020-03-02,1.00,2,X\n";
    let told = |config: &ClaimsConfig, lines: &str| {
        let report = years(config, lines).report.checks("client_years");
        let found = report.failures().find(|r| r.check == "entry_types_are_named").cloned();
        found.map(|r| (r.severity, r.message.unwrap_or_default()))
    };
    let (severity, message) = told(&config, lines).unwrap();
    assert_eq!(severity, med_schema::Severity::Warning);
    assert!(
        message.contains("2 rows of \"lines\"") && message.contains("1 of them are negative, -10.00 in all"),
        "{message}"
    );
    config.transactions[0].entry = entry("column = 'kind'\ncost = ['P', 'V', 'X']");
    assert_eq!(told(&config, lines), None);
    config.transactions[0].entry = entry("column = 'kind'\ncost = ['P']\nignore = ['V', 'X']");
    assert_eq!(told(&config, lines), None, "they are meant to be left out");
}

proptest! {
    /// Sums reconcile whatever the rules do, and batches, order of rows and threads change nothing.
    #[test]
    fn sums_reconcile_and_only_content_matters(
        rows in prop::collection::vec((0..4_u8, 0..900_i64, -300..3_000_i64, 0..4_u8), 0..60),
        threshold in prop::option::of(1.0..20.0_f64),
        batch in 1..20_usize,
        months in prop_oneof![Just(MemberMonths::Days), Just(MemberMonths::AnyDay)],
    ) {
        let mut config = config("");
        config.rules.member_months = months;
        config.rules.large_claims = threshold.map(|threshold| LargeClaims { threshold, pooling: Pooling::Cost });
        config.transactions[0].header_claim_types.push("*".to_owned());
        let names = ["ann", "bob", "cid", "zoe"];
        let start: chrono::NaiveDate = "2018-06-01".parse().unwrap();
        let line = |(client, day, cents, claim): &(u8, i64, i64, u8)| {
            let amount = if *cents == 7 { String::new() } else { format!("{}.{:02}", cents / 100, cents.abs() % 100) };
            format!("{},{},{amount},{claim}\n", names[usize::from(*client)], start + chrono::TimeDelta::days(*day))
        };
        let header = "id,day,paid,claim\n";
        let lines: String = rows.iter().map(line).collect();
        let whole_feed = years(&config, &format!("{header}{lines}"));
        for window in &whole_feed.report.windows {
            let targets: i128 = whole(&whole_feed, "target_cost_cents").iter().map(|&t| i128::from(t)).sum();
            prop_assert!(window.target.reconciles());
            prop_assert_eq!(targets, window.target.kept_cents);
        }
        prop_assert_eq!(whole_feed.report.total().read, rows.len() as u64);

        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let in_parts = pool.install(|| {
            let mut roll_up = RollUp::new(&config).unwrap();
            roll_up.push_reference("spans", &csv(SPANS)).unwrap();
            roll_up.push_events("lines", &csv(header)).unwrap();
            for part in rows.chunks(batch).rev() {
                let lines: String = part.iter().rev().map(line).collect();
                roll_up.push_events("lines", &csv(&format!("{header}{lines}"))).unwrap();
            }
            roll_up.finish().unwrap()
        });
        prop_assert_eq!(in_parts.table.fingerprint().unwrap(), whole_feed.table.fingerprint().unwrap());
        prop_assert_eq!(in_parts.report, whole_feed.report);
    }
}

#[test]
fn attributes_that_are_no_numbers_follow_the_rule_for_what_cannot_be_read() {
    let mut config = config("");
    config.clients = Some(
        toml::from_str("table = \"people\"\nclient = \"id\"\nattributes = [{ column = \"score\", numeric = true }]")
            .unwrap(),
    );
    let people = csv("id,score\nann,1.5\nbob,north\ncid,\ndan,1e999\n");
    let mut roll_up = RollUp::new(&config).unwrap();
    let text = roll_up.push_reference("people", &people).unwrap_err().to_string();
    let expected = "table \"people\", column \"score\": 2 values are no numbers, the first in row 1 (from 0)";
    assert!(text.starts_with(expected) && !text.contains("north"), "{text}");

    config.rules.unreadable = Unreadable::Drop;
    let years = of_frames(&config, |table| match table {
        "people" => people.clone(),
        "spans" => csv(SPANS),
        _ => csv("id,day,paid,claim\nann,2020-03-01,10.00,1\n"),
    });
    let scores = years.table.frame().column("score").unwrap().f64().unwrap();
    assert_eq!(scores.iter().collect::<Vec<_>>(), [Some(1.5), None]);

    // A column of booleans is one of numbers.
    config.rules.unreadable = Unreadable::Fail;
    let flags = polars::prelude::df!("id" => ["ann", "bob"], "score" => [true, false]).unwrap();
    let years = of_frames(&config, |table| match table {
        "people" => flags.clone(),
        "spans" => csv(SPANS),
        _ => csv("id,day,paid,claim\nann,2020-03-01,10.00,1\n"),
    });
    let scores = years.table.frame().column("score").unwrap().f64().unwrap();
    assert_eq!(scores.iter().collect::<Vec<_>>(), [Some(1.0), Some(0.0)]);
}

//! Features as of a cut-off whose target window is not over.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use med_etl::client_year::{ClaimsConfig, ClientYears, RollUp};
use med_schema::{Role, Table};
use polars::prelude::DataFrame;

use super::{config, csv, frame, roll_up};

fn features_at(config: &ClaimsConfig, cut_off: &str, frame: impl Fn(&str) -> DataFrame) -> ClientYears {
    let mut roll_up = RollUp::features_at(config, cut_off.parse().unwrap()).unwrap();
    let names = |tables: Vec<&str>| tables.into_iter().map(str::to_owned).collect::<Vec<_>>();
    for table in names(roll_up.reference_tables()) {
        roll_up.push_reference(&table, &frame(&table)).unwrap();
    }
    for table in names(roll_up.event_tables()) {
        roll_up.push_events(&table, &frame(&table)).unwrap();
    }
    roll_up.finish().unwrap()
}

/// Every feature of each client, as text, by client.
fn by_client(table: &Table) -> BTreeMap<String, Vec<String>> {
    let features = table.names_with_role(Role::Feature);
    let rows = (0..table.n_rows()).map(|row| {
        let value = |name: &str| format!("{name}={:?}", table.frame().column(name).unwrap().get(row).unwrap());
        (value("client_id"), features.iter().map(|name| value(name)).collect())
    });
    rows.collect()
}

#[test]
fn features_are_those_that_were_trained_on() {
    for (feed, cut_off) in [("tuva", "2018-07-01"), ("synthea", "2021-01-01")] {
        let mut config = config(feed);
        let day: NaiveDate = cut_off.parse().unwrap();
        let scored = features_at(&config, cut_off, |table| frame(feed, table));
        config.windows.cut_offs = vec![day];
        let trained = roll_up(feed, &config);
        let (scored, trained) = (scored.table, trained.table);
        assert!(scored.names_with_role(Role::Target).is_empty() && scored.names_with_role(Role::Exposure).is_empty());
        let (scored, trained) = (by_client(&scored), by_client(&trained));
        assert!(!trained.is_empty() && trained.len() <= scored.len(), "{feed}");
        for (client, features) in &trained {
            assert_eq!(scored.get(client), Some(features), "{feed}, {client}");
        }
    }
}

#[test]
fn clients_who_are_there_now_have_a_row_before_the_year_begins() {
    let config: ClaimsConfig = toml::from_str(
        r#"
        windows = { cut_offs = ["2020-01-01"] }
        enrolment = { table = "spans", client = "id", start = "from", end = "to", end_inclusive = true }
        transactions = [{ table = "costs", client = "id", date = "day", amount = "paid" }]
        "#,
    )
    .unwrap();
    let frame = |table: &str| match table {
        "spans" => csv("id,from,to\nstays,2020-01-01,2020-12-31\nleft,2020-01-01,2020-11-30\ncomes,2021-06-01,\n"),
        _ => csv("id,day,paid\nstays,2020-12-31,10.00\nleft,2020-05-01,5.00\nstays,2021-01-01,99.00\n"),
    };
    let years = features_at(&config, "2021-01-01", frame);
    let ids: Vec<_> = years.table.frame().column("client_id").unwrap().str().unwrap().iter().flatten().collect();
    assert_eq!(ids, ["comes", "stays"]);
    assert_eq!(super::whole(&years, "history_cost_cents"), [0, 1_000], "what comes later is not seen");
    assert!(years.report.windows[0].target.reconciles());
}

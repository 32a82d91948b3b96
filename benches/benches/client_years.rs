//! The roll-up of transactions into client-years, transactions a second: frames in memory in, a table out.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use med_benches::{claim_lines, enrolment, size};
use med_etl::client_year::{ClaimsConfig, RollUp};

/// As many lines a client as in the largest size that is aimed at: 20 million lines of a million clients.
const LINES_A_CLIENT: usize = 20;

fn config() -> ClaimsConfig {
    let json = r#"{
        "windows": { "cut_offs": ["2019-01-01", "2020-01-01"] },
        "enrolment": { "table": "enrolment", "client": "client_id", "start": "first_day", "end": "last_day" },
        "transactions": [{
            "table": "claim_lines", "client": "client_id", "date": "service_date", "known_at": "paid_date", "amount": "paid_cents",
            "amount_unit": "cents", "claim": "claim_id", "line": "line_number", "claim_type": "form",
            "header_claim_types": ["institutional"], "codes": ["diagnosis"], "service": "professional",
            "services": [{ "service": "inpatient", "column": "form", "values": ["institutional"] }]
        }],
        "conditions": { "categories": [{ "name": "diabetes", "prefixes": ["E11"] }, { "name": "heart_failure", "prefixes": ["I50"] }] }
    }"#;
    serde_json::from_str(json).expect("a configuration")
}

fn roll_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("client_years");
    group.sample_size(10);
    let config = config();
    for lines in [20_000, 200_000] {
        let (spans, claims) = (enrolment(lines / LINES_A_CLIENT), claim_lines(lines, lines / LINES_A_CLIENT));
        let (spans, claims) = (spans.expect("a frame"), claims.expect("a frame"));
        group.throughput(Throughput::Elements(lines as u64));
        group.bench_function(BenchmarkId::from_parameter(size(lines)), |b| {
            b.iter(|| {
                let mut roll_up = RollUp::new(&config).expect("a roll-up");
                roll_up.push_reference("enrolment", &spans).expect("enrolment");
                roll_up.push_events("claim_lines", &claims).expect("claims");
                roll_up.finish().expect("client-years")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, roll_up);
criterion_main!(benches);

//! Clients with their enrolment and transactions, and the cost that is truly to be expected of each.
//!
//! While enrolled, a client has claims at a constant rate: `rate = 2.2 · exp(0.015 (age - 40)) · Π factor of condition · frailty` a year, with a
//! frailty that nobody sees (log-normal of mean 1), and 0 for one in twelve. A claim is of one of four types of service, with a
//! log-normal cost of known mean, and is reversed whole with a known chance. So the expected cost of a window is
//! `rate · years enrolled · Σ share · mean · (1 - chance of reversal)`, and everything else in the tables (repeated header amounts, lines loaded
//! twice, claims outside enrolment, late payments, gaps and overlaps) is there to be seen through.

use chrono::{Months, NaiveDate, TimeDelta};

use super::draw::Draw;

pub(super) const FIRST: (i32, u32, u32) = (2018, 1, 1);
/// Days from the first one to the last one with claims.
const DAYS: i64 = 365 * 2 + 366;
const DAYS_A_YEAR: f64 = 365.25;

struct Service {
    form: &'static str,
    bill_type: Option<&'static str>,
    share: f64,
    mean_cents: f64,
    sigma: f64,
}

const SERVICES: [Service; 4] = [
    Service { form: "institutional", bill_type: Some("0111"), share: 0.04, mean_cents: 900_000.0, sigma: 1.0 },
    Service { form: "institutional", bill_type: Some("0131"), share: 0.16, mean_cents: 45_000.0, sigma: 0.8 },
    Service { form: "professional", bill_type: None, share: 0.50, mean_cents: 12_000.0, sigma: 0.6 },
    Service { form: "pharmacy", bill_type: None, share: 0.30, mean_cents: 6_000.0, sigma: 0.7 },
];

struct Condition {
    code: &'static str,
    /// Chance at the age of 80; it grows with the square of age.
    at_80: f64,
    factor: f64,
}

const CONDITIONS: [Condition; 4] = [
    Condition { code: "E11.9", at_80: 0.30, factor: 1.8 },
    Condition { code: "I50.9", at_80: 0.15, factor: 2.5 },
    Condition { code: "J44.9", at_80: 0.15, factor: 1.7 },
    Condition { code: "C50.9", at_80: 0.08, factor: 3.0 },
];

const REVERSED: f64 = 0.03;
const LOADED_TWICE: f64 = 0.002;
const NEVER_USES: f64 = 1.0 / 12.0;

/// Days from the first day on.
type Day = i64;

pub(super) struct Span {
    pub(super) start: Day,
    /// The last day.
    pub(super) end: Day,
}

pub(super) struct Line {
    pub(super) claim: u32,
    pub(super) line: u32,
    pub(super) form: &'static str,
    pub(super) bill_type: Option<&'static str>,
    pub(super) served: Day,
    pub(super) paid: Day,
    pub(super) cents: i64,
    pub(super) diagnosis: &'static str,
}

pub(super) struct Client {
    pub(super) born: NaiveDate,
    pub(super) sex: &'static str,
    pub(super) region: &'static str,
    pub(super) spans: Vec<Span>,
    pub(super) lines: Vec<Line>,
    /// Expected cost of a year of enrolment, in cents.
    pub(super) yearly_cents: f64,
}

impl Client {
    pub(super) fn draw(seed: u64, number: u64) -> Self {
        let mut draw = Draw::of_client(seed, number);
        let age = draw.whole(0, 90);
        let sex = if draw.chance(0.5) { "female" } else { "male" };
        let region = ["north", "east", "south", "west"][draw.whole(0, 3) as usize];
        let born = first() - Months::new(age as u32 * 12) - TimeDelta::days(draw.whole(0, 364));
        let risk = (age as f64 / 80.0).powi(2);
        let codes: Vec<&Condition> = CONDITIONS.iter().filter(|c| draw.chance(c.at_80 * risk)).collect();
        let frailty = draw.log_normal(0.5);
        let never = draw.chance(NEVER_USES);
        let burden: f64 = codes.iter().map(|c| c.factor).product();
        let rate = if never { 0.0 } else { 2.2 * (0.015 * (age as f64 - 40.0)).exp() * burden * frailty };
        let mean: f64 = SERVICES.iter().map(|s| s.share * s.mean_cents).sum();
        let spans = spans(&mut draw);
        let mut client =
            Self { born, sex, region, spans, lines: Vec::new(), yearly_cents: rate * mean * (1.0 - REVERSED) };
        client.claims(rate, &codes, &mut draw);
        client
    }

    pub(super) fn enrolled(&self, day: Day) -> bool {
        self.spans.iter().any(|s| (s.start..=s.end).contains(&day))
    }

    /// What is to be expected of the days from `from` to before `to`, in cents, and the days enrolled.
    pub(super) fn expected(&self, from: Day, to: Day) -> (f64, u32) {
        let days = (from..to).filter(|&day| self.enrolled(day)).count() as u32;
        (self.yearly_cents * f64::from(days) / DAYS_A_YEAR, days)
    }

    /// Claims at exponential distances over all days; those outside enrolment are not made, but for one in fifty.
    fn claims(&mut self, rate: f64, codes: &[&Condition], draw: &mut Draw) {
        if rate <= 0.0 {
            return;
        }
        let (mut at, mut claim) = (0.0, 0);
        loop {
            at += draw.exponential(DAYS_A_YEAR / rate);
            if at >= DAYS as f64 {
                return;
            }
            let day = at as Day;
            let stray = draw.chance(0.02);
            if self.enrolled(day) || stray {
                claim += 1;
                self.claim(claim, day, codes, draw);
            }
        }
    }

    fn claim(&mut self, claim: u32, served: Day, codes: &[&Condition], draw: &mut Draw) {
        let mut place = draw.unit();
        let service = SERVICES.iter().find(|s| {
            place -= s.share;
            place < 0.0
        });
        let service = service.unwrap_or(&SERVICES[3]);
        let cents = ((service.mean_cents * draw.log_normal(service.sigma)).round() as i64).max(1);
        let delay = if draw.chance(0.05) { draw.whole(60, 400) } else { draw.exponential(20.0) as i64 };
        let paid = served + delay;
        let code = match codes.len() {
            0 => None,
            n => Some(codes[draw.whole(0, n as i64 - 1) as usize].code),
        };
        let diagnosis = code.filter(|_| draw.chance(0.6)).unwrap_or("Z00.00");
        let n_lines = match service.form {
            "institutional" => draw.whole(2, 6),
            "professional" => draw.whole(1, 3),
            _ => 1,
        };
        let new = |line: i64, paid, cents| Line {
            claim,
            line: line as u32,
            form: service.form,
            bill_type: service.bill_type,
            served,
            paid,
            cents,
            diagnosis,
        };
        // The header's amount stands on each institutional line; other lines share the amount.
        let part = cents / n_lines;
        let amount = |line: i64| match service.form {
            "institutional" => cents,
            _ if line == 1 => cents - part * (n_lines - 1),
            _ => part,
        };
        for line in 1..=n_lines {
            self.lines.push(new(line, paid, amount(line)));
            if draw.chance(LOADED_TWICE) {
                self.lines.push(new(line, paid + 1, amount(line)));
            }
        }
        if draw.chance(REVERSED) {
            let later = paid + draw.whole(5, 120);
            self.lines.extend((1..=n_lines).map(|line| new(n_lines + line, later, -amount(line))));
        }
    }
}

/// The first day of all.
pub(super) fn first() -> NaiveDate {
    NaiveDate::from_ymd_opt(FIRST.0, FIRST.1, FIRST.2).unwrap_or_default()
}

/// Days from the first one to a month's first one.
fn month(n: i64) -> Day {
    (first() + Months::new(n as u32) - first()).num_days()
}

/// Most are there throughout; others join late, leave early, or are away for some months. Some spans are told twice over.
fn spans(draw: &mut Draw) -> Vec<Span> {
    let between = |from: i64, to: i64| Span { start: month(from), end: month(to) - 1 };
    let kind = draw.unit();
    let mut spans = if kind < 0.70 {
        vec![between(0, 36)]
    } else if kind < 0.85 {
        let away = draw.whole(3, 24);
        vec![between(0, away), between(away + draw.whole(1, 9), 36)]
    } else if kind < 0.95 {
        vec![between(draw.whole(1, 30), 36)]
    } else {
        vec![between(0, draw.whole(6, 35))]
    };
    if draw.chance(0.03) {
        let end = spans[0].end;
        spans.push(Span { start: spans[0].start, end: end - end / 3 });
    }
    spans
}

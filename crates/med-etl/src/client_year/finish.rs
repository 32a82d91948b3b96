//! From collected lines to client-years: one pass over the clients, in parallel, each client's lines side by side.

use std::ops::Range;

use rayon::prelude::*;

use super::client::starts;
use super::collect::RollUp;
use super::features::{Layout, Scratch, features};
use super::ledger::{Ledger, Rule};
use super::line::{Event, Line, Moment};
use super::report::{ClientYearReport, HeaderFinding, TableLedger, WindowReport};
use super::rules::NegativeTotals;
use super::settle::{Fate, settle};
use super::spans::{EnrolmentReport, Span, covers, covers_all, member_months, union};
use super::window::{Day, Window, date_of};
use super::{ClientYearError, ClientYears, pool, table};

/// Clients that one thread takes at a time. Sums of floats run over these chunks in order, whatever the number of threads.
const CLIENTS: usize = 1 << 10;

/// Client-years of some clients, column by column within a row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) client: Vec<u32>,
    pub(super) window: Vec<u16>,
    pub(super) target: Vec<i64>,
    pub(super) exposure: Vec<f64>,
    /// Row after row, as the layout says.
    pub(super) whole: Vec<i64>,
    pub(super) floats: Vec<f64>,
}

/// What came of one cut-off, in a chunk.
#[derive(Debug, Clone, Default)]
struct Tally {
    rows: u64,
    true_zeros: u64,
    without_exposure: u64,
    not_included: u64,
    exposure: f64,
    target: Ledger,
}

/// How lines of claims of one form type go together.
#[derive(Debug, Clone, Copy, Default)]
struct Repeats {
    claims: u64,
    repeated: u64,
    summed: i128,
    once: i128,
    header: bool,
}

#[derive(Debug, Default)]
struct Chunk {
    rows: Rows,
    ledgers: Vec<Ledger>,
    repeats: Vec<Repeats>,
    windows: Vec<Tally>,
    enrolment: EnrolmentReport,
    days: Option<(Day, Day)>,
}

impl RollUp {
    /// Makes the client-years: one row for each client and cut-off with exposure in the target window, in the order of client
    /// and cut-off.
    ///
    /// # Errors
    /// When a configured table was not given.
    pub fn finish(mut self) -> Result<ClientYears, ClientYearError> {
        let tables = self.not_given();
        if !tables.is_empty() {
            return Err(ClientYearError::NotGiven { tables });
        }
        self.silent =
            self.plan.windows.iter().map(|w| self.first_known.iter().map(|&day| day >= w.cut).collect()).collect();
        self.lines.par_sort_unstable();
        self.events.par_sort_unstable();
        self.events.dedup();
        self.clients.spans.sort_unstable();
        self.clients.rows.sort_by_key(|row| (row.client, row.from));
        let layout = Layout::new(&self.plan);
        let n = self.clients.len();
        let by_client = ByClient {
            lines: starts(n, &self.lines, |l| l.client),
            events: starts(n, &self.events, |e| e.client),
            spans: starts(n, &self.clients.spans, |(client, _)| *client),
            rows: starts(n, &self.clients.rows, |row| row.client),
        };
        let order = self.clients.in_order();
        let chunks: Vec<Chunk> =
            order.par_chunks(CLIENTS).map(|clients| self.chunk(&layout, &by_client, clients)).collect();
        self.assemble(&layout, &by_client, chunks)
    }

    fn chunk(&self, layout: &Layout, by_client: &ByClient, clients: &[u32]) -> Chunk {
        let mut chunk = Chunk {
            ledgers: vec![Ledger::default(); self.ledgers.len()],
            repeats: vec![Repeats::default(); usize::from(u8::MAX) + 1],
            windows: vec![Tally::default(); self.plan.windows.len()],
            ..Chunk::default()
        };
        let mut one = OneClient::default();
        for &client in clients {
            one.load(self, by_client, client, &mut chunk.enrolment);
            self.account(&one, &mut chunk);
            for (window, place) in self.plan.windows.iter().zip(0_u16..) {
                self.client_year(layout, window, place, &mut one, &mut chunk);
            }
        }
        chunk
    }

    /// Books each line of a client, and looks at how those of one claim go together.
    fn account(&self, one: &OneClient<'_>, chunk: &mut Chunk) {
        for (line, fate) in one.lines.iter().zip(&one.settled) {
            let ledger = &mut chunk.ledgers[usize::from(line.table)];
            match fate {
                Fate::Kept => {
                    ledger.keep(line.cents);
                    let (first, last) = chunk.days.unwrap_or((line.date, line.date));
                    chunk.days = Some((first.min(line.date), last.max(line.date)));
                }
                Fate::Removed(rule) => ledger.remove(*rule, line.cents),
                // Without a cut-off every line is seen.
                Fate::Unseen => {}
            }
        }
        for claim in one.lines.chunk_by(|a, b| a.claim == b.claim) {
            let mut amounts = claim.iter().map(|l| l.cents).filter(|&c| c != 0);
            let (Some(first), Some(second)) = (amounts.next(), amounts.next()) else { continue };
            let repeats = &mut chunk.repeats[usize::from(claim[0].form)];
            repeats.header |= claim[0].header;
            repeats.claims += 1;
            if first == second && amounts.all(|c| c == first) {
                repeats.repeated += 1;
                repeats.summed += claim.iter().map(|l| i128::from(l.cents)).sum::<i128>();
                repeats.once += i128::from(first);
            }
        }
    }

    fn client_year(&self, layout: &Layout, window: &Window, place: u16, one: &mut OneClient<'_>, chunk: &mut Chunk) {
        let rules = &self.plan.config.rules;
        let tally = &mut chunk.windows[usize::from(place)];
        let whole = &self.plan.config.windows;
        let target = (window.cut, window.end);
        let target_months = member_months(&one.union, target, whole.target_months, rules.member_months);
        let inclusion = rules.inclusion;
        let enough = |start, end, months: u32, least: f64| {
            least <= 0.0
                || member_months(&one.union, (start, end), months, rules.member_months) >= least
                || (f64::from(months) >= least && covers_all(&one.union, start, end))
        };
        let history = || enough(window.start, window.cut, whole.history_months, inclusion.min_history_months);
        let included = if self.plan.features_only {
            let there = target_months > 0.0 || covers(&one.union, window.cut - 1, 0);
            let fits = there && history();
            tally.without_exposure += u64::from(!there);
            tally.not_included += u64::from(there && !fits);
            fits
        } else if target_months <= 0.0 {
            tally.without_exposure += 1;
            false
        } else {
            let fits = enough(window.cut, window.end, whole.target_months, inclusion.min_target_months)
                && history()
                && (!inclusion.enrolled_at_cut_off || covers(&one.union, window.cut, 0));
            tally.not_included += u64::from(!fits);
            fits
        };
        let (mut target, mut transactions) = (0_i64, false);
        let costs = if self.plan.features_only { &[][..] } else { one.lines };
        for (line, fate) in costs.iter().zip(&one.settled) {
            if *fate == Fate::Kept && (window.cut..window.end).contains(&line.date) {
                tally.target.read(line.cents);
                if included {
                    target += line.cents;
                    transactions = true;
                    tally.target.kept += 1;
                } else {
                    tally.target.remove(Rule::NoRow, line.cents);
                }
            }
        }
        if !included {
            return;
        }
        if target < 0 && rules.negative_totals == NegativeTotals::Zero {
            tally.target.change(Rule::NegativeTotal, -target);
            target = 0;
        }
        tally.rows += 1;
        tally.true_zeros += u64::from(!transactions);
        tally.exposure += target_months / 12.0;
        let silent = &self.silent[usize::from(place)];
        let at = Moment { cut: window.cut, silent };
        settle(one.lines, &one.union, rules, Some(at), &mut one.seen);
        let rows = &mut chunk.rows;
        rows.client.push(one.client);
        rows.window.push(place);
        rows.target.push(target);
        rows.exposure.push(target_months / 12.0);
        features(
            &self.plan,
            layout,
            window,
            silent,
            one.lines,
            &one.seen,
            one.events,
            &one.union,
            &mut one.scratch,
            &mut rows.whole,
            &mut rows.floats,
        );
    }

    fn assemble(
        mut self,
        layout: &Layout,
        by_client: &ByClient,
        chunks: Vec<Chunk>,
    ) -> Result<ClientYears, ClientYearError> {
        let mut ledgers = self.ledgers.clone();
        let mut repeats = vec![Repeats::default(); usize::from(u8::MAX) + 1];
        let mut windows = vec![Tally::default(); self.plan.windows.len()];
        let mut enrolment = self.enrolment;
        let mut days: Option<(Day, Day)> = None;
        // The lines have said all they have to say; the table needs the room.
        self.lines = Vec::new();
        self.events = Vec::new();
        let mut rows: Vec<Rows> = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            ledgers.iter_mut().zip(&chunk.ledgers).for_each(|(all, part)| all.add(part));
            repeats.iter_mut().zip(&chunk.repeats).for_each(|(all, part)| all.add(part));
            windows.iter_mut().zip(&chunk.windows).for_each(|(all, part)| all.add(part));
            enrolment.add(chunk.enrolment);
            days = match (days, chunk.days) {
                (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                (one, other) => one.or(other),
            };
            rows.push(chunk.rows);
        }
        let truncated = self.truncate(&mut rows, &mut windows);
        let windows = self.plan.windows.iter().zip(windows).zip(truncated).map(|((window, tally), truncated)| {
            let Tally { rows, true_zeros, without_exposure, not_included, exposure, target } = tally;
            WindowReport {
                cut_off: window.cut_off,
                history_start: date_of(window.start),
                target_end: date_of(window.end),
                rows,
                true_zeros,
                without_exposure,
                not_included,
                exposure_years: exposure,
                truncated,
                target,
            }
        });
        let windows: Vec<WindowReport> = windows.collect();
        let (table, conflicting_attributes) = table::build(&self.plan, &self.clients, layout, &by_client.rows, rows)?;
        let tables = self.plan.config.transactions.iter().zip(ledgers);
        let report = ClientYearReport {
            clients: self.clients.len() as u64,
            conflicting_attributes,
            enrolment,
            tables: tables
                .zip(&self.oddities)
                .map(|((t, ledger), &oddities)| TableLedger { table: t.table.clone(), ledger, oddities })
                .collect(),
            diagnoses_unknown_since: self.diagnoses_unknown_since,
            headers: findings(&self.plan.config, self.forms.into_inner(), &repeats),
            windows,
            first_day: days.map(|(first, _)| date_of(first)),
            last_day: days.map(|(_, last)| date_of(last)),
        };
        Ok(ClientYears { table, report })
    }

    /// Cuts large targets cut-off by cut-off, and closes the ledgers. Returns how many were cut.
    fn truncate(&self, rows: &mut [Rows], windows: &mut [Tally]) -> Vec<u64> {
        let large = self.plan.threshold.zip(self.plan.config.rules.large_claims);
        windows
            .iter_mut()
            .zip(0_u16..)
            .map(|(tally, place)| {
                let of_window = || {
                    let places =
                        rows.iter().enumerate().flat_map(|(c, part)| (0..part.window.len()).map(move |i| (c, i)));
                    places.filter(|&(c, i)| rows[c].window[i] == place)
                };
                let mut targets: Vec<i64> = of_window().map(|(c, i)| rows[c].target[i]).collect();
                let mut cut = 0;
                if let Some((threshold, large)) = large {
                    let places: Vec<(usize, usize)> = of_window().collect();
                    let exposure: Vec<f64> = places.iter().map(|&(c, i)| rows[c].exposure[i]).collect();
                    cut = pool::truncate(&mut targets, &exposure, threshold, large.pooling, &mut tally.target);
                    places.iter().zip(&targets).for_each(|(&(c, i), &target)| rows[c].target[i] = target);
                }
                tally.target.kept_cents = targets.iter().map(|&t| i128::from(t)).sum();
                cut
            })
            .collect()
    }
}

fn findings(config: &super::ClaimsConfig, forms: Vec<(u8, Option<String>)>, repeats: &[Repeats]) -> Vec<HeaderFinding> {
    let forms = forms.into_iter().zip(repeats).filter(|(_, r)| r.claims > 0);
    let mut found: Vec<HeaderFinding> = forms
        .map(|((table, claim_type), r)| HeaderFinding {
            table: config.transactions[usize::from(table)].table.clone(),
            claim_type,
            claims: r.claims,
            repeated: r.repeated,
            summed_cents: r.summed,
            once_cents: r.once,
            counted_once: r.header,
        })
        .collect();
    // The forms' places depend on the order of reading.
    found.sort_by(|a, b| (&a.table, &a.claim_type).cmp(&(&b.table, &b.claim_type)));
    found
}

/// Where each client's part of each kind of row begins.
struct ByClient {
    lines: Vec<usize>,
    events: Vec<usize>,
    spans: Vec<usize>,
    rows: Vec<usize>,
}

fn part(starts: &[usize], client: u32) -> Range<usize> {
    starts[client as usize]..starts[client as usize + 1]
}

/// Everything of one client, and room that is used again for the next.
#[derive(Debug, Default)]
struct OneClient<'a> {
    client: u32,
    lines: &'a [Line],
    events: &'a [Event],
    union: Vec<Span>,
    /// Fates without a cut-off.
    settled: Vec<Fate>,
    /// Fates seen from the cut-off at hand.
    seen: Vec<Fate>,
    scratch: Scratch,
    spans: Vec<Span>,
}

impl<'a> OneClient<'a> {
    fn load(&mut self, all: &'a RollUp, by_client: &ByClient, client: u32, enrolment: &mut EnrolmentReport) {
        self.client = client;
        self.lines = &all.lines[part(&by_client.lines, client)];
        self.events = &all.events[part(&by_client.events, client)];
        self.spans.clear();
        let rows = &all.clients.rows[part(&by_client.rows, client)];
        if all.plan.config.enrolment.is_some() {
            self.spans.extend(all.clients.spans[part(&by_client.spans, client)].iter().map(|(_, span)| *span));
            self.union = union(&self.spans, enrolment);
        } else {
            let birth = rows.iter().filter_map(|row| row.birth).min().unwrap_or(Day::MIN);
            self.union = vec![Span { start: birth, end: Day::MAX }];
        }
        if let Some(&death) = all.clients.deaths.get(&client) {
            let before = self.union.last().map(|s| s.end);
            self.union.retain(|span| span.start <= death);
            if let Some(last) = self.union.last_mut() {
                last.end = last.end.min(death.saturating_add(1));
            }
            enrolment.ended_by_death += u64::from(self.union.last().map(|s| s.end) != before);
        }
        settle(self.lines, &self.union, &all.plan.config.rules, None, &mut self.settled);
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.true_zeros += other.true_zeros;
        self.without_exposure += other.without_exposure;
        self.not_included += other.not_included;
        self.exposure += other.exposure;
        self.target.add(&other.target);
    }
}

impl Repeats {
    fn add(&mut self, other: &Self) {
        self.claims += other.claims;
        self.repeated += other.repeated;
        self.summed += other.summed;
        self.once += other.once;
        self.header |= other.header;
    }
}

//! What is told of one client at one cut-off, from what was known before it.

use super::config::Plan;
use super::line::{Event, Line, Moment};
use super::settle::Fate;
use super::spans::{Span, member_months};
use super::window::Window;

/// Stands for a missing whole number.
pub(super) const MISSING: i64 = i64::MIN;

/// How a column of whole numbers may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// An amount in cents.
    Cents,
    /// A number of things.
    Count,
    /// A number of days or years; may be missing.
    Length(&'static str),
    /// 0 or 1.
    Flag,
}

/// The columns of features, in order: whole numbers first, then floats.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) whole: Vec<(String, Whole)>,
    pub(super) floats: Vec<(&'static str, &'static str)>,
    years_back: usize,
    months: usize,
}

impl Layout {
    pub(super) fn new(plan: &Plan) -> Self {
        let months = plan.config.windows.history_months as usize;
        let years_back = months / 12;
        let mut whole: Vec<(String, Whole)> = Vec::new();
        let mut add = |name: String, kind| whole.push((name, kind));
        add("history_cost_cents".to_owned(), Whole::Cents);
        for service in &plan.services {
            add(format!("cost_{service}_cents"), Whole::Cents);
        }
        for n in &plan.rolling {
            add(format!("cost_last_{n}m_cents"), Whole::Cents);
        }
        for year in 1..=years_back {
            let name =
                if year == 1 { "prior_year_cost_cents".to_owned() } else { format!("prior_year_{year}_cost_cents") };
            add(name, Whole::Cents);
        }
        add("max_claim_cost_cents".to_owned(), Whole::Cents);
        add("claim_count".to_owned(), Whole::Count);
        for service in &plan.services {
            add(format!("claims_{service}"), Whole::Count);
        }
        for n in &plan.rolling {
            add(format!("claims_last_{n}m"), Whole::Count);
        }
        add("service_days".to_owned(), Whole::Count);
        add("active_months".to_owned(), Whole::Count);
        add("days_since_last_claim".to_owned(), Whole::Length("days"));
        for name in &plan.conditions.names {
            add(format!("condition_{name}"), Whole::Flag);
        }
        if !plan.conditions.is_empty() {
            add("condition_count".to_owned(), Whole::Count);
        }
        let mut floats = vec![("history_member_months", "months"), ("cost_per_member_month_cents", "cents per month")];
        if months > 1 {
            floats.push(("cost_trend_cents_per_month", "cents per month and month"));
        }
        Self { whole, floats, years_back, months }
    }
}

/// Room for the features of one client-year, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    monthly: Vec<i64>,
    monthly_claims: Vec<i64>,
    by_service: Vec<i64>,
    service_claims: Vec<i64>,
    days: Vec<i32>,
    flags: Vec<bool>,
    /// Services that the claim at hand has a line of.
    in_claim: Vec<bool>,
}

/// Appends the features of one client at one cut-off. `fates` are those seen from it.
#[expect(clippy::too_many_arguments, reason = "a client's parts, and where its features go")]
pub(super) fn features(
    plan: &Plan,
    layout: &Layout,
    window: &Window,
    silent: &[bool],
    lines: &[Line],
    fates: &[Fate],
    events: &[Event],
    union: &[Span],
    scratch: &mut Scratch,
    whole: &mut Vec<i64>,
    floats: &mut Vec<f64>,
) {
    let n_services = plan.services.len();
    for (part, n) in [
        (&mut scratch.monthly, layout.months),
        (&mut scratch.monthly_claims, layout.months),
        (&mut scratch.by_service, n_services),
        (&mut scratch.service_claims, n_services),
    ] {
        part.clear();
        part.resize(n, 0);
    }
    scratch.days.clear();
    let (mut claims, mut largest, mut start) = (0_i64, 0_i64, 0);
    for claim in lines.chunk_by(|a, b| a.claim == b.claim) {
        let fates = &fates[start..start + claim.len()];
        start += claim.len();
        scratch.in_claim.clear();
        scratch.in_claim.resize(n_services, false);
        let (mut cost, mut negative, mut first): (i64, bool, Option<usize>) = (0, false, None);
        for (line, _) in claim.iter().zip(fates).filter(|(_, fate)| **fate == Fate::Kept) {
            let Some(month) = window.month_back(line.date) else { continue };
            let service = usize::from(line.service);
            scratch.monthly[month] += line.cents;
            scratch.by_service[service] += line.cents;
            scratch.in_claim[service] = true;
            cost += line.cents;
            negative |= line.cents < 0;
            first = Some(first.map_or(month, |m: usize| m.max(month)));
            if line.cents >= 0 {
                scratch.days.push(line.date);
            }
        }
        let Some(first) = first else { continue };
        // A claim that its reversals bring to nothing did not happen.
        if cost > 0 || (cost == 0 && !negative) {
            claims += 1;
            largest = largest.max(cost);
            scratch.monthly_claims[first] += 1;
            for (count, is) in scratch.service_claims.iter_mut().zip(&scratch.in_claim) {
                *count += i64::from(*is);
            }
        }
    }
    scratch.days.sort_unstable();
    scratch.days.dedup();
    let last = scratch.days.last().map_or(MISSING, |&day| i64::from(window.cut - day));
    let total: i64 = scratch.monthly.iter().sum();
    let recent = |by_month: &[i64], n: usize| by_month[..n.min(by_month.len())].iter().sum::<i64>();
    whole.push(total);
    whole.extend(&scratch.by_service);
    whole.extend(plan.rolling.iter().map(|&n| recent(&scratch.monthly, n as usize)));
    whole.extend((0..layout.years_back).map(|y| scratch.monthly[y * 12..(y + 1) * 12].iter().sum::<i64>()));
    whole.push(largest);
    whole.push(claims);
    whole.extend(&scratch.service_claims);
    whole.extend(plan.rolling.iter().map(|&n| recent(&scratch.monthly_claims, n as usize)));
    whole.push(scratch.days.len() as i64);
    let mut active = 0;
    let mut month_before = None;
    for &day in &scratch.days {
        let month = window.month_back(day);
        active += i64::from(month != month_before);
        month_before = month;
    }
    whole.push(active);
    whole.push(last);
    conditions(plan, window, Moment { cut: window.cut, silent }, events, &mut scratch.flags);
    whole.extend(scratch.flags.iter().map(|&flag| i64::from(flag)));
    if !plan.conditions.is_empty() {
        whole.push(scratch.flags.iter().filter(|&&flag| flag).count() as i64);
    }
    let months = member_months(
        union,
        (window.start, window.cut),
        plan.config.windows.history_months,
        plan.config.rules.member_months,
    );
    floats.push(months);
    floats.push(if months > 0.0 { total as f64 / months } else { 0.0 });
    if layout.months > 1 {
        floats.push(slope(&scratch.monthly));
    }
}

/// Raises the flags of conditions with enough days in the history, and lowers those that others supersede.
fn conditions(plan: &Plan, window: &Window, at: Moment<'_>, events: &[Event], flags: &mut Vec<bool>) {
    flags.clear();
    flags.resize(plan.conditions.names.len(), false);
    for of_category in events.chunk_by(|a, b| a.category == b.category) {
        let (mut days, mut before) = (0, None);
        for event in of_category {
            let seen = (window.start..window.cut).contains(&event.date) && at.knows(event.known);
            if seen && before != Some(event.date) {
                days += 1;
                before = Some(event.date);
            }
        }
        if let Some(event) = of_category.first() {
            flags[usize::from(event.category)] = days >= plan.config.conditions.min_days;
        }
    }
    plan.conditions.supersede(flags);
}

/// Slope of the least-squares line through the months' costs, from the oldest to the newest. Months are counted back, so the sign turns.
fn slope(monthly: &[i64]) -> f64 {
    let n = monthly.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let squares = n * (n * n - 1.0) / 12.0;
    let products: f64 = monthly.iter().enumerate().map(|(back, &cost)| (middle - back as f64) * cost as f64).sum();
    products / squares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trend_is_the_slope_towards_now() {
        assert_eq!(slope(&[300, 200, 100]), 100.0);
        assert_eq!(slope(&[7, 7, 7, 7]), 0.0);
        assert_eq!(slope(&[0, 10]), -10.0);
    }
}

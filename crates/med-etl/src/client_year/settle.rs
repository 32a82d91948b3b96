//! The rules that compare a client's transactions with one another and with the enrolment.

use super::ledger::Rule;
use super::line::{Line, Moment};
use super::rules::{DuplicateLines, OutsideEnrolment, Reversals, Rules};
use super::spans::{Span, covers};

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It counts.
    Kept,
    /// A rule takes it away.
    Removed(Rule),
    /// It lies after the moment from which one looks.
    Unseen,
}

/// Decides the fate of each of one client's lines, which must be sorted.
///
/// With a cut-off, only what was dated and known before it is looked at, and the fate of a line depends on nothing else: that is
/// what keeps the future out of the features. Without one, all lines are: that is how targets and ledger see them.
pub(super) fn settle(lines: &[Line], union: &[Span], rules: &Rules, at: Option<Moment<'_>>, fates: &mut Vec<Fate>) {
    fates.clear();
    fates.extend(lines.iter().map(|line| {
        let seen = at.is_none_or(|at| line.date < at.cut && at.knows(line.known));
        if seen { Fate::Kept } else { Fate::Unseen }
    }));
    let mut start = 0;
    for claim in lines.chunk_by(|a, b| a.claim == b.claim) {
        let fates = &mut fates[start..start + claim.len()];
        start += claim.len();
        if claim.len() > 1 {
            duplicates(claim, rules.duplicate_lines, fates);
            headers(claim, fates);
        }
        reversals(claim, rules.reversals, fates);
        outside(claim, union, rules.outside_enrolment, fates);
    }
}

/// Lines of one number, day and amount stand side by side, the one that was known first before the others.
fn duplicates(claim: &[Line], rule: DuplicateLines, fates: &mut [Fate]) {
    if rule == DuplicateLines::Keep {
        return;
    }
    let same = |a: &Line, b: &Line| (a.line, a.date, a.cents, a.table) == (b.line, b.date, b.cents, b.table);
    let mut first: Option<&Line> = None;
    for (line, fate) in claim.iter().zip(fates) {
        if line.line == 0 || *fate != Fate::Kept {
            continue;
        }
        if first.is_some_and(|f| same(f, line)) {
            *fate = Fate::Removed(Rule::DuplicateLine);
        } else {
            first = Some(line);
        }
    }
}

/// Of the lines that repeat one amount of a claim, the one of the earliest day stays.
fn headers(claim: &[Line], fates: &mut [Fate]) {
    // Nearly all claims have one amount, or two with its reversal.
    let mut firsts: Vec<usize> = Vec::new();
    for (i, line) in claim.iter().enumerate() {
        if !line.header || fates[i] != Fate::Kept {
            continue;
        }
        let Some(first) = firsts.iter_mut().find(|&&mut f| claim[f].cents == line.cents) else {
            firsts.push(i);
            continue;
        };
        let earlier = (line.date, line.known) < (claim[*first].date, claim[*first].known);
        let repeated = if earlier { std::mem::replace(first, i) } else { i };
        fates[repeated] = Fate::Removed(Rule::HeaderAmount);
    }
}

fn reversals(claim: &[Line], rule: Reversals, fates: &mut [Fate]) {
    if rule == Reversals::Net {
        return;
    }
    for i in 0..claim.len() {
        if claim[i].cents >= 0 || fates[i] != Fate::Kept {
            continue;
        }
        if rule == Reversals::Drop {
            fates[i] = Fate::Removed(Rule::Reversal);
            continue;
        }
        let open = |j: &usize| fates[*j] == Fate::Kept && claim[*j].cents == -claim[i].cents;
        // The latest one of before, as an adjustment reverses what stands; else the first of after.
        let before = (0..claim.len()).filter(open).filter(|&j| claim[j].date <= claim[i].date);
        let partner = before
            .max_by_key(|&j| (claim[j].date, std::cmp::Reverse(j)))
            .or_else(|| (0..claim.len()).filter(open).min_by_key(|&j| (claim[j].date, j)));
        if let Some(j) = partner {
            fates[i] = Fate::Removed(Rule::Reversal);
            fates[j] = Fate::Removed(Rule::Reversal);
        }
    }
}

fn outside(claim: &[Line], union: &[Span], rule: OutsideEnrolment, fates: &mut [Fate]) {
    let grace = match rule {
        OutsideEnrolment::Keep => return,
        OutsideEnrolment::Drop => 0,
        OutsideEnrolment::GraceDays(days) => days,
    };
    for (line, fate) in claim.iter().zip(fates) {
        if *fate == Fate::Kept && !covers(union, line.date, grace) {
            *fate = Fate::Removed(Rule::OutsideEnrolment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_year::window::Day;

    const ALWAYS: [Span; 1] = [Span { start: 0, end: 1_000 }];

    fn line(claim: u64, line: u32, date: Day, cents: i64) -> Line {
        Line { client: 0, claim, line, date, cents, known: date, service: 0, table: 0, header: false, form: 0 }
    }

    fn header(claim: u64, number: u32, date: Day, cents: i64) -> Line {
        Line { header: true, ..line(claim, number, date, cents) }
    }

    fn fates(lines: &mut [Line], rules: &Rules, cut: Option<Day>) -> Vec<Fate> {
        lines.sort_unstable();
        let mut fates = Vec::new();
        let at = cut.map(|cut| Moment { cut, silent: &[] });
        settle(lines, &ALWAYS, rules, at, &mut fates);
        fates
    }

    fn kept(lines: &mut [Line], rules: &Rules, cut: Option<Day>) -> Vec<i64> {
        let fates = fates(lines, rules, cut);
        lines.iter().zip(fates).filter(|(_, f)| *f == Fate::Kept).map(|(l, _)| l.cents).collect()
    }

    #[test]
    fn a_header_counts_once_a_claim_and_lines_add_up() {
        let mut lines =
            [header(1, 1, 5, 100), header(1, 2, 5, 100), header(2, 1, 5, 100), line(3, 1, 5, 70), line(3, 2, 5, 70)];
        assert_eq!(kept(&mut lines, &Rules::default(), None), [100, 100, 70, 70]);
        // A reversal repeats its amount too.
        let mut lines = [header(1, 1, 5, 100), header(1, 2, 5, 100), header(1, 3, 9, -100), header(1, 4, 9, -100)];
        assert_eq!(kept(&mut lines, &Rules::default(), None), [100, -100]);
    }

    #[test]
    fn the_line_of_the_earliest_day_stays_among_those_that_are_seen() {
        let mut lines = [header(1, 1, 20, 100), header(1, 2, 10, 100)];
        let removed = Fate::Removed(Rule::HeaderAmount);
        assert_eq!(fates(&mut lines, &Rules::default(), None), [removed, Fate::Kept]);
        // The earlier one is known late: seen from day 30 the other one has the amount.
        let mut lines = [header(1, 1, 20, 100), Line { known: 50, ..header(1, 2, 10, 100) }];
        assert_eq!(fates(&mut lines, &Rules::default(), Some(30)), [Fate::Kept, Fate::Unseen]);
        assert_eq!(fates(&mut lines, &Rules::default(), None), [removed, Fate::Kept]);
    }

    #[test]
    fn lines_loaded_twice_count_once_if_they_have_a_number() {
        let again = Line { known: 9, ..line(1, 4, 5, 100) };
        let mut lines = [line(1, 4, 5, 100), again, line(1, 5, 5, 100), line(2, 0, 5, 100), line(2, 0, 5, 100)];
        assert_eq!(kept(&mut lines, &Rules::default(), None).len(), 4);
        let keep = Rules { duplicate_lines: DuplicateLines::Keep, ..Rules::default() };
        assert_eq!(kept(&mut lines, &keep, None).len(), 5);
    }

    #[test]
    fn reversals_net_pair_or_go() {
        let lines = [line(1, 1, 5, 100), line(1, 2, 6, 100), line(1, 3, 7, -100), line(2, 1, 5, -40)];
        let sum = |reversals| {
            let rules = Rules { reversals, ..Rules::default() };
            let kept = kept(&mut lines.clone(), &rules, None);
            (kept.len(), kept.iter().sum::<i64>())
        };
        assert_eq!(sum(Reversals::Net), (4, 60));
        assert_eq!(sum(Reversals::Pair), (2, 60), "the pair is gone, the lone reversal stays");
        assert_eq!(sum(Reversals::Drop), (2, 200));
    }

    #[test]
    fn costs_outside_enrolment_follow_the_policy() {
        let mut lines = [line(1, 1, 999, 1), line(2, 1, 1_000, 2), line(3, 1, 1_030, 4)];
        let of = |outside_enrolment| Rules { outside_enrolment, ..Rules::default() };
        assert_eq!(kept(&mut lines, &of(OutsideEnrolment::Drop), None), [1]);
        assert_eq!(kept(&mut lines, &of(OutsideEnrolment::GraceDays(10)), None), [1, 2]);
        assert_eq!(kept(&mut lines, &of(OutsideEnrolment::Keep), None), [1, 2, 4]);
    }
}

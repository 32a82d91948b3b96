//! The rules that compare a client's transactions with one another and with the enrolment.

use super::ledger::Rule;
use super::line::{Line, Moment};
use super::repeats::{duplicates, headers};
use super::rules::{OutsideEnrolment, Reversals, Rules};
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
            duplicates(claim, rules, fates);
            headers(claim, rules, fates);
        }
        reversals(claim, rules.reversals, fates);
        outside(claim, union, rules.outside_enrolment, fates);
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
    use crate::client_year::rules::DuplicateLines;
    use crate::client_year::window::Day;
    use proptest::prelude::*;

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

    fn known(known: Day, line: Line) -> Line {
        Line { known, ..line }
    }

    fn sum(lines: &[Line], rules: &Rules, cut: Option<Day>) -> i64 {
        kept(&mut lines.to_vec(), rules, cut).iter().sum()
    }

    #[test]
    fn what_is_billed_again_after_its_reversal_counts() {
        let lines = [known(10, line(1, 1, 5, 100)), known(20, line(1, 1, 5, -100)), known(30, line(1, 1, 5, 100))];
        let own_day = [lines[0], known(20, line(1, 1, 9, -100)), lines[2]];
        let own_number = [lines[0], known(20, line(1, 7, 5, -100)), lines[2]];
        let at_once = [lines[0], known(30, line(1, 1, 5, -100)), lines[2]];
        let twice = [lines[0], known(11, lines[0]), lines[1], known(21, lines[1]), lines[2], known(31, lines[2])];
        let headers = lines.map(|line| Line { header: true, ..line });
        let of_two = [headers, headers.map(|line| Line { line: 2, date: 6, ..line })].concat();
        for reversals in [Reversals::Net, Reversals::Pair] {
            let rules = Rules { reversals, ..Rules::default() };
            for (named, lines) in [
                ("one line", &lines[..]),
                ("a reversal of another day", &own_day),
                ("a reversal of another number", &own_number),
                ("each loaded twice", &twice),
                ("a header", &headers),
                ("a header on two lines", &of_two),
            ] {
                // Before, between and after the three moments.
                let seen = [10, 11, 21, 31].map(|cut| sum(lines, &rules, Some(cut)));
                assert_eq!(seen, [0, 100, 0, 100], "{named}, {reversals:?}");
                assert_eq!(sum(lines, &rules, None), 100, "{named}, {reversals:?}");
            }
            assert_eq!(
                [11, 30, 31].map(|cut| sum(&at_once, &rules, Some(cut))),
                [100; 3],
                "reversed and billed in one go"
            );
        }
        // Where nothing says when, or all became known at once, equal lines are one.
        assert_eq!(sum(&lines.map(|line| known(10, line)), &Rules::default(), None), 0);
        // Negative lines that are errors reverse nothing.
        let drop = Rules { reversals: Reversals::Drop, ..Rules::default() };
        assert_eq!((sum(&lines, &drop, None), sum(&of_two, &drop, None)), (100, 100));
    }

    #[test]
    fn a_reversal_frees_the_line_that_it_is_of() {
        let (one, two) = (known(10, line(1, 1, 5, 100)), known(10, line(1, 2, 5, 100)));
        // The second line is reversed twice over; the first one is loaded again and stands.
        let lines = [one, two, known(20, line(1, 2, 5, -100)), known(21, line(1, 2, 5, -100)), known(30, one)];
        assert_eq!(sum(&lines, &Rules::default(), None), 100);
        // Both are reversed without a number, and billed again.
        let of_claim = known(20, line(1, 0, 5, -100));
        let again = [known(30, one), known(30, two)];
        assert_eq!(sum(&[one, two, of_claim, of_claim, again[0], again[1]], &Rules::default(), None), 200);
        // It is posted and reversed on one day.
        let lines = [one, known(20, two), known(20, line(1, 2, 5, -100)), known(30, one)];
        assert_eq!(sum(&lines, &Rules::default(), None), 100);
    }

    proptest! {
        /// Bills and reversals of one amount in any order, some loaded again: seen from any day, each counts that differs from the one
        /// before it, whatever else the claim has.
        #[test]
        fn amounts_stand_from_their_bill_to_their_reversal(
            events in prop::collection::vec((any::<bool>(), any::<bool>(), 1..4_i32), 1..12),
            others in prop::collection::vec((1..4_u32, 1..40_i32), 0..4),
            header in any::<bool>(),
            reversed_on in 5..9_i32,
        ) {
            let (mut lines, mut days, mut day) = (Vec::new(), Vec::new(), 10);
            for (bill, twice, later) in events {
                day += later;
                let new = if bill { line(1, 1, 5, 100) } else { line(1, 1, reversed_on, -100) };
                let new = Line { known: day, header, ..new };
                lines.push(new);
                if twice {
                    lines.push(new);
                }
                days.push((day, new.cents));
            }
            let others: Vec<Line> = others.into_iter().map(|(number, known)| Line { known, ..line(1, number, 5, 7) }).collect();
            for cut in 10..=day + 1 {
                let mut seen: Vec<i64> = days.iter().filter(|(known, _)| *known < cut).map(|(_, cents)| *cents).collect();
                seen.dedup();
                let rules = Rules::default();
                prop_assert_eq!(sum(&lines, &rules, Some(cut)), seen.iter().sum::<i64>());
                let all = [&lines[..], &others].concat();
                prop_assert_eq!(sum(&all, &rules, Some(cut)), seen.iter().sum::<i64>() + sum(&others, &rules, Some(cut)));
            }
        }
    }
}

//! Lines that tell the same money again, and lines that bill it anew.
//!
//! A claim that is cancelled and billed again has its amount three times: `x`, `-x`, `x`. The third one is no repetition of the first,
//! since nothing stood any more when it became known. So amounts are followed in the order in which they became known: one that stands is
//! repeated by an equal one, and stands until a reversal of it is known. Rows that became known at once, as all do in a feed that does not
//! say when, have no such order: there equal lines are one line.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Rule;
use super::line::Line;
use super::rules::{DuplicateLines, Reversals, Rules};
use super::settle::Fate;
use super::window::Day;

/// What tells a line of a claim from others: entry of the configuration, number and day.
type Identity = (u8, u32, Day);

fn identity(line: &Line) -> Identity {
    (line.table, line.line, line.date)
}

/// Takes away lines that were loaded again: of the number, day and amount of one that stands.
pub(super) fn duplicates(claim: &[Line], rules: &Rules, fates: &mut [Fate]) {
    if rules.duplicate_lines == DuplicateLines::Keep {
        return;
    }
    // Lines of one number, day and amount stand side by side, and nearly no claim has any.
    let mut amounts: Vec<u64> = Vec::new();
    for (i, line) in claim.iter().enumerate().filter(|&(i, line)| line.line != 0 && fates[i] == Fate::Kept) {
        let like = |other: &Line| (other.line, other.date, other.cents) == (line.line, line.date, line.cents);
        let behind = claim[i + 1..].iter().zip(&fates[i + 1..]).take_while(|(other, _)| like(other));
        if behind.into_iter().any(|(other, fate)| *fate == Fate::Kept && other.table == line.table) {
            amounts.push(line.cents.unsigned_abs());
        }
    }
    amounts.sort_unstable();
    amounts.dedup();
    for amount in amounts {
        let of_amount = |&i: &usize| fates[i] == Fate::Kept && claim[i].cents.unsigned_abs() == amount;
        let mut lines: Vec<usize> = (0..claim.len()).filter(of_amount).collect();
        lines.sort_by_key(|&i| claim[i].known);
        let mut standing = Standing { reversals_count: rules.reversals != Reversals::Drop, ..Standing::default() };
        let mut again = Vec::new();
        for moment in lines.chunk_by(|&a, &b| claim[a].known == claim[b].known) {
            standing.pass(claim, moment, &mut again);
        }
        again.into_iter().for_each(|i: usize| fates[i] = Fate::Removed(Rule::DuplicateLine));
    }
}

/// The lines of one amount, and what stands of them after some moments.
#[derive(Default)]
struct Standing {
    /// Whether a line stands, of all that were there.
    lines: BTreeMap<Identity, bool>,
    /// What each reversal undid the last time; nothing if nothing stood.
    undid: BTreeMap<Identity, Option<Identity>>,
    /// Whether reversals undo anything.
    reversals_count: bool,
}

impl Standing {
    /// Takes in what became known at one moment, and adds the lines that were there to `again`.
    fn pass(&mut self, claim: &[Line], moment: &[usize], again: &mut Vec<usize>) {
        let mut seen = BTreeSet::new();
        let (mut billed, mut undecided) = (Vec::new(), Vec::new());
        for &i in moment {
            let line = &claim[i];
            let new = line.line == 0 || seen.insert((identity(line), line.cents));
            match (new, line.cents >= 0) {
                (false, _) => again.push(i),
                (true, true) => billed.push(i),
                (true, false) => undecided.push(i),
            }
        }
        // What stood before may be cancelled and billed anew at one moment; what is billed now may be cancelled now as well.
        let now: Vec<Identity> = billed.iter().map(|&i| identity(&claim[i])).collect();
        undecided.retain(|&i| !self.undo(&claim[i], &now));
        for i in billed {
            let line = &claim[i];
            // Without a number nothing is taken for a repetition.
            if line.line != 0 && self.lines.insert(identity(line), true) == Some(true) {
                again.push(i);
            }
        }
        for i in undecided {
            let (line, own) = (&claim[i], identity(&claim[i]));
            if self.undo(line, &[]) || line.line == 0 {
                continue;
            }
            match self.undid.entry(own) {
                Entry::Occupied(_) => again.push(i),
                Entry::Vacant(first) => _ = first.insert(None),
            }
        }
    }

    /// Whether this reversal undoes a line that stands: the one that it undid before, its own, one of its number, or else any, unless what
    /// it is meant for is billed `now`.
    fn undo(&mut self, reversal: &Line, now: &[Identity]) -> bool {
        if !self.reversals_count {
            return false;
        }
        let own = identity(reversal);
        let stands = |line: &Identity| self.lines.get(line) == Some(&true);
        let latest = |fits: &dyn Fn(&Identity) -> bool| {
            let standing = self.lines.iter().filter(|(line, stands)| **stands && fits(line)).map(|(line, _)| *line);
            standing.max_by_key(|&(_, _, day)| day)
        };
        let of_number = |line: &Identity| line.1 == own.1;
        let undone = match self.undid.get(&own).copied().flatten() {
            Some(before) => Some(before).filter(stands),
            None if stands(&own) => Some(own),
            None if now.contains(&own) => None,
            None => latest(&of_number).or_else(|| if now.iter().any(of_number) { None } else { latest(&|_| true) }),
        };
        let Some(undone) = undone else { return false };
        self.lines.insert(undone, false);
        // Reversals without a number are not told from one another.
        if reversal.line != 0 {
            self.undid.insert(own, Some(undone));
        }
        true
    }
}

/// Of the lines that repeat one amount of a claim, the one of the earliest day stays; after a reversal of it, so does one of those that
/// repeat it anew.
pub(super) fn headers(claim: &[Line], rules: &Rules, fates: &mut [Fate]) {
    let mut lines: Vec<usize> = (0..claim.len()).filter(|&i| claim[i].header && fates[i] == Fate::Kept).collect();
    if lines.len() < 2 {
        return;
    }
    let turns = rules.reversals != Reversals::Drop;
    lines.sort_by_key(|&i| (claim[i].cents.unsigned_abs(), claim[i].known));
    for amount in lines.chunk_by(|&a, &b| claim[a].cents.unsigned_abs() == claim[b].cents.unsigned_abs()) {
        // The line that tells the amount, and the one that tells its reversal.
        let mut told: [Option<usize>; 2] = [None, None];
        let mut standing = false;
        for moment in amount.chunk_by(|&a, &b| claim[a].known == claim[b].known) {
            // What stood before is cancelled first; else what is billed comes first.
            let order = if standing { [true, false] } else { [false, true] };
            for reversal in order {
                for &i in moment.iter().filter(|&&i| (claim[i].cents < 0) == reversal) {
                    let turned = turns && standing == reversal;
                    let told = &mut told[usize::from(reversal)];
                    match told {
                        Some(first) if !turned => {
                            let earlier = (claim[i].date, claim[i].known) < (claim[*first].date, claim[*first].known);
                            let repeated = if earlier { std::mem::replace(first, i) } else { i };
                            fates[repeated] = Fate::Removed(Rule::HeaderAmount);
                        }
                        _ => *told = Some(i),
                    }
                    standing = !reversal;
                }
            }
        }
    }
}

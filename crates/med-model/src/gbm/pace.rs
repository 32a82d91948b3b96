//! Whether trees are grown by all threads or by one, by what either took so far.
//!
//! Where cores are busy with other work, a thread that shares one of them gets its turn late and all others wait for it, many
//! times a tree: then one thread alone is quicker. No library can know that beforehand, so each fit measures: seconds a unit
//! of work, for trees grown together and for trees grown alone, each a moving average. The quicker way is taken, and the other
//! is tried now and then: the more seldom the more often it lost and the more it lost by, so that trials cost about a fiftieth of
//! the time in a long fit. Many threads lose much by growing one tree alone, so the first trial comes the later the more there
//! are: with two threads at the eighth tree, which a fit of seven does not reach. Trees are the same to the bit either way.

use std::time::{Duration, Instant};

/// Together must save so much, as a share of the time alone: a core that is not needed is left to others.
const WORTH: f64 = 0.95;
/// What the last tree weighs in an average, and what a trial does.
const LAST: (f64, f64) = (0.25, 0.5);
/// A tree that took longer than so many averages had bad luck, and counts as so many.
const LUCK: f64 = 4.0;
/// Trees between two trials of the slower way, at first and, by the trials that it lost, at most.
const TRIAL: (usize, usize) = (8, 32);
/// Trees between two trials for each tree's time that one loses.
const LOSS: f64 = 50.0;
/// Trees before the first trial for each thread beside this one, and at most.
const FIRST: (usize, usize) = (6, 48);
/// Trees grown alone at first, of which the quicker counts: one that something else held up would say the wrong thing for long.
const PAIR: usize = 2;

/// Who grows a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Alone,
    Together,
}

/// Work that is timed.
#[derive(Debug)]
pub(super) struct Timed {
    way: Way,
    /// There where time matters.
    start: Option<Instant>,
}

/// What trees took so far.
#[derive(Debug)]
pub(super) struct Pace {
    /// Seconds a unit of work.
    alone: Option<f64>,
    together: Option<f64>,
    n_alone: usize,
    /// Trees since the slower way was tried, and how many it should be.
    since: usize,
    trial: usize,
    /// Trees so far. The first, which touches memory for the first time, does not count.
    n: usize,
    /// Threads beside this one.
    others: usize,
}

impl Pace {
    /// Of a fit that so many threads beside this one can help with.
    pub(super) fn new(others: usize) -> Self {
        Self { alone: None, together: None, n_alone: 0, since: 0, trial: TRIAL.0, n: 0, others }
    }

    /// Who should grow the next tree.
    pub(super) fn next(&self) -> Way {
        match (self.alone, self.together) {
            _ if self.others == 0 => Way::Alone,
            (None, Some(_)) if self.n > (FIRST.0 * self.others).min(FIRST.1) => Way::Alone,
            (None, _) | (_, None) => Way::Together,
            _ if self.n_alone < PAIR => Way::Alone,
            (Some(alone), Some(together)) => {
                let quicker = self.quicker();
                let loss = match quicker {
                    Way::Alone => together / alone - 1.0,
                    Way::Together => alone / together - 1.0,
                };
                if self.since < self.trial || (self.since as f64) < LOSS * loss {
                    return quicker;
                }
                match quicker {
                    Way::Alone => Way::Together,
                    Way::Together => Way::Alone,
                }
            }
        }
    }

    fn quicker(&self) -> Way {
        match (self.alone, self.together) {
            (Some(alone), Some(together)) if together > WORTH * alone => Way::Alone,
            _ => Way::Together,
        }
    }

    /// Begins a tree.
    pub(super) fn start(&self) -> Timed {
        Timed { way: self.next(), start: (self.others > 0).then(Instant::now) }
    }

    /// A tree of this much work has ended.
    pub(super) fn end(&mut self, timed: &Timed, work: u64) {
        if let Some(start) = timed.start {
            self.took(timed.way, work, start.elapsed());
        }
    }

    fn took(&mut self, way: Way, work: u64, time: Duration) {
        self.n += 1;
        if self.n == 1 {
            return;
        }
        let rate = time.as_secs_f64() / work.max(1) as f64;
        let before = self.quicker();
        let average = match way {
            Way::Alone => {
                self.n_alone += 1;
                if self.n_alone <= PAIR {
                    self.alone = Some(self.alone.map_or(rate, |first| first.min(rate)));
                    return;
                }
                &mut self.alone
            }
            Way::Together => &mut self.together,
        };
        let last = if way == before { LAST.0 } else { LAST.1 };
        *average = Some(average.map_or(rate, |average| average + last * (rate.min(LUCK * average) - average)));
        if self.quicker() != before {
            (self.since, self.trial) = (0, TRIAL.0);
        } else if way == before {
            self.since += 1;
        } else {
            (self.since, self.trial) = (0, (2 * self.trial).min(TRIAL.1));
        }
    }
}

impl Timed {
    /// Who is to do the work.
    pub(super) fn way(&self) -> Way {
        self.way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grows trees that take these times, and counts those grown alone.
    fn alone_of(pace: &mut Pace, trees: usize, alone: impl Fn(usize) -> f64, together: impl Fn(usize) -> f64) -> usize {
        let mut n = 0;
        for tree in 0..trees {
            let way = pace.next();
            let seconds = if way == Way::Alone { alone(tree) } else { together(tree) };
            n += usize::from(way == Way::Alone);
            // Trees of different sizes, whose times go with their work.
            let work = 1000 + 700 * (tree as u64 % 3);
            pace.took(way, work, Duration::from_secs_f64(seconds * work as f64 / 1000.0));
        }
        n
    }

    #[test]
    fn the_quicker_way_is_found_and_the_other_tried_ever_more_seldom() {
        let n = alone_of(&mut Pace::new(1), 200, |_| 1.0, |_| 0.6);
        assert!((2..=7).contains(&n), "{n}");
        // Seven more threads: a tree alone takes as long as five.
        let n = alone_of(&mut Pace::new(7), 200, |_| 1.0, |_| 0.2);
        assert!(n == 2, "{n}");
        let n = alone_of(&mut Pace::new(1), 200, |_| 1.0, |_| 1.1);
        assert!((180..=193).contains(&n), "{n}");
        // Two threads that bring nothing are one too many.
        let n = alone_of(&mut Pace::new(1), 200, |_| 1.0, |_| 1.0);
        assert!(n >= 180, "{n}");
    }

    #[test]
    fn waits_now_and_then_count_by_what_they_cost() {
        // Every fifth tree waits for a core: 1.3 times as long as alone on average.
        let waits = |tree: usize| if tree % 5 == 4 { 4.1 } else { 0.6 };
        let n = alone_of(&mut Pace::new(1), 200, |_| 1.0, waits);
        assert!(n >= 130, "{n}");
        let n = alone_of(&mut Pace::new(1), 200, |_| 1.0, |tree| if tree % 20 == 19 { 1.4 } else { 0.6 });
        assert!(n <= 20, "{n}");
    }

    #[test]
    fn one_tree_that_is_held_up_does_not_decide() {
        let held_up = |tree: usize| if tree == 7 { 4.0 } else { 1.0 };
        let n = alone_of(&mut Pace::new(1), 200, held_up, |_| 1.3);
        assert!(n >= 180, "{n}");
    }

    #[test]
    fn a_core_that_gets_busy_or_free_is_noticed() {
        let mut pace = Pace::new(1);
        assert!(alone_of(&mut pace, 100, |_| 1.0, |_| 0.6) <= 7);
        assert!(alone_of(&mut pace, 100, |_| 1.0, |_| 1.5) >= 85);
        assert!(alone_of(&mut pace, 200, |_| 1.0, |_| 0.6) <= 80);
    }

    #[test]
    fn the_first_tree_says_nothing_and_little_work_is_not_shared() {
        let mut pace = Pace::new(1);
        pace.took(Way::Together, 1, Duration::from_secs(100));
        assert_eq!((pace.together, pace.next()), (None, Way::Together));
        let mut pace = Pace::new(0);
        assert_eq!(alone_of(&mut pace, 20, |_| 1.0, |_| 0.1), 20);
        // No work and no time are no reason to fail.
        pace.took(Way::Alone, 0, Duration::ZERO);
    }
}

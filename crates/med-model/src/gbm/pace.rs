//! Whether trees are grown by all threads or by one, by what either took so far.
//!
//! Where cores are busy with other work, a thread that shares one of them gets its turn late and all others wait for it, many
//! times a tree: then one thread alone is quicker. No library can know that beforehand, so each fit measures: seconds a unit
//! of work, for trees grown together and for trees grown alone, each a moving average. The quicker way is taken, and the other
//! is tried now and then, the more seldom the more often it lost. Trees are the same to the bit either way.

use std::time::{Duration, Instant};

/// Together must save so much, as a share of the time alone: a core that is not needed is left to others.
const WORTH: f64 = 0.95;
/// What the last tree weighs in an average.
const LAST: f64 = 0.25;
/// Trees between two trials of the slower way, at first and at most.
const TRIAL: (usize, usize) = (8, 64);

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
    start: Instant,
}

/// What trees took so far.
#[derive(Debug)]
pub(super) struct Pace {
    /// Seconds a unit of work.
    alone: Option<f64>,
    together: Option<f64>,
    /// Trees since the slower way was tried, and how many it should be.
    since: usize,
    trial: usize,
    /// Whether the first tree, which touches memory for the first time, is over.
    warm: bool,
    /// Whether there is work for more than one thread.
    shared: bool,
}

impl Pace {
    /// Of a fit that has work for more than one thread, or not.
    pub(super) fn new(shared: bool) -> Self {
        Self { alone: None, together: None, since: 0, trial: TRIAL.0, warm: false, shared }
    }

    /// Who should grow the next tree.
    pub(super) fn next(&self) -> Way {
        match (self.alone, self.together) {
            _ if !self.shared => Way::Alone,
            (_, None) => Way::Together,
            (None, Some(_)) => Way::Alone,
            (Some(_), Some(_)) if self.since >= self.trial => match self.quicker() {
                Way::Alone => Way::Together,
                Way::Together => Way::Alone,
            },
            (Some(_), Some(_)) => self.quicker(),
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
        Timed { way: self.next(), start: Instant::now() }
    }

    /// A tree of this much work has ended.
    pub(super) fn end(&mut self, timed: &Timed, work: u64) {
        self.took(timed.way, work, timed.start.elapsed());
    }

    fn took(&mut self, way: Way, work: u64, time: Duration) {
        if !self.warm {
            self.warm = true;
            return;
        }
        let rate = time.as_secs_f64() / work.max(1) as f64;
        let before = self.quicker();
        let average = match way {
            Way::Alone => &mut self.alone,
            Way::Together => &mut self.together,
        };
        *average = Some(average.map_or(rate, |average| average + LAST * (rate - average)));
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
        let n = alone_of(&mut Pace::new(true), 200, |_| 1.0, |_| 0.6);
        assert!((2..=8).contains(&n), "{n}");
        let n = alone_of(&mut Pace::new(true), 200, |_| 1.0, |_| 1.1);
        assert!((190..=198).contains(&n), "{n}");
        // Two threads that bring nothing are one too many.
        let n = alone_of(&mut Pace::new(true), 200, |_| 1.0, |_| 1.0);
        assert!(n >= 190, "{n}");
    }

    #[test]
    fn waits_now_and_then_count_by_what_they_cost() {
        // Every fifth tree waits for a core: 1.3 times as long as alone on average.
        let waits = |tree: usize| if tree % 5 == 4 { 4.1 } else { 0.6 };
        let n = alone_of(&mut Pace::new(true), 200, |_| 1.0, waits);
        assert!(n >= 130, "{n}");
        let n = alone_of(&mut Pace::new(true), 200, |_| 1.0, |tree| if tree % 20 == 19 { 1.4 } else { 0.6 });
        assert!(n <= 20, "{n}");
    }

    #[test]
    fn a_core_that_gets_busy_or_free_is_noticed() {
        let mut pace = Pace::new(true);
        assert!(alone_of(&mut pace, 100, |_| 1.0, |_| 0.6) <= 8);
        assert!(alone_of(&mut pace, 100, |_| 1.0, |_| 1.5) >= 85);
        assert!(alone_of(&mut pace, 200, |_| 1.0, |_| 0.6) <= 80);
    }

    #[test]
    fn the_first_tree_says_nothing_and_little_work_is_not_shared() {
        let mut pace = Pace::new(true);
        pace.took(Way::Together, 1, Duration::from_secs(100));
        assert_eq!((pace.together, pace.next()), (None, Way::Together));
        let mut pace = Pace::new(false);
        assert_eq!(alone_of(&mut pace, 20, |_| 1.0, |_| 0.1), 20);
        // No work and no time are no reason to fail.
        pace.took(Way::Alone, 0, Duration::ZERO);
    }
}

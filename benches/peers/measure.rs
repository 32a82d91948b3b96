//! Wall time, CPU time and memory of a piece of work.

use std::time::Instant;

use crate::process::{cpu_seconds, peak_memory_mb, reset_peak_memory, resident_memory_mb};

/// What some repetitions of the same work took.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Seconds by the clock, for each repetition.
    pub(crate) wall: Vec<f64>,
    /// Seconds of processor time of all threads, for each repetition; NaN where the system does not tell.
    pub(crate) cpu: Vec<f64>,
    /// Resident memory before the first repetition, in megabytes.
    pub(crate) rss_mb: Option<f64>,
    /// Most resident memory during the work.
    pub(crate) peak_mb: Option<f64>,
}

/// Does the work some times and gives what came of it last.
pub(crate) fn measure<T, E>(repeat: usize, mut work: impl FnMut() -> Result<T, E>) -> Result<(Measured, T), E> {
    reset_peak_memory();
    let mut measured = Measured { rss_mb: resident_memory_mb(), ..Measured::default() };
    let mut once = || {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let done = measured_work(&mut work);
        measured.wall.push(start.elapsed().as_secs_f64());
        measured.cpu.push(cpu_seconds() - cpu);
        done
    };
    let mut done = once()?;
    for _ in 1..repeat {
        done = once()?;
    }
    measured.peak_mb = peak_memory_mb();
    Ok((measured, done))
}

/// Never inlined, so that `count.sh` can count the instructions of the work alone.
#[inline(never)]
fn measured_work<T>(work: &mut impl FnMut() -> T) -> T {
    std::hint::black_box(work())
}

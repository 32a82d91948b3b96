//! What Linux tells of this process, in `/proc/self`. `None` or NaN on other systems.

use std::fs;

/// Processor time of all living threads, in seconds; the threads of a pool live as long as the pool.
pub(crate) fn cpu_seconds() -> f64 {
    let nanoseconds = |task: fs::DirEntry| -> Option<u64> {
        fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return f64::NAN };
    let sum: Option<u64> = tasks.flatten().map(nanoseconds).sum();
    sum.map_or(f64::NAN, |ns| ns as f64 / 1e9)
}

/// Resident memory now, in megabytes.
pub(crate) fn resident_memory_mb() -> Option<f64> {
    status("VmRSS:")
}

/// Most resident memory since the last [`reset_peak_memory`], in megabytes.
pub(crate) fn peak_memory_mb() -> Option<f64> {
    status("VmHWM:")
}

/// Starts the peak anew at what is resident now.
pub(crate) fn reset_peak_memory() {
    // Where the system does not let us, the peak includes reading the file, and the caller sees it in the figures.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn status(key: &str) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes: f64 =
        text.lines().find_map(|l| l.strip_prefix(key))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

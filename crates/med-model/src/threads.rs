//! Whether work is shared among threads.

use std::cell::Cell;

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread works alone: the pool has no other, or [`by_itself`] says so. What is computed must not depend on it.
pub(crate) fn alone() -> bool {
    ALONE.get() || rayon::current_num_threads() == 1
}

/// Does some work on this thread alone, where the work asks [`alone`]: all of its parallel parts must, or a thread that waits for one
/// would take up other work meanwhile, and do that alone too.
pub(crate) fn by_itself<R>(work: impl FnOnce() -> R) -> R {
    /// Sets back what was, whatever happens in between.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _before = Before(ALONE.replace(true));
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_by_itself_ends() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| {
            assert!(!alone());
            by_itself(|| {
                by_itself(|| assert!(alone()));
                assert!(alone());
            });
            assert!(!alone());
            assert!(std::panic::catch_unwind(|| by_itself(|| panic!("on purpose"))).is_err());
            assert!(!alone());
        });
    }
}

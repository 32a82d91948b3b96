//! One regression tree as flat arrays: what growing makes, prediction walks and explanation weighs.

/// What follows a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Child {
    /// Another split, by its place in [`Tree::splits`]; always behind its parent, so that a walk ends.
    Split(u32),
    /// The end, by its place in [`Tree::leaves`].
    Leaf(u32),
}

/// A set of category codes, one bit each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LevelSet(Vec<u64>);

impl LevelSet {
    pub(crate) fn insert(&mut self, code: u32) {
        let word = code as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (code % 64);
    }

    /// Codes past the end are not in it.
    pub(crate) fn contains(&self, code: u32) -> bool {
        self.0.get(code as usize / 64).is_some_and(|word| word >> (code % 64) & 1 == 1)
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.0
    }

    pub(crate) fn from_words(words: Vec<u64>) -> Self {
        Self(words)
    }
}

impl FromIterator<u32> for LevelSet {
    fn from_iter<I: IntoIterator<Item = u32>>(codes: I) -> Self {
        let mut set = Self::default();
        codes.into_iter().for_each(|code| set.insert(code));
        set
    }
}

/// What is asked of a value. Those for which it holds go left.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// A number at most this.
    AtMost(f64),
    /// A level among these. On a numeric column (models of other libraries) the code is the value cut to an integer.
    OneOf(LevelSet),
}

/// A node with two children.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Split {
    /// Place of the feature in the model's schema.
    pub(crate) feature: u32,
    pub(crate) test: Test,
    /// Where missing values go, unseen levels among them.
    pub(crate) missing_left: bool,
    /// Whether zeros count as missing (models of other libraries only).
    pub(crate) zero_is_missing: bool,
    pub(crate) left: Child,
    pub(crate) right: Child,
    /// What the split brought, in units of the objective.
    pub(crate) gain: f64,
    /// What the node would predict as a leaf, on the scale of the leaves.
    pub(crate) value: f64,
    /// Sum of the weights of the training rows that came here; their number when there were no weights.
    pub(crate) cover: f64,
    /// Sum of second derivatives of the rows that came here.
    pub(crate) hessian: f64,
}

/// A node without children.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) value: f64,
    /// As [`Split::cover`].
    pub(crate) cover: f64,
    /// As [`Split::hessian`].
    pub(crate) hessian: f64,
}

/// A binary tree. The root is split 0, or leaf 0 of a tree without splits. Invariant: there is one leaf more than splits,
/// and each split but the root, and each leaf, is the child of exactly one split before it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    pub(crate) splits: Vec<Split>,
    pub(crate) leaves: Vec<Leaf>,
}

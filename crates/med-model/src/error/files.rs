//! Why a file holds no model: ours, or LightGBM's.

/// A model file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Not JSON, or JSON that holds no such model.
    #[error("not a model file: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON of another format.
    #[error("expected the format {expected:?}, found {found:?}")]
    Format {
        /// The format read here.
        expected: &'static str,
        /// The format of the file.
        found: String,
    },
    /// A version this code does not know.
    #[error("expected version {expected} of the format or an older one, found {found}; a newer release can read it")]
    Version {
        /// The newest version read here.
        expected: u32,
        /// The version of the file.
        found: u32,
    },
    /// Parts that contradict each other.
    #[error("the model in the file is broken: {0}")]
    Broken(#[from] BrokenModel),
}

/// Why the parts of a stored model do not fit together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{part}: expected {expected}, found {found}")]
pub struct BrokenModel {
    pub(crate) part: &'static str,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl BrokenModel {
    pub(crate) fn new(part: &'static str, expected: impl ToString, found: impl ToString) -> Self {
        Self { part, expected: expected.to_string(), found: found.to_string() }
    }

    /// Whether `found` values stand where `expected` should.
    pub(crate) fn same_length(part: &'static str, expected: usize, found: usize) -> Result<(), Self> {
        if expected == found { Ok(()) } else { Err(Self::new(part, format!("{expected} values"), format!("{found}"))) }
    }
}

/// A model of LightGBM that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LightGbmError {
    /// Text of something else.
    #[error("not a LightGBM model: expected the first line \"tree\", found {found:?}")]
    NotAModel {
        /// The first line.
        found: String,
    },
    /// A version this code does not know.
    #[error("expected a LightGBM model of version v2, v3 or v4, found {found:?}")]
    Version {
        /// The version of the file.
        found: String,
    },
    /// An objective that does not predict a cost.
    #[error("the LightGBM objective {objective:?} is not supported; only those of regression with one output are")]
    Objective {
        /// The objective.
        objective: String,
    },
    /// Linear models in the leaves.
    #[error("tree {tree} of the LightGBM model has linear leaves (linear_tree), which are not supported")]
    LinearLeaves {
        /// The tree, from 0.
        tree: usize,
    },
    /// A line that cannot be read, or is not there.
    #[error("LightGBM model, {}{field}: expected {expected}, found {found}", tree_name(.tree))]
    Field {
        /// The tree, from 0; none for the head of the file.
        tree: Option<usize>,
        /// Key of the line.
        field: &'static str,
        /// What should stand there.
        expected: String,
        /// What does.
        found: String,
    },
    /// Parts of a tree that contradict each other.
    #[error("tree {tree} of the LightGBM model is broken: {source}")]
    BrokenTree {
        /// The tree, from 0.
        tree: usize,
        /// What is wrong.
        source: BrokenModel,
    },
    /// Parts of the model that contradict each other.
    #[error("the LightGBM model is broken: {0}")]
    Broken(#[from] BrokenModel),
    /// A feature that cannot be named in the format.
    #[error("feature {name:?} has no name of its own in LightGBM's format, which has no white space")]
    Name {
        /// The feature.
        name: String,
    },
}

fn tree_name(tree: &Option<usize>) -> String {
    tree.map_or(String::new(), |t| format!("tree {t}, "))
}

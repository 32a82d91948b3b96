//! The sums that a pass takes over its rows, and the matrix they make.

use nalgebra::DMatrix;

use super::design::Design;
use super::kernels::{TILE, Tile};
use super::pass::{Evaluation, Pass};

/// Sums over the rows of a chunk.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) objective: f64,
    pub(super) absolute_score: f64,
    pub(super) score: Vec<f64>,
    /// Tiles of the lower half of the numeric part, the intercept first.
    pub(super) tiles: Vec<Tile>,
    /// The weighted rows of each level.
    pub(super) levels: Vec<[f64; 8]>,
    /// Tables of the pairs of categorical columns, one after the other.
    pub(super) pairs: Vec<f64>,
}

/// Shape of the sums.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Groups of eight columns: the intercept and the numeric ones.
    pub(super) groups: usize,
    /// Tiles of the intercept and the numeric columns, each way.
    pub(super) side: usize,
    n_levels: usize,
    n_pairs: usize,
    width: usize,
}

impl Shape {
    pub(super) fn of(design: &Design<'_>) -> Self {
        let levels: Vec<usize> = design.categorical.iter().map(|c| c.weights.len()).collect();
        let pairs = (0..levels.len()).flat_map(|a| (0..a).map(move |b| (a, b))).map(|(a, b)| levels[a] * levels[b]);
        let groups = (1 + design.numeric.len()).div_ceil(8);
        let side = (1 + design.numeric.len()).div_ceil(TILE);
        Self { groups, side, n_levels: design.n_levels, n_pairs: pairs.sum(), width: design.width() }
    }

    pub(super) fn sums(&self, pass: Pass) -> Sums {
        let full = usize::from(pass.has_information());
        Sums {
            objective: 0.0,
            absolute_score: 0.0,
            score: vec![0.0; self.width],
            tiles: vec![[[[0.0; 8]; TILE]; TILE]; full * self.side * (self.side + 1) / 2],
            levels: vec![[0.0; 8]; full * self.groups * self.n_levels],
            pairs: vec![0.0; full * self.n_pairs],
        }
    }

    pub(super) fn size(&self) -> usize {
        36 * self.side * (self.side + 1) + 8 * self.groups * self.n_levels + self.n_pairs
    }
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.objective += other.objective;
        self.absolute_score += other.absolute_score;
        let plain = |a: &mut [f64], b: &[f64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        plain(&mut self.score, &other.score);
        plain(
            self.tiles.as_flattened_mut().as_flattened_mut().as_flattened_mut(),
            other.tiles.as_flattened().as_flattened().as_flattened(),
        );
        plain(self.levels.as_flattened_mut(), other.levels.as_flattened());
        plain(&mut self.pairs, &other.pairs);
    }

    pub(super) fn clear(&mut self) {
        (self.objective, self.absolute_score) = (0.0, 0.0);
        self.score.fill(0.0);
        self.tiles.fill([[[0.0; 8]; TILE]; TILE]);
        self.levels.fill([0.0; 8]);
        self.pairs.fill(0.0);
    }

    /// The sums as one score and one symmetric matrix.
    pub(super) fn assemble(self, design: &Design<'_>, shape: &Shape, pass: Pass) -> Evaluation {
        let Self { objective, absolute_score, score, tiles, levels, pairs } = self;
        if !pass.has_information() {
            return Evaluation { objective, absolute_score, score, information: None };
        }
        let (numeric, groups, first_level) = (1 + design.numeric.len(), shape.groups, design.first_level());
        let levels = levels.as_flattened();
        let row = groups * 8;
        let mut information = DMatrix::zeros(shape.width, shape.width);
        for i in 0..numeric {
            for j in 0..=i {
                let (a, b) = (i / TILE, j / TILE);
                let value = tiles[a * (a + 1) / 2 + b][i % TILE][j % TILE].iter().sum();
                information[(i, j)] = value;
                information[(j, i)] = value;
            }
        }
        for l in 0..design.n_levels {
            let (own, sums) = (first_level + l, &levels[l * row..(l + 1) * row]);
            // What a level has in common with the intercept is its own weight.
            information[(own, own)] = sums[0];
            for j in 0..numeric {
                information[(own, j)] = sums[j];
                information[(j, own)] = sums[j];
            }
        }
        let mut rest = &pairs[..];
        for (a, first) in design.categorical.iter().enumerate() {
            for second in &design.categorical[..a] {
                let (n, m) = (first.weights.len(), second.weights.len());
                let (table, after) = rest.split_at(n * m);
                rest = after;
                for i in 0..n {
                    for j in 0..m {
                        let (i, j, value) =
                            (first_level + first.start + i, first_level + second.start + j, table[i * m + j]);
                        information[(i, j)] = value;
                        information[(j, i)] = value;
                    }
                }
            }
        }
        Evaluation { objective, absolute_score, score, information: Some(information) }
    }
}

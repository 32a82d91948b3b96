//! The measures by name.

use std::fmt;
use std::str::FromStr;

use med_schema::near_names;
use serde::{Deserialize, Serialize};

use crate::measure::{
    Alternative, AndersonDarling, Bins, ChiSquare, ChiSquareOneWay, CramerVonMises, CramersV, Energy, GTest, Hellinger,
    JensenShannon, KolmogorovSmirnov, Kuiper, KullbackLeibler, LInfinity, LevelPsi, Levene, MannWhitney, MovedBy, Psi,
    StdStability, StudentT, TotalVariation, TrimmedEarthMover, Wasserstein, WelchT, ZTest, Zeros,
};
use crate::{DriftError, DriftMeasure, Preset, SampleKind};

/// What a verdict on a column rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Drifted when the score is at or above the threshold.
    Score,
    /// Drifted when the p-value is at or below the threshold: the score has no scale that holds for all sizes.
    PValue,
}

macro_rules! methods {
    ($($variant:ident $name:literal $decision:ident $doc:literal),+ $(,)?) => {
        /// A measure of this crate, by its name on command lines and in files.
        ///
        /// ```
        /// use med_drift::Method;
        /// assert_eq!("ks".parse::<Method>()?, Method::Ks);
        /// assert!("kss".parse::<Method>().unwrap_err().to_string().contains("did you mean ks"));
        /// # Ok::<(), med_drift::DriftError>(())
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[non_exhaustive]
        pub enum Method {
            $(#[doc = $doc] $variant,)+
        }

        impl Method {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What a verdict by this method rests on.
            pub fn decision(self) -> Decision {
                match self { $(Self::$variant => Decision::$decision),+ }
            }
        }
    };
}

methods! {
    Ks "ks" Score "[`KolmogorovSmirnov`]; numeric.",
    Wasserstein "wasserstein" Score "[`Wasserstein`]; numeric.",
    Emd "emd" Score "[`TrimmedEarthMover`]; numeric.",
    Psi "psi" Score "[`Psi`], with the deepchecks preset [`LevelPsi`] for categorical columns; both kinds.",
    JensenShannon "jensen_shannon" Score "[`JensenShannon`]; both kinds.",
    Hellinger "hellinger" Score "[`Hellinger`]; both kinds.",
    Kl "kl" Score "[`KullbackLeibler`]; both kinds.",
    Tv "tv" Score "[`TotalVariation`]; both kinds.",
    LInfinity "l_infinity" Score "[`LInfinity`]; both kinds.",
    ChiSquare "chi_square" PValue "[`ChiSquare`]; categorical.",
    GTest "g_test" PValue "[`GTest`]; categorical.",
    CramersV "cramers_v" Score "[`CramersV`]; categorical.",
    Anderson "anderson" PValue "[`AndersonDarling`]; numeric.",
    CramerVonMises "cramer_von_mises" PValue "[`CramerVonMises`]; numeric.",
    Energy "energy" Score "[`Energy`]; numeric.",
    MannWhitney "mann_whitney" PValue "[`MannWhitney`]; numeric.",
    TTest "t_test" PValue "[`StudentT`]; numeric.",
    Welch "welch" PValue "[`WelchT`]; numeric.",
    Levene "levene" PValue "[`Levene`]; numeric.",
    Kuiper "kuiper" Score "[`Kuiper`]; numeric.",
    ZTest "z_test" PValue "[`ZTest`]; both kinds, for two levels.",
    StdStability "std_stability" Score "[`StdStability`]; numeric.",
}

impl Method {
    /// What a verdict by this method rests on under `preset`: evidently goes by the p-value of `ks`.
    pub fn decision_in(self, preset: Preset) -> Decision {
        if preset == Preset::Evidently && self == Self::Ks { Decision::PValue } else { self.decision() }
    }

    /// The measure with the parameters that `preset` gives it for columns of this kind.
    pub fn measure(self, preset: Preset, kind: SampleKind) -> Box<dyn DriftMeasure> {
        let (evidently, nannyml) = (preset == Preset::Evidently, preset == Preset::Nannyml);
        let deepchecks = preset == Preset::Deepchecks;
        let bins = match preset {
            Preset::Evidently => Bins::sturges(),
            Preset::Nannyml => Bins::doane(),
            _ => Bins::default(),
        };
        let zeros = if evidently { Zeros::Filled } else { Zeros::Floored };
        match self {
            Self::Ks => Box::new(KolmogorovSmirnov),
            Self::Kuiper => Box::new(Kuiper),
            Self::Wasserstein if evidently => Box::new(Wasserstein { unit: MovedBy::StdOfAThousandth }),
            Self::Wasserstein if nannyml => Box::new(Wasserstein { unit: MovedBy::Raw }),
            Self::Wasserstein => Box::new(Wasserstein::default()),
            Self::Emd => Box::new(TrimmedEarthMover::default()),
            Self::Psi if deepchecks && kind == SampleKind::Categorical => Box::new(LevelPsi::deepchecks()),
            Self::Psi => Box::new(Psi { bins, zeros }),
            Self::JensenShannon => Box::new(JensenShannon { bins, natural: evidently }),
            Self::Hellinger if evidently => Box::new(Hellinger { bins: Bins::sturges_of_distinct() }),
            Self::Hellinger => Box::new(Hellinger { bins }),
            Self::Kl => Box::new(KullbackLeibler { bins, zeros }),
            Self::Tv => Box::new(TotalVariation { bins }),
            Self::LInfinity => Box::new(LInfinity { bins }),
            Self::ChiSquare if evidently => Box::new(ChiSquareOneWay),
            Self::ChiSquare => Box::new(ChiSquare { yates: nannyml }),
            Self::GTest => Box::new(GTest),
            Self::CramersV if deepchecks => Box::new(CramersV::deepchecks()),
            Self::CramersV => Box::new(CramersV::default()),
            Self::Anderson => Box::new(AndersonDarling),
            Self::CramerVonMises => Box::new(CramerVonMises { exact: evidently }),
            Self::Energy => Box::new(Energy),
            Self::MannWhitney if evidently => {
                Box::new(MannWhitney { against: Alternative::CurrentLarger, exact: true })
            }
            Self::MannWhitney => Box::new(MannWhitney::default()),
            Self::TTest => Box::new(StudentT),
            Self::Welch => Box::new(WelchT),
            Self::Levene => Box::new(Levene),
            Self::StdStability => Box::new(StdStability),
            Self::ZTest => Box::new(ZTest),
        }
    }

    /// Whether it measures columns of this kind.
    pub fn supports(self, kind: SampleKind) -> bool {
        self.measure(Preset::Default, kind).supports(kind)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Method {
    type Err = DriftError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|m| m.as_str() == name).ok_or_else(|| {
            let known: Vec<&'static str> = Self::ALL.iter().map(|m| m.as_str()).collect();
            DriftError::UnknownMethod { name: name.to_owned(), near: near_names(name, known.iter().copied()), known }
        })
    }
}

impl TryFrom<String> for Method {
    type Error = DriftError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_bears_the_name_of_its_method() {
        for &method in Method::ALL {
            for preset in [Preset::Default, Preset::Deepchecks] {
                for kind in [SampleKind::Numeric, SampleKind::Categorical] {
                    let measure = method.measure(preset, kind);
                    assert_eq!(measure.name(), method.as_str());
                    assert_eq!(measure.supports(kind), method.supports(kind), "{method} {kind}");
                }
            }
            assert_eq!(method.as_str().parse::<Method>().unwrap(), method);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = "kuiperr".parse::<Method>().unwrap_err().to_string();
        assert!(message.starts_with("there is no drift method \"kuiperr\""), "{message}");
        assert!(Method::ALL.iter().all(|m| message.contains(m.as_str())), "{message}");
    }
}

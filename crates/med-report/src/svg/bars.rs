//! Horizontal bars, with thresholds.

use askama::Template;
use serde::{Deserialize, Serialize};

use super::{CHARACTER, Scale, WIDTH, label};
use crate::{ReportError, cell};

const ROW: f64 = 38.0;
/// Room for the line that explains the threshold.
const LEGEND: f64 = 22.0;

/// What a flag on a bar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emphasis {
    /// It was picked: a selected feature, a promoted model.
    #[default]
    Choice,
    /// It needs a look: a drifted feature.
    Alarm,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// What it stands for; cut where there is no room.
    pub label: String,
    /// Its length; without one, or if not finite, there is a dash in its place.
    pub value: Option<f64>,
    /// A mark on it.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// A word beside the value that sets the bar apart, so that its colour is not the only sign.
    #[serde(default)]
    pub flag: Option<String>,
}

/// Horizontal bars, one below the other, from zero.
///
/// ```
/// use med_report::{Bar, BarChart};
/// let age = Bar { label: "age".into(), value: Some(0.31), threshold: Some(0.2), flag: Some("drifted".into()) };
/// let svg = BarChart { title: "Drift".into(), bars: vec![age], ..BarChart::default() }.svg(1)?;
/// assert!(svg.starts_with("<svg") && svg.contains("0.31"));
/// # Ok::<(), med_report::ReportError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarChart {
    /// What the bars show.
    pub title: String,
    /// What the flags mean.
    #[serde(default)]
    pub emphasis: Emphasis,
    /// The bars, from top to bottom.
    pub bars: Vec<Bar>,
}

#[derive(Template)]
#[template(path = "bars.svg")]
struct BarsSvg {
    id: u32,
    title: String,
    description: String,
    width: f64,
    height: f64,
    zero: f64,
    rows: Vec<Row>,
    legend: Option<String>,
    legend_y: f64,
}

struct Row {
    full: String,
    label: String,
    value: String,
    class: &'static str,
    text_y: f64,
    bar_y: f64,
    bar: Option<(f64, f64)>,
    threshold: Option<f64>,
}

impl BarChart {
    /// The chart as an `<svg>` element. `id` must be another one for each chart of a page.
    ///
    /// # Errors
    /// [`ReportError::Template`], should the template not be filled.
    pub fn svg(&self, id: u32) -> Result<String, ReportError> {
        let finite = |x: Option<f64>| x.filter(|x| x.is_finite());
        let drawn = || self.bars.iter().flat_map(|b| [finite(b.value), finite(b.threshold)]).flatten();
        let low = drawn().fold(0.0, f64::min);
        let high = drawn().fold(0.0, f64::max);
        let scale = Scale::new(low, if low == high { low + 1.0 } else { high }, 1.0, WIDTH - 1.0);
        let zero = scale.at(0.0);
        let row = |(i, bar): (usize, &Bar)| {
            let top = ROW * i as f64;
            let flag = bar.flag.as_deref().map(|flag| format!(" · {}", label(flag, 16))).unwrap_or_default();
            let value = cell::maybe(bar.value) + &flag;
            let room = ((WIDTH / CHARACTER) as usize).saturating_sub(value.chars().count() + 2);
            let end = finite(bar.value).map(|v| scale.at(v));
            Row {
                full: label(&bar.label, usize::MAX - 1),
                label: label(&bar.label, room),
                value,
                class: match (&bar.flag, self.emphasis) {
                    (None, Emphasis::Choice) => "bar plain",
                    (None, Emphasis::Alarm) => "bar",
                    (Some(_), Emphasis::Choice) => "bar choice",
                    (Some(_), Emphasis::Alarm) => "bar alarm",
                },
                text_y: top + 14.0,
                bar_y: top + 20.0,
                bar: end.map(|end| (end.min(zero), super::tenth((end - zero).abs()))),
                threshold: finite(bar.threshold).map(|t| scale.at(t)),
            }
        };
        let rows: Vec<Row> = self.bars.iter().enumerate().map(row).collect();
        let bars_end = ROW * rows.len().max(1) as f64;
        let legend = self.legend();
        let height = bars_end + if legend.is_some() { LEGEND } else { 0.0 };
        let description = self.description();
        let title = label(&self.title, usize::MAX - 1);
        let legend_y = bars_end + 14.0;
        Ok(BarsSvg { id, title, description, width: WIDTH, height, zero, rows, legend, legend_y }.render()?)
    }

    fn legend(&self) -> Option<String> {
        let mut thresholds: Vec<f64> = self.bars.iter().filter_map(|b| b.threshold).filter(|t| t.is_finite()).collect();
        thresholds.sort_by(f64::total_cmp);
        thresholds.dedup();
        match thresholds.as_slice() {
            [] => None,
            [one] => Some(format!("threshold {}", cell::number(*one))),
            [first, .., last] => Some(format!("thresholds {} to {}", cell::number(*first), cell::number(*last))),
        }
    }

    fn description(&self) -> String {
        let flagged = self.bars.iter().filter(|b| b.flag.is_some()).count();
        match self.bars.len() {
            0 => "No values.".to_owned(),
            1 => format!("One bar, {flagged} flagged."),
            n => format!("{n} bars, {flagged} flagged."),
        }
    }
}

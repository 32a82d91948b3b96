//! Pages from the shared result types.
//!
//! A page is one file without scripts or links to anything outside: it can be mailed, archived and printed. What is not
//! as expected stands at the top, what passed is folded away below.

use askama::Template;
use med_schema::{Report, Verdict};

use crate::view::{self, DriftView, Mark, ModelView, PhaseView, ReportView, ResultView, SelectionView};
use crate::{Artifact, Bar, BarChart, DriftRow, Emphasis, ReportError, RunPage, SelectionRow, cell};

/// The most bars of a chart; the tables have all rows.
const MOST_BARS: usize = 20;
/// The most metrics that are drawn.
const MOST_METRICS: usize = 4;
/// Tables with more rows than this are folded.
const LONG: usize = 30;

#[derive(Template)]
#[template(path = "run.html")]
struct RunHtml<'a> {
    title: &'a str,
    run: &'a str,
    as_of: String,
    as_of_exact: String,
    mark: Mark,
    summary: Option<&'a str>,
    tiles: Vec<Tile>,
    failures: Vec<ResultView>,
    checks: String,
    nothing_checked: bool,
    reports: Vec<ReportView>,
    phases: Vec<PhaseView>,
    metrics: Vec<&'a str>,
    models: Vec<ModelView>,
    model_charts: Vec<Figure>,
    fits: Vec<FitView>,
    drift: Vec<DriftView>,
    drift_charts: Vec<Figure>,
    drift_folded: bool,
    selection: Vec<SelectionView>,
    selection_charts: Vec<Figure>,
    selection_folded: bool,
    distributions: Vec<DistributionView>,
    artifacts: &'a [Artifact],
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportHtml<'a> {
    title: &'a str,
    run: Option<&'a str>,
    subject: Option<String>,
    mark: Mark,
    tiles: Vec<Tile>,
    failures: Vec<ResultView>,
    checks: String,
    nothing_checked: bool,
    report: ReportView,
}

/// A number that the page opens with.
struct Tile {
    name: &'static str,
    value: String,
    of: Option<String>,
}

/// A drawn chart. `svg` comes from a chart's template, which has escaped all text in it.
struct Figure {
    caption: String,
    svg: String,
}

struct FitView {
    figure: Figure,
    skipped: Option<String>,
    bins: Vec<[String; 4]>,
}

struct DistributionView {
    figure: Figure,
    skipped: Option<String>,
    bins: Vec<[String; 3]>,
}

/// The page of a run.
///
/// # Errors
/// [`ReportError::Template`], should a template not be filled.
pub fn render(page: &RunPage) -> Result<String, ReportError> {
    let mut ids = 0..;
    let mut figure = |caption: String, draw: &dyn Fn(u32) -> Result<String, ReportError>| {
        let svg = draw(ids.next().unwrap_or_default())?;
        Ok::<_, ReportError>(Figure { caption, svg })
    };
    let metrics = view::metric_names(&page.models);
    let drift = view::by_drift(&page.drift);

    let mut model_charts = Vec::new();
    if page.models.len() > 1 {
        for chart in metrics.iter().take(MOST_METRICS).map(|name| metric_chart(page, name)) {
            model_charts.push(figure(chart.title.clone(), &|id| chart.svg(id))?);
        }
    }
    let mut fits = Vec::new();
    for calibration in &page.calibrations {
        fits.push(FitView {
            figure: figure(calibration.title().to_owned(), &|id| calibration.svg(id))?,
            skipped: skipped(calibration.skipped()),
            bins: calibration.bins().iter().map(bin_cells).collect(),
        });
    }
    let mut drift_charts = Vec::new();
    for chart in drift_bars(&drift) {
        drift_charts.push(figure(chart.title.clone(), &|id| chart.svg(id))?);
    }
    let mut selection_charts = Vec::new();
    for chart in selection_bars(&page.selection) {
        selection_charts.push(figure(chart.title.clone(), &|id| chart.svg(id))?);
    }
    let mut distributions = Vec::new();
    for histogram in &page.histograms {
        let bin = |(i, n): (usize, &u64)| {
            let range = format!("{} to {}", cell::number(histogram.edge(i)), cell::number(histogram.edge(i + 1)));
            [range, cell::count(*n), cell::share(*n, histogram.rows())]
        };
        distributions.push(DistributionView {
            figure: figure(histogram.title().to_owned(), &|id| histogram.svg(id))?,
            skipped: skipped(histogram.skipped()),
            bins: histogram.counts().iter().enumerate().map(bin).collect(),
        });
    }

    let html = RunHtml {
        title: &page.title,
        run: page.run.as_str(),
        as_of: page.as_of.format("%Y-%m-%d %H:%M UTC").to_string(),
        as_of_exact: page.as_of.to_rfc3339(),
        mark: Mark::of(page.verdict),
        summary: page.summary.as_deref().filter(|summary| !summary.is_empty()),
        tiles: tiles(page),
        failures: view::failures(&page.reports),
        checks: cell::count(page.reports.iter().map(|r| r.results.len() as u64).sum()),
        nothing_checked: page.reports.is_empty(),
        reports: page.reports.iter().map(ReportView::of).collect(),
        phases: page.phases.iter().map(PhaseView::of).collect(),
        models: page.models.iter().map(|model| ModelView::of(model, &metrics)).collect(),
        metrics,
        model_charts,
        fits,
        drift: drift.into_iter().map(DriftView::of).collect(),
        drift_charts,
        drift_folded: page.drift.len() > LONG,
        selection: page.selection.iter().map(SelectionView::of).collect(),
        selection_charts,
        selection_folded: page.selection.len() > LONG,
        distributions,
        artifacts: &page.artifacts,
    };
    Ok(html.render()?)
}

/// The page of a single report.
///
/// # Errors
/// [`ReportError::Template`], should the template not be filled.
pub fn render_report(report: &Report) -> Result<String, ReportError> {
    let html = ReportHtml {
        title: &report.name,
        run: report.run.as_ref().map(|run| run.as_str()),
        subject: report.subject.map(|subject| subject.to_string()),
        mark: Mark::of(report.verdict()),
        tiles: vec![checks_tile(std::slice::from_ref(report))],
        failures: view::failures(std::slice::from_ref(report)),
        checks: cell::count(report.results.len() as u64),
        nothing_checked: false,
        report: ReportView::of(report),
    };
    Ok(html.render()?)
}

fn tiles(page: &RunPage) -> Vec<Tile> {
    let mut tiles = Vec::new();
    if !page.reports.is_empty() {
        tiles.push(checks_tile(&page.reports));
    }
    if let Some(rows) = page.phases.iter().find_map(|p| p.rows_out) {
        tiles.push(Tile { name: "Rows read", value: cell::count(rows), of: None });
    }
    if !page.models.is_empty() {
        let promoted = page.models.iter().filter(|m| m.promoted).map(|m| cell::text(Some(&m.name)));
        let promoted = promoted.collect::<Vec<_>>().join(", ");
        let value = if promoted.is_empty() { "none".to_owned() } else { promoted };
        let of = Some(format!("of {} compared", page.models.len()));
        tiles.push(Tile { name: "Promoted", value, of });
    }
    if !page.drift.is_empty() {
        let drifted = page.drift.iter().filter(|d| d.drifted).count();
        let of = Some(format!("of {} features", cell::count(page.drift.len() as u64)));
        tiles.push(Tile { name: "Drifted", value: cell::count(drifted as u64), of });
    }
    tiles
}

fn checks_tile(reports: &[Report]) -> Tile {
    let results = || reports.iter().flat_map(|r| &r.results);
    let passed = results().filter(|r| r.verdict == Verdict::Passed).count() as u64;
    let of = Some(format!("of {}", cell::count(results().count() as u64)));
    Tile { name: "Checks passed", value: cell::count(passed), of }
}

fn skipped(rows: u64) -> Option<String> {
    match rows {
        0 => None,
        1 => Some("1 row without a finite value is left out.".to_owned()),
        n => Some(format!("{} rows without a finite value are left out.", cell::count(n))),
    }
}

fn bin_cells(bin: &crate::CalibrationBin) -> [String; 4] {
    let ratio = Some(bin.actual / bin.predicted).filter(|r| r.is_finite());
    [cell::count(bin.rows), cell::number(bin.predicted), cell::number(bin.actual), cell::maybe(ratio)]
}

fn metric_chart(page: &RunPage, name: &str) -> BarChart {
    let bar = |model: &crate::ModelRow| Bar {
        label: model.name.clone(),
        value: view::metric(model, name),
        threshold: None,
        flag: model.promoted.then(|| "promoted".to_owned()),
    };
    BarChart { title: name.to_owned(), emphasis: Emphasis::Choice, bars: page.models.iter().map(bar).collect() }
}

fn drift_bars(rows: &[&DriftRow]) -> Vec<BarChart> {
    let methods = view::first_met(rows.iter().map(|row| row.method.as_str()));
    let chart = |method: &str| {
        let rows: Vec<_> = rows.iter().filter(|row| row.method == method).collect();
        let bar = |row: &&&DriftRow| Bar {
            label: row.feature.clone(),
            value: row.score,
            threshold: row.threshold,
            flag: row.drifted.then(|| "▲ drifted".to_owned()),
        };
        let title = bars_title(method, rows.len());
        BarChart { title, emphasis: Emphasis::Alarm, bars: rows.iter().take(MOST_BARS).map(bar).collect() }
    };
    methods.into_iter().map(chart).collect()
}

fn selection_bars(rows: &[SelectionRow]) -> Vec<BarChart> {
    let methods = view::first_met(rows.iter().map(|row| row.method.as_str()));
    let chart = |method: &str| {
        let rows: Vec<_> = rows.iter().filter(|row| row.method == method).collect();
        let bar = |row: &&SelectionRow| Bar {
            label: row.feature.clone(),
            value: row.score,
            threshold: None,
            flag: row.selected.then(|| "selected".to_owned()),
        };
        let title = bars_title(method, rows.len());
        BarChart { title, emphasis: Emphasis::Choice, bars: rows.iter().take(MOST_BARS).map(bar).collect() }
    };
    methods.into_iter().map(chart).collect()
}

fn bars_title(method: &str, rows: usize) -> String {
    match rows {
        0..=MOST_BARS => format!("{method} by feature"),
        _ => format!("{method} by feature: the first {MOST_BARS} of {}", cell::count(rows as u64)),
    }
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use med_report::{
    Artifact, Bar, BarChart, Calibration, DriftRow, Emphasis, Histogram, ModelRow, PhaseRow, RunPage, SelectionRow,
    render, render_report,
};
use med_schema::{CheckResult, Report, Severity, Verdict, Version};
use proptest::prelude::*;

/// Elements that HTML never closes.
const VOID: [&str; 3] = ["meta", "br", "!doctype"];

/// Splits markup into its text and the names of its elements; panics if tags don't pair, an attribute isn't
/// quoted, or an id is there twice.
fn parse(html: &str) -> (String, Vec<String>) {
    let (mut text, mut names, mut open) = (String::new(), Vec::new(), Vec::new());
    let mut ids = std::collections::BTreeSet::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        assert!(!rest[..start].contains('>'), "a loose > in {:?}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{name} closes what was opened last");
            continue;
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes pair in <{tag}>");
        let name = tag.split([' ', '/']).next().unwrap().to_owned();
        if let Some(id) = tag.split(" id=\"").nth(1) {
            assert!(ids.insert(id.split('"').next().unwrap().to_owned()), "id twice in <{tag}>");
        }
        if name == "style" {
            let style_end = rest.find("</style>").expect("the style ends");
            rest = &rest[style_end..];
        }
        if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name.clone());
        }
        names.push(name);
    }
    assert!(open.is_empty(), "left open: {open:?}");
    (text + rest, names)
}

fn count(names: &[String], name: &str) -> usize {
    names.iter().filter(|n| *n == name).count()
}

fn page() -> RunPage {
    let (run, as_of) = ("run-1".parse().unwrap(), "2024-01-01T00:00:00Z".parse().unwrap());
    let mut page = RunPage::new("Annual medical cost", run, as_of, Verdict::Failed);
    page.phases =
        vec![PhaseRow { name: "extract".into(), rows_in: None, rows_out: Some(5_000), note: "clients".into() }];
    let quality = Report::new("clients")
        .with(CheckResult::judged("passes", true).column("age"))
        .with(CheckResult::judged("fails", false).column("bmi").expected("10 to 80").counts(5_000, 1_200))
        .with(CheckResult::error("breaks", "no such column").column("smoker").severity(Severity::Info));
    page.reports = vec![quality, Report::new("meta").with(CheckResult::judged("all_ran", true))];
    let model = |name: &str, r2, promoted: bool| ModelRow {
        name: name.into(),
        version: promoted.then_some(Version(3)),
        metrics: vec![("r2".into(), r2), ("rmse".into(), Some(1_204.3))],
        promoted,
        ..ModelRow::default()
    };
    page.models = vec![model("linear", Some(f64::NAN), false), model("gbdt", Some(0.96342), true)];
    page.calibrations = vec![Calibration::of("fit", &[1.0, 2.0, 3.0], &[1.5, 2.5, f64::NAN], 2).unwrap()];
    page.histograms = vec![Histogram::of("cost", &[100.0, 150.0, 900.0], 4).unwrap()];
    let drift = |feature: &str, score, drifted| DriftRow {
        feature: feature.into(),
        method: "ks".into(),
        score,
        threshold: Some(0.1),
        drifted,
        ..DriftRow::default()
    };
    page.drift = vec![drift("age", Some(0.02), false), drift("bmi", Some(0.31), true), drift("new", None, false)];
    let method = "std_stability".into();
    page.selection = vec![SelectionRow { feature: "age".into(), method, score: Some(0.01), selected: true }];
    page.artifacts = vec![Artifact { name: "drift".into(), path: "lake/drift/run-1.json".into() }];
    page
}

#[test]
fn a_run_has_all_its_parts() {
    let html = render(&page()).unwrap();
    let (text, names) = parse(&html);
    for expected in [
        "run-1",
        "2024-01-01 00:00 UTC",
        "10 to 80",
        "1,200",
        "of 5,000 (24.0%)",
        "no such column",
        "5,000",
        "0.9634",
        "1,204",
        "promoted",
        "▲",
        "not measured",
        "threshold 0.1",
        "lake/drift/run-1.json",
        "1 row without a finite value is left out.",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing");
    }
    // Two metrics, calibration, drift, selection, distribution.
    assert_eq!((count(&names, "svg"), count(&names, "desc")), (6, 6));
    assert_eq!((count(&names, "h1"), count(&names, "main")), (1, 1));
    assert_eq!(count(&names, "script") + count(&names, "link") + count(&names, "img") + count(&names, "a"), 0);
    assert!(!html.contains("NaN"));
}

#[test]
fn failures_stand_first_and_passes_are_folded() {
    let html = render(&page()).unwrap();
    let at = |needle: &str| html.find(needle).unwrap_or_else(|| panic!("{needle} is missing"));
    assert!(at("<code>breaks</code>") < at("<code>fails</code>"), "what could not run comes before what failed");
    assert!(at("<code>fails</code>") < at("id=\"phases\""));
    let passes = at("<code>passes</code>");
    assert!(html[..passes].rfind("<details>") > html[..passes].rfind("</details>"));
}

#[test]
fn tables_are_accessible() {
    let html = render(&page()).unwrap();
    let (_, names) = parse(&html);
    assert_eq!(count(&names, "table"), count(&names, "caption"));
    let headers = html.split('<').filter(|t| t.starts_with("th ") || t.starts_with("th>"));
    assert!(headers.clone().count() > 20 && headers.clone().all(|t| t.contains("scope=\"")));
    for svg in html.split("<svg").skip(1) {
        let tag = svg.split('>').next().unwrap();
        for id in ["aria-labelledby=\"", "aria-describedby=\""]
            .map(|a| tag.split(a).nth(1).unwrap().split('"').next().unwrap())
        {
            assert!(html.contains(&format!(" id=\"{id}\"")), "{id} names nothing");
        }
    }
}

#[test]
fn empty_parts_are_left_out() {
    let (run, as_of) = ("run-1".parse().unwrap(), "2024-01-01T00:00:00Z".parse().unwrap());
    let html = render(&RunPage::new("Empty", run, as_of, Verdict::Error)).unwrap();
    let (text, names) = parse(&html);
    assert!(text.contains("No check ran.") && text.contains("could not run"));
    assert_eq!((count(&names, "table"), count(&names, "svg"), count(&names, "h2")), (0, 0, 1));
}

#[test]
fn a_single_report_has_a_page() {
    let page = page();
    let (text, _) = parse(&render_report(&page.reports[0]).unwrap());
    assert!(text.contains("10 to 80") && text.contains("Passed checks of clients"));
    let (text, _) = parse(&render_report(&page.reports[1]).unwrap());
    assert!(text.contains("the one check passed"));
    let (text, _) = parse(&render_report(&Report::new("nothing")).unwrap());
    assert!(text.contains("no check ran") && text.contains("could not run"));
}

#[test]
fn a_page_survives_json() {
    let page = page();
    let json = serde_json::to_string(&page).unwrap();
    let back: RunPage = serde_json::from_str(&json).unwrap();
    assert_eq!(render(&back).unwrap(), render(&page).unwrap());
}

#[test]
fn markup_in_names_is_text() {
    let evil = "</title></style><script>alert('1')</script>\"' onload=\"x";
    let html = render(&everywhere(evil, 0.5)).unwrap();
    let (_, names) = parse(&html);
    let (_, harmless) = parse(&render(&everywhere("harmless", 0.5)).unwrap());
    assert_eq!(names, harmless, "no element more than with a harmless name");
    assert!(!html.contains("<script") && !html.contains("onload=\"x"));
}

#[test]
fn many_bars_are_cut_and_tables_are_not() {
    let mut page = page();
    page.drift = (0..100)
        .map(|i| DriftRow {
            feature: format!("f{i}"),
            method: "psi".into(),
            score: Some(f64::from(i)),
            ..DriftRow::default()
        })
        .collect();
    let html = render(&page).unwrap();
    parse(&html);
    assert!(html.contains("psi by feature: the first 20 of 100") && html.contains("All 100 rows"));
    assert!(html.contains(">f0</th>") && !html.contains("<title>f0:"));
}

/// A page with this text and this number wherever one may stand.
fn everywhere(text: &str, x: f64) -> RunPage {
    let name = || text.to_owned();
    let (run, as_of) = ("run-1".parse().unwrap(), "2024-01-01T00:00:00Z".parse().unwrap());
    let mut page = RunPage::new(name(), run, as_of, Verdict::Passed);
    page.summary = Some(format!("a{text}"));
    page.phases = vec![PhaseRow { name: name(), rows_in: Some(1), rows_out: Some(2), note: name() }];
    let full = |r: CheckResult| {
        r.column(name())
            .expected(name())
            .observed(name())
            .message(name())
            .detail(name(), name())
            .detail("a number", x)
            .counts(3, 2)
    };
    let results = [true, false].map(|passed| full(CheckResult::judged(name(), passed)));
    page.reports = vec![Report { results: results.to_vec(), ..Report::new(name()) }];
    let model = ModelRow { name: name(), stage: Some(name()), metrics: vec![(name(), Some(x))], ..ModelRow::default() };
    page.models = vec![model.clone(), ModelRow { promoted: true, ..model }];
    page.calibrations = vec![Calibration::of(name(), &[x, 1.0], &[1.0, x], 2).unwrap()];
    page.histograms = vec![Histogram::of(name(), &[x, 1.0, -x], 3).unwrap()];
    let (score, p_value, threshold) = (Some(x), Some(x), Some(x));
    page.drift = vec![DriftRow { feature: name(), method: name(), score, p_value, threshold, drifted: true }];
    page.selection = vec![SelectionRow { feature: name(), method: name(), score, selected: true }];
    page.artifacts = vec![Artifact { name: name(), path: name() }];
    page
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_and_number_make_a_sound_page(text in "\\PC*|[<>&\"' a-z/=\u{0}-\u{1f}]{0,40}", x in any::<f64>()) {
        let page = everywhere(&text, x);
        let html = render(&page).unwrap();
        let (_, names) = parse(&html);
        let (_, harmless) = parse(&render(&everywhere("harmless", x)).unwrap());
        prop_assert_eq!(names, harmless);
        if !text.contains("NaN") && !text.contains("inf") {
            prop_assert!(!html.contains("NaN") && !html.contains("\"inf") && !html.contains("\"-inf"));
        }
        parse(&render_report(&page.reports[0]).unwrap());
        prop_assert_eq!(render(&page).unwrap(), html);
    }

    #[test]
    fn any_bars_make_a_sound_chart(
        bars in prop::collection::vec((".*", any::<Option<f64>>(), any::<Option<f64>>(), prop::option::of(".*")), 0..8),
        title in ".*",
    ) {
        let bar = |(label, value, threshold, flag)| Bar { label, value, threshold, flag };
        let n = bars.len();
        let bars = bars.into_iter().map(bar).collect();
        let svg = BarChart { title, emphasis: Emphasis::Alarm, bars }.svg(7).unwrap();
        let (_, names) = parse(&svg);
        prop_assert_eq!(count(&names, "g"), n);
        prop_assert!(svg.chars().all(|c| c == '\n' || !c.is_control()));
    }
}

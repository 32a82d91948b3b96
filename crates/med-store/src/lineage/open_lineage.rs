//! Steps as events of [OpenLineage](https://openlineage.io).

use med_schema::Fingerprint;
use serde_json::{Map, Value, json};

use super::{Artifact, LineageStep};

const PRODUCER: &str = "https://crates.io/crates/med-store";
const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// The steps as [OpenLineage](https://openlineage.io/spec/2-0-2/OpenLineage.json) run events: for each a start, and a completion or a
/// failure; to be written as lines of JSON. `namespace` names the lake by its address ([`crate::Lakehouse::address_of`]).
///
/// Events happened when the step says it was done; the time of the batch is its nominal time. Of a step that a gate ended, the
/// failure names gate and reasons. The version of a thing without versions is the digest of its content.
pub fn open_lineage(steps: &[LineageStep], namespace: &str) -> Vec<Value> {
    let datasets = |artifacts: &[Artifact]| artifacts.iter().map(|a| dataset(a, namespace)).collect::<Vec<_>>();
    let events = |step: &LineageStep| {
        let (span, last) = (step.span(), if step.failed.is_some() { "FAIL" } else { "COMPLETE" });
        [("START", span.start), (last, span.end)].map(|(event, time)| {
            json!({
                "eventType": event,
                "eventTime": time.to_rfc3339(),
                "run": { "runId": uuid(step), "facets": run_facets(step, event) },
                "job": { "namespace": namespace, "name": step.job },
                "inputs": datasets(&step.inputs),
                "outputs": datasets(&step.outputs),
                "producer": PRODUCER,
                "schemaURL": SCHEMA,
            })
        })
    };
    steps.iter().flat_map(events).collect()
}

/// A facet with what each has to have.
fn facet(schema: &str, fields: Value) -> Value {
    let mut facet = Map::new();
    facet.insert("_producer".to_owned(), PRODUCER.into());
    facet.insert("_schemaURL".to_owned(), format!("https://openlineage.io/spec/facets/{schema}.json").into());
    if let Value::Object(fields) = fields {
        facet.extend(fields);
    }
    Value::Object(facet)
}

fn run_facets(step: &LineageStep, event: &str) -> Value {
    let mut facets = Map::new();
    let mut with = |name: &str, schema: &str, fields| facets.insert(name.to_owned(), facet(schema, fields));
    with("nominalTime", "1-0-1/NominalTimeRunFacet", json!({ "nominalStartTime": step.at.to_rfc3339() }));
    let (engine, version) = step.code.rsplit_once(' ').unwrap_or((&step.code, "unknown"));
    with("processing_engine", "1-1-1/ProcessingEngineRunFacet", json!({ "name": engine, "version": version }));
    if let (Some(failed), "FAIL") = (&step.failed, event) {
        let message = format!("gate {:?} stayed closed: {}", failed.gate, failed.reasons.join("; "));
        let fields = json!({ "message": message, "programmingLanguage": "Rust" });
        with("errorMessage", "1-0-1/ErrorMessageRunFacet", fields);
    }
    Value::Object(facets)
}

fn dataset(artifact: &Artifact, namespace: &str) -> Value {
    let content = || artifact.fingerprint.map(|content| content.to_string());
    let version = artifact.version.map(|version| version.to_string()).or_else(content);
    let facets = version.map_or_else(
        || json!({}),
        |version| {
            let fields = json!({ "datasetVersion": version });
            json!({ "version": facet("1-0-1/DatasetVersionDatasetFacet", fields) })
        },
    );
    json!({ "namespace": namespace, "name": format!("{}/{}", artifact.kind, artifact.name), "facets": facets })
}

/// A UUID of version 8 (of the maker's own contents) from the digest of what the step says but for times: the same step, the same UUID;
/// a run that does a job once more, with another outcome, has another one.
fn uuid(step: &LineageStep) -> String {
    // A step can always be written as JSON.
    let said = serde_json::to_vec(&LineageStep { done: None, ..step.clone() }).unwrap_or_default();
    let digest = Fingerprint::of(said);
    let mut bytes = digest.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArtifactKind;
    use chrono::DateTime;
    use med_schema::Version;

    fn step() -> LineageStep {
        LineageStep::new("run-1".parse().unwrap(), "load", DateTime::UNIX_EPOCH, "med 1.2")
            .inputs([Artifact::new(ArtifactKind::Source, "db/claims").fingerprint(Fingerprint::of("rows"))])
            .outputs([Artifact::new(ArtifactKind::FeatureGroup, "claims_v1").version(Version(3))])
    }

    fn at(seconds: i64) -> DateTime<chrono::Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// What the specification requires of a run event and of each facet.
    fn check_required(event: &Value) {
        let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let time = |value: &Value| value.as_str().is_some_and(|text| DateTime::parse_from_rfc3339(text).is_ok());
        let uri = |value: &Value| value.as_str().is_some_and(|text| url::Url::parse(text).is_ok());
        assert!(time(&event["eventTime"]) && uri(&event["producer"]) && uri(&event["schemaURL"]), "{event}");
        assert!(text(&event["job"]["namespace"]) && text(&event["job"]["name"]) && text(&event["run"]["runId"]));
        let datasets: Vec<&Value> =
            ["inputs", "outputs"].iter().flat_map(|side| event[side].as_array().unwrap()).collect();
        assert!(datasets.iter().all(|d| text(&d["namespace"]) && text(&d["name"])), "{event}");
        let facets = datasets.iter().map(|d| &d["facets"]).chain([&event["run"]["facets"]]);
        for (name, facet) in facets.flat_map(|facets| facets.as_object().unwrap()) {
            assert!(uri(&facet["_producer"]) && uri(&facet["_schemaURL"]), "{facet}");
            let fields: &[&str] = match name.as_str() {
                "nominalTime" => &["nominalStartTime"],
                "processing_engine" => &["version"],
                "errorMessage" => &["message", "programmingLanguage"],
                "version" => &["datasetVersion"],
                other => panic!("a facet that nobody checked: {other}"),
            };
            assert!(fields.iter().all(|field| text(&facet[*field])), "{facet}");
        }
    }

    #[test]
    fn events_are_complete_and_uuids_are_uuids() {
        let events = open_lineage(&[step().done(at(100), at(160))], "file:///lake");
        events.iter().for_each(check_required);
        assert_eq!((&events[0]["eventType"], &events[1]["eventType"]), (&json!("START"), &json!("COMPLETE")));
        let times = [&events[0]["eventTime"], &events[1]["eventTime"]];
        assert_eq!(times, ["1970-01-01T00:01:40+00:00", "1970-01-01T00:02:40+00:00"]);
        let facets = &events[0]["run"]["facets"];
        assert_eq!(facets["nominalTime"]["nominalStartTime"], "1970-01-01T00:00:00+00:00");
        assert_eq!(
            (&facets["processing_engine"]["name"], &facets["processing_engine"]["version"]),
            (&"med".into(), &"1.2".into())
        );
        assert_eq!(events[0]["run"]["runId"], events[1]["run"]["runId"]);
        assert_eq!(events[1]["outputs"][0]["name"], "feature_group/claims_v1");
        assert_eq!(events[1]["outputs"][0]["facets"]["version"]["datasetVersion"], "3");
        let content = Fingerprint::of("rows").to_string();
        assert_eq!(events[1]["inputs"][0]["facets"]["version"]["datasetVersion"], content.as_str());
        let id = uuid(&step());
        assert_eq!(id, uuid(&step().done(at(1), at(2))), "when it was done makes it no other run");
        assert_ne!(id, uuid(&step().outputs([Artifact::new(ArtifactKind::Table, "t")])));
        let shape: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(shape, [8, 4, 4, 4, 12]);
        assert!(id[14..15] == *"8" && matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }

    #[test]
    fn a_step_that_a_gate_ended_fails_and_says_why() {
        let failed = LineageStep { outputs: Vec::new(), ..step() }.failed("extracted", vec!["age: 3 rows".to_owned()]);
        let events = open_lineage(&[failed], "file:///lake");
        events.iter().for_each(check_required);
        assert_eq!((&events[0]["eventType"], &events[1]["eventType"]), (&json!("START"), &json!("FAIL")));
        assert!(events[0]["run"]["facets"].get("errorMessage").is_none());
        let message = &events[1]["run"]["facets"]["errorMessage"]["message"];
        assert_eq!(message, "gate \"extracted\" stayed closed: age: 3 rows");
        assert_eq!(events[1]["eventTime"], "1970-01-01T00:00:00+00:00", "without a record the time of the batch");
    }
}

//! What servers have and folders do not: addresses, conditional writes over the network, listings in pages. The other tests
//! run there too; see [`crate::support::served`].

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures::{StreamExt, TryStreamExt};
use med_schema::GatePolicy;
use med_store::blocking::Lakehouse;
use med_store::{Stage, StoreError};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode};

use crate::registry::artifact;
use crate::support::{
    addresses, admit, chain, clients, definition, environment, new_folder, run, same, schema, served, wait,
};

/// So that a passing test is not taken for one that ran.
fn servers() -> Vec<crate::support::Lake> {
    let lakes = served();
    if lakes.is_empty() {
        println!("skipped: MED_TEST_STORE_URLS is not set");
    }
    lakes
}

#[test]
fn one_of_many_who_create_an_object_wins_and_is_the_one_who_is_read() {
    for lake in servers() {
        for round in 0..5 {
            let path = Path::from(format!("race/{round}"));
            let create = |writer: usize| {
                let bytes = format!("writer {writer}").into_bytes().into();
                match wait(lake.store.put_opts(&path, bytes, PutMode::Create.into())) {
                    Ok(_) => Some(writer),
                    Err(object_store::Error::AlreadyExists { .. }) => None,
                    Err(error) => panic!("{error}"),
                }
            };
            let winners: Vec<usize> = thread::scope(|scope| {
                let create = &create;
                let writers: Vec<_> = (0..8).map(|writer| scope.spawn(move || create(writer))).collect();
                writers.into_iter().filter_map(|writer| writer.join().unwrap()).collect()
            });
            let found = wait(async { lake.store.get(&path).await.unwrap().bytes().await.unwrap() });
            assert_eq!(winners.len(), 1, "round {round}");
            assert_eq!(found, format!("writer {}", winners[0]));
        }
    }
}

#[test]
fn a_listing_of_several_pages_has_every_object_at_once_and_in_order() {
    for lake in servers() {
        // Servers answer with a thousand, or five thousand.
        let paths: Vec<Path> = (0..1_100).map(|n| Path::from(format!("many/{n:05}"))).collect();
        wait(async {
            let puts = paths.iter().map(|path| lake.store.put(path, Vec::new().into()));
            futures::stream::iter(puts).buffer_unordered(16).try_collect::<Vec<_>>().await.unwrap();
        });
        let list = |from: Option<&Path>| -> Vec<Path> {
            let folder = Path::from("many");
            let listed = match from {
                Some(from) => lake.store.list_with_offset(Some(&folder), from),
                None => lake.store.list(Some(&folder)),
            };
            wait(listed.map_ok(|meta| meta.location).try_collect()).unwrap()
        };
        assert_eq!(list(None), paths);
        // How a log is read from its last checkpoint on.
        assert_eq!(list(Some(&paths[1_050])), paths[1_051..]);
        let last = paths.last().unwrap();
        wait(lake.store.delete(last)).unwrap();
        assert_eq!(list(None).last(), Some(&paths[1_098]));
    }
}

#[test]
fn all_forms_of_an_address_lead_to_the_same_lake() {
    for address in addresses() {
        let folder = new_folder(&address);
        let open = |address: &str| Lakehouse::open_with(address, environment()).unwrap();
        let lake = open(&folder);
        let rows = clients(0..20, 1.0);
        lake.table("clients", &schema()).unwrap().append(run("a"), &admit(rows.clone())).unwrap();
        let mut forms = BTreeSet::from([format!("{folder}/"), folder.replace("%20", " ").replace('ö', "%C3%B6")]);
        if let Some(rest) = folder.strip_prefix("s3://") {
            forms.insert(format!("s3a://{rest}"));
        }
        if let Some(rest) = folder.strip_prefix("az://") {
            forms.extend(["azure", "abfs", "abfss", "adl"].map(|scheme| format!("{scheme}://{rest}")));
        }
        for form in forms {
            let table = open(&form).table("clients", &schema()).unwrap();
            assert!(same(&table.read(None).unwrap(), &rows), "{form}");
        }
        // Two lakes in one bucket do not see each other, even when the name of one begins with that of the other.
        let beside = open(&format!("{folder}-2"));
        assert!(beside.ls().unwrap().is_empty());
        assert_eq!(beside.table("clients", &schema()).unwrap().read(None).unwrap().n_rows(), 0);
        for lake in [lake, beside] {
            let store = lake.as_async().store();
            let all = store.list(None).map_ok(|meta| meta.location).boxed();
            let deleted: Vec<_> = wait(store.delete_stream(all).try_collect()).unwrap();
            assert!(!deleted.is_empty());
        }
    }
}

#[test]
fn a_server_that_does_not_know_the_bucket_says_so() {
    for address in addresses() {
        let (scheme, rest) = address.split_once("://").unwrap();
        let bucket = rest.split('/').next().unwrap();
        let lake = Lakehouse::open_with(&format!("{scheme}://{bucket}-that-is-not-there"), environment()).unwrap();
        let error = lake.results().put_json(med_store::ResultKind::Metrics, &run("a"), "m.json", "x").unwrap_err();
        let text = chain(&error);
        assert!(text.contains("metrics/a/m.json") && text.contains("404"), "{text}");
    }
}

/// What stands between a client and an S3-compatible server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Every fourth request is answered that the server is busy, and is not done.
    Busy,
    /// Every fourth request is done, and its answer is lost.
    CutOff,
}

/// Hands requests on to a server, one a connection, with trouble. It ends with the process.
fn between(server: String, trouble: Trouble) -> SocketAddr {
    static REQUESTS: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move |mut client: TcpStream| -> std::io::Result<()> {
        let (mut request, mut buffer) = (Vec::new(), [0; 65_536]);
        let end = loop {
            if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match client.read(&mut buffer)? {
                0 => return Ok(()),
                read => request.extend_from_slice(&buffer[..read]),
            }
        };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let field = |name: &str| {
            head.lines()
                .find_map(|l| l.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|f| f.1.trim()))
        };
        let length: usize = field("content-length").map_or(0, |text| text.parse().unwrap());
        while request.len() < end + length {
            let read = client.read(&mut buffer)?;
            request.extend_from_slice(&buffer[..read]);
        }
        let troubled = REQUESTS.fetch_add(1, Ordering::Relaxed) % 4 == 3;
        if troubled && trouble == Trouble::Busy {
            return client.write_all(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        let mut upstream = TcpStream::connect(&server)?;
        upstream.write_all(head.trim_end().as_bytes())?;
        upstream.write_all(b"\r\nConnection: close\r\n\r\n")?;
        upstream.write_all(&request[end..])?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        if troubled { Ok(()) } else { client.write_all(&answer) }
    };
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(client));
        }
    });
    address
}

/// A table and a promoted model, each step under its own run id.
fn script(lake: &Lakehouse) -> Result<(), StoreError> {
    let group = lake.feature_group(definition())?;
    group.insert(run("a"), &admit(clients(0..10, 0.0)))?;
    group.insert(run("b"), &admit(clients(5..15, 1.0)))?;
    let version = lake.registry().register("linear", &admit(artifact("a", "bytes")))?.version;
    let admitted = lake.registry().admit_stored("linear", version, &GatePolicy::default())?;
    lake.registry().transition(&admitted, Stage::Production).map(|_| ())
}

#[test]
fn a_busy_server_is_asked_again_and_a_lost_answer_does_nothing_twice() {
    let of_http = |(name, value): &(String, String)| {
        let server = value.strip_prefix("http://")?.trim_end_matches('/').to_owned();
        name.starts_with("aws_endpoint").then_some(server)
    };
    let Some(server) = environment().iter().find_map(of_http) else {
        println!("skipped: AWS_ENDPOINT names no server without TLS");
        return;
    };
    for lake in servers() {
        let Some(address) = lake.address.as_ref().filter(|address| address.starts_with("s3://")) else { continue };
        for trouble in [Trouble::Busy, Trouble::CutOff] {
            let proxy = between(server.clone(), trouble);
            let mut options = environment();
            options.retain(|(name, _)| !name.starts_with("aws_endpoint"));
            options.push(("aws_endpoint".to_owned(), format!("http://{proxy}")));
            let folder = format!("{address}/{trouble:?}");
            let troubled = Lakehouse::open_with(&folder, options).unwrap();
            // Whether a write whose answer is lost was done cannot be known to the client; its caller runs it again.
            let tries = if trouble == Trouble::Busy { 1 } else { 20 };
            let failed: Vec<StoreError> = (0..tries).map_while(|_| script(&troubled).err()).collect();
            assert!(failed.len() < tries, "{trouble:?}: {failed:?}");

            let lake = Lakehouse::open_with(&folder, environment()).unwrap();
            let group = lake.open_feature_group("medical_costs", None).unwrap();
            let runs: Vec<String> =
                group.history().unwrap().iter().filter_map(|v| Some(v.run.as_ref()?.to_string())).collect();
            assert_eq!(runs, ["a", "b"], "{trouble:?}");
            assert_eq!(group.read(None).unwrap().n_rows(), 15);
            let model = lake.registry().show("linear").unwrap();
            assert_eq!((model.versions.len(), model.log.len()), (1, 1), "{trouble:?}");
        }
    }
}

//! What servers have and folders do not: addresses, conditional writes over the network, listings in pages. The other tests
//! run there too; see [`crate::support::served`].

use std::collections::BTreeSet;
use std::thread;

use futures::{StreamExt, TryStreamExt};
use med_store::blocking::Lakehouse;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode};

use crate::support::{addresses, admit, chain, clients, environment, new_folder, run, same, schema, served, wait};

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

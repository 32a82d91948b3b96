use med_etl::clients::{self, clients_schema};
use med_etl::{EtlError, Extract};
use med_schema::Role;

use crate::database::clients as clients_db;

#[test]
fn typed_and_dynamic_paths_give_the_same_table() {
    let db = clients_db();
    let schema = clients_schema().unwrap();
    assert_eq!(schema.target().unwrap().name, "annual_medical_cost");
    assert!(schema.columns().iter().all(|c| c.nullable));
    let dynamic = db.collect(&Extract::table("clients").with_schema(schema)).unwrap();
    let typed = clients::read(&mut db.connect()).unwrap();
    assert_eq!(typed.n_rows(), 5000);
    assert_eq!(typed.schema(), dynamic.table.schema());
    assert!(typed.frame().equals_missing(dynamic.table.frame()));
    assert_eq!(typed.fingerprint().unwrap(), dynamic.table.fingerprint().unwrap());
    assert_eq!(dynamic.report.columns[15].nulls, 1048);
    assert_eq!(typed.schema().with_role(Role::Feature).count(), 19);
}

#[test]
fn typed_reading_does_not_turn_text_into_zero() {
    let db = clients_db();
    db.change("UPDATE clients SET age = 'unknown' WHERE rowid = 3");
    let error = clients::read(&mut db.connect()).unwrap_err();
    assert!(matches!(error, EtlError::TypedRow { row: 2, .. }), "{error}");
    assert!(error.to_string().contains("age") && error.to_string().contains("expected integer, found text"), "{error}");
    assert!(!error.to_string().contains("unknown"));
    db.change("UPDATE clients SET age = 30, bmi = NULL WHERE rowid = 3");
    let error = clients::read(&mut db.connect()).unwrap_err().to_string();
    assert!(error.contains("bmi") && error.contains("expected real, found null"), "{error}");
    db.change("ALTER TABLE clients DROP COLUMN bmi");
    let error = clients::read(&mut db.connect()).unwrap_err().to_string();
    assert!(error.contains("no such column: clients.bmi"), "{error}");
}

#[test]
fn queries_are_checked_when_they_are_compiled() {
    use diesel::prelude::*;
    use med_etl::clients::schema::clients::dsl;

    let db = clients_db();
    let mut connection = db.connect();
    let seniors: i64 = dsl::clients.filter(dsl::age.ge(65)).count().get_result(connection.sqlite().unwrap()).unwrap();
    assert!(seniors > 1000 && seniors < 3000);
}

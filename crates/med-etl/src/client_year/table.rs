//! The client-years as a table.

use med_schema::{Column as Declared, Domain, Kind, Role, Schema, Table, ValueType};
use polars::prelude::*;

use super::ClientYearError;
use super::client::{ClientRow, Clients, NO_VALUE};
use super::config::Plan;
use super::features::{Layout, MISSING, Whole};
use super::finish::Rows;
use super::window::{completed_years, date_of};

/// Name of the client's identifier.
pub const CLIENT_ID: &str = "client_id";
/// Name of the cut-off, as a moment: the midnight with which it begins.
pub const CUT_OFF: &str = "event_time";
/// Name of the target, in cents.
pub const TARGET_CENTS: &str = "target_cost_cents";
/// Name of the years at risk in the target window.
pub const EXPOSURE: &str = "exposure_years";
/// Ending of the names of columns that hold cents.
pub(super) const CENTS: &str = "_cents";

const MICROS_A_DAY: i64 = 86_400_000_000;

/// The table, and how many values of attributes were taken as missing since rows contradict one another.
pub(super) fn build(
    plan: &Plan,
    clients: &Clients,
    layout: &Layout,
    client_rows: &[usize],
    rows: Vec<Rows>,
) -> Result<(Table, u64), ClientYearError> {
    let n = rows.iter().map(|part| part.client.len()).sum();
    let mut columns: Vec<Column> = Vec::new();
    let mut specs: Vec<Declared> = Vec::new();
    let mut ids = StringChunkedBuilder::new(CLIENT_ID.into(), n);
    rows.iter().flat_map(|part| &part.client).for_each(|&c| ids.append_value(clients.id(c)));
    columns.push(ids.finish().into_column());
    specs.push(Declared::new(CLIENT_ID, Kind::Identifier, ValueType::Text).role(Role::Key));
    let cuts: Vec<i64> = windows(&rows).map(|w| i64::from(plan.windows[w].cut) * MICROS_A_DAY).collect();
    let cuts = Int64Chunked::from_vec(CUT_OFF.into(), cuts).into_datetime(TimeUnit::Microseconds, None);
    columns.push(cuts.into_column());
    specs.push(Declared::new(CUT_OFF, Kind::Timestamp, ValueType::Timestamp).role(Role::EventTime));

    let conflicts = attributes(plan, clients, client_rows, &rows, &mut columns, &mut specs);

    let stride = layout.whole.len();
    for (i, (name, what)) in layout.whole.iter().enumerate() {
        let values = rows.iter().flat_map(|part| part.whole.iter().skip(i).step_by(stride).copied());
        let column = match what {
            Whole::Length(_) => {
                Int64Chunked::from_iter_options(name.as_str().into(), values.map(|v| (v != MISSING).then_some(v)))
            }
            _ => Int64Chunked::from_vec(name.as_str().into(), values.collect()),
        };
        columns.push(column.into_column());
        specs.push(declared(name, *what));
    }
    let stride = layout.floats.len();
    for (i, (name, unit)) in layout.floats.iter().enumerate() {
        let values = rows.iter().flat_map(|part| part.floats.iter().skip(i).step_by(stride).copied()).collect();
        columns.push(Float64Chunked::from_vec((*name).into(), values).into_column());
        specs.push(Declared::new(*name, Kind::Continuous, ValueType::Float).unit(*unit));
    }
    if !plan.features_only {
        let exposure = rows.iter().flat_map(|part| part.exposure.iter().copied()).collect();
        columns.push(Float64Chunked::from_vec(EXPOSURE.into(), exposure).into_column());
        specs.push(Declared::new(EXPOSURE, Kind::Continuous, ValueType::Float).unit("years").role(Role::Exposure));
        let targets = rows.iter().flat_map(|part| part.target.iter().copied()).collect();
        columns.push(Int64Chunked::from_vec(TARGET_CENTS.into(), targets).into_column());
        specs.push(declared(TARGET_CENTS, Whole::Cents).role(Role::Target));
    }

    let schema = Schema::new(specs)?;
    let frame = DataFrame::new(n, columns)?;
    Ok((Table::parse(frame, schema)?, conflicts))
}

/// The place of each row's cut-off.
fn windows(rows: &[Rows]) -> impl Iterator<Item = usize> + '_ {
    rows.iter().flat_map(|part| part.window.iter().map(|&w| usize::from(w)))
}

fn declared(name: &str, what: Whole) -> Declared {
    let least = |spec: Declared| spec.domain(Domain::Range { min: Some(0.0), max: None });
    match what {
        Whole::Cents => Declared::new(name, Kind::Continuous, ValueType::Integer).unit("cents"),
        Whole::Count => least(Declared::new(name, Kind::Count, ValueType::Integer)),
        Whole::Length(unit) => least(Declared::new(name, Kind::Count, ValueType::Integer)).unit(unit).nullable(true),
        Whole::Flag => Declared::new(name, Kind::Binary, ValueType::Integer),
    }
}

/// Age and the attributes that the configuration names, each as it was on the cut-off day.
fn attributes(
    plan: &Plan,
    clients: &Clients,
    starts: &[usize],
    rows: &[Rows],
    columns: &mut Vec<Column>,
    specs: &mut Vec<Declared>,
) -> u64 {
    let Some(table) = &plan.config.clients else { return 0 };
    let mut conflicts = 0;
    let dated = table.valid_from.is_some();
    let owners: Vec<(u32, u16)> =
        rows.iter().flat_map(|part| part.client.iter().copied().zip(part.window.iter().copied())).collect();
    let of = |row: usize| {
        let client = owners[row].0 as usize;
        &clients.rows[starts[client]..starts[client + 1]]
    };
    let cut_off = |row: usize| &plan.windows[usize::from(owners[row].1)];
    // Rows of one client are in the order of time.
    let valid = |row: usize| -> &[ClientRow] {
        let all = of(row);
        if !dated {
            return all;
        }
        let before = all.partition_point(|r| r.from <= cut_off(row).cut);
        let place = before.saturating_sub(1);
        // Rows valid from one day may contradict one another as well.
        let from = all.get(place).map(|r| r.from);
        let start = all.partition_point(|r| Some(r.from) < from);
        let end = all.partition_point(|r| Some(r.from) <= from);
        &all[start..end]
    };
    let n = owners.len();
    if table.birth_date.is_some() {
        let mut ages = PrimitiveChunkedBuilder::<Int64Type>::new("age".into(), n);
        for row in 0..n {
            let birth = agreed(valid(row).iter().filter_map(|r| r.birth), &mut conflicts);
            // Who is born after the cut-off has no age then.
            let age = birth.map(|b| completed_years(date_of(b), cut_off(row).cut_off));
            ages.append_option(age.filter(|&a| a >= 0).map(i64::from));
        }
        columns.push(ages.finish().into_column());
        specs.push(declared("age", Whole::Length("years")));
    }
    for (i, attribute) in table.attributes.iter().enumerate() {
        let (_, name, numeric, protected) = attribute.parts();
        let texts = &clients.levels[i].texts;
        let mut value =
            |row: usize| agreed(valid(row).iter().map(|r| r.values[i]).filter(|&v| v != NO_VALUE), &mut conflicts);
        let role = if protected { Role::Protected } else { Role::Feature };
        if numeric {
            let numbers: Vec<Option<f64>> =
                texts.iter().map(|t| t.parse().ok().filter(|v: &f64| v.is_finite())).collect();
            let values = (0..n).map(|row| value(row).and_then(|v| numbers[v as usize]));
            columns.push(Float64Chunked::from_iter_options(name.into(), values).into_column());
            specs.push(Declared::new(name, Kind::Continuous, ValueType::Float).role(role).nullable(true));
        } else {
            let mut builder = StringChunkedBuilder::new(name.into(), n);
            (0..n).for_each(|row| builder.append_option(value(row).map(|v| &*texts[v as usize])));
            columns.push(builder.finish().into_column());
            specs.push(Declared::new(name, Kind::Nominal, ValueType::Text).role(role).nullable(true));
        }
    }
    conflicts
}

/// The one value, if there is one and no other.
fn agreed<T: PartialEq>(mut values: impl Iterator<Item = T>, conflicts: &mut u64) -> Option<T> {
    let first = values.next()?;
    if values.any(|v| v != first) {
        *conflicts += 1;
        return None;
    }
    Some(first)
}

/// The client-years as a model takes them: amounts in units of the currency instead of cents, so that columns `…_cents` lose this ending.
/// This is the step in which money stops being whole cents.
///
/// # Errors
/// When the table has no cut-offs, so that it is none of client-years.
pub fn in_currency_units(table: Table) -> Result<Table, ClientYearError> {
    table.schema().column(CUT_OFF).map_err(|_| no_cut_offs())?;
    let (frame, schema) = table.into_parts();
    let (mut columns, mut specs) = (Vec::with_capacity(schema.len()), Vec::with_capacity(schema.len()));
    for (column, spec) in frame.columns().iter().zip(schema.columns()) {
        let of_money = spec.unit.as_deref().filter(|u| u.starts_with("cents"));
        let (Some(unit), true) = (of_money, spec.name.contains(CENTS)) else {
            columns.push(column.clone());
            specs.push(spec.clone());
            continue;
        };
        let name = spec.name.replace(CENTS, "");
        let cents = column.cast(&DataType::Float64)?;
        let units = cents.f64()?.apply_values(|c| c / 100.0).with_name(name.as_str().into());
        columns.push(units.into_column());
        let unit = unit.replacen("cents", "currency", 1);
        specs.push(Declared { name, value_type: ValueType::Float, unit: Some(unit), ..spec.clone() });
    }
    let frame = DataFrame::new(frame.height(), columns)?;
    Ok(Table::parse(frame, Schema::new(specs)?)?)
}

/// The cut-off days of client-years, in order, each once.
///
/// # Errors
/// When the table has no cut-offs.
pub fn cut_offs(table: &Table) -> Result<Vec<chrono::NaiveDate>, ClientYearError> {
    let moments = table.frame().column(CUT_OFF).map_err(|_| no_cut_offs())?.datetime().map_err(|_| no_cut_offs())?;
    let days = moments.physical().iter().flatten().map(|m| m.div_euclid(MICROS_A_DAY));
    let days: std::collections::BTreeSet<i64> = days.collect();
    Ok(days.into_iter().filter_map(|d| i32::try_from(d).ok()).map(date_of).collect())
}

fn no_cut_offs() -> ClientYearError {
    ClientYearError::NotClientYears { column: CUT_OFF.to_owned(), expected: ValueType::Timestamp }
}
